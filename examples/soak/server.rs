use std::error::Error;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use tightwire::{Acceptor, Limits, Server, Timeouts};

use crate::Outcome;
use crate::figures::Figures;

/// The argument that makes this program the server.
pub(crate) const ARGUMENT: &str = "serve";

/// The longest message that the server accepts, and the most frames of a message.
pub(crate) const MAX_MESSAGE_LEN: usize = 1 << 20;
pub(crate) const MAX_FRAGMENTS: u32 = 1000;
/// How long the server waits for the request of a client.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(3);
/// A time that is longer than every timeout of the server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Echoes until standard input ends, with limits that are reached soon.
pub(crate) fn serve() -> Outcome<()> {
    let limits = Limits::new().max_message_len(MAX_MESSAGE_LEN).max_fragments(MAX_FRAGMENTS);
    let timeouts = Timeouts::new()
        .handshake(HANDSHAKE)
        .write(Duration::from_secs(5))
        .close(Duration::from_secs(2))
        .ping(Duration::from_secs(5))
        .pong(Duration::from_secs(5));
    let acceptor = Acceptor::new().limits(limits).timeouts(timeouts).fragment_len(64 << 10);
    #[cfg(feature = "deflate")]
    let acceptor = acceptor.deflate(tightwire::deflate::DeflateConfig::new());

    let errors = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&errors);
    let server = Server::bind("127.0.0.1:0")?.acceptor(acceptor).on_error(move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let handle = server.handle();
    println!("{}", server.local_addr()?);
    let stopper = thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        handle.shutdown(Duration::from_secs(10))
    });
    server.run(|ws, _request| {
        while let Some(message) = ws.recv()? {
            ws.feed(&message)?;
        }
        Ok(())
    })?;
    let report = stopper.join().map_err(|_| "the shutdown panicked")?;
    println!("{report:?}, {} connections ended with an error", errors.load(Ordering::Relaxed));
    Ok(())
}

/// The server, as a separate process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Process {
    pub(crate) fn start() -> Outcome<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().ok_or("it has no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        Ok(Self { child, input, output, address: line.trim().parse()? })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures::of(self.child.id())
    }

    /// Waits until the server has as few threads and descriptors as at the start.
    pub(crate) fn quiet(&self, fresh: &Figures) -> Outcome<Figures> {
        let start = Instant::now();
        loop {
            let figures = self.figures();
            if figures.is_as_quiet_as(fresh) {
                return Ok(figures);
            }
            if start.elapsed() > PATIENCE {
                return Err(
                    format!("something is left behind: {fresh:?} became {figures:?}").into()
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Shuts the server down, and returns its report.
    pub(crate) fn stop(&mut self) -> Outcome<String> {
        drop(self.input.take());
        let mut report = String::new();
        self.output.read_to_string(&mut report)?;
        let status = self.child.wait()?;
        if status.success() {
            Ok(report)
        } else {
            Err::<_, Box<dyn Error>>(status.to_string().into())
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
