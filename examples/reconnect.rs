//! A subscriber that runs for days. Whenever the connection is lost, it connects and subscribes
//! again.
//!
//! ```text
//! cargo run --example reconnect -- [URL [TOPIC]...] [--ping SECONDS]
//! ```
//!
//! It sends `subscribe TOPIC` for each topic, and prints the messages that arrive. The pause
//! between two attempts doubles, up to 30 seconds. Up to half of it is left out at random, so that
//! the clients of a server that failed do not all come back at the same moment.
//!
//! Keepalive detects a dead peer: it sends a Ping after SECONDS of silence, and gives up after as
//! many more. By default that is 20. Ctrl-C and SIGTERM close the connection cleanly and end the
//! program. A close code after which a client should not come back ends it, too.

use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tightwire::{Client, CloseCode, Sender, Timeouts, WebSocket};

/// The first pause, and the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After a connection that lasted this long, the pauses start with the first one again.
const IS_STABLE: Duration = Duration::from_secs(10);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Arguments { url, topics, ping } = Arguments::parse()?;
    let timeouts = Timeouts::new().ping(ping).pong(ping);
    let client = Client::new().timeouts(timeouts);

    let stop = Arc::new(Stop::default());
    let on_signal = Arc::clone(&stop);
    ctrlc::set_handler(move || on_signal.stop())?;

    let mut pause = FIRST_PAUSE;
    while !stop.is_stopped() {
        let since = Instant::now();
        let why = match client.connect(&url) {
            Ok(mut ws) => {
                println!("connected to {url}");
                stop.watch(ws.sender());
                match follow(&mut ws, &topics) {
                    End::Final(why) => {
                        println!("ended: {why}");
                        return Ok(ExitCode::SUCCESS);
                    }
                    End::Lost(why) => why,
                }
            }
            Err(error) if error.may_retry() => format!("{error:#}"),
            Err(error) => {
                println!("ended: {error:#}");
                return Ok(ExitCode::FAILURE);
            }
        };
        if since.elapsed() >= IS_STABLE {
            pause = FIRST_PAUSE;
        }
        let jittered = jitter(pause);
        println!("lost: {why}; next attempt in {} ms", jittered.as_millis());
        stop.wait(jittered);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    println!("ended: stopped");
    Ok(ExitCode::SUCCESS)
}

/// How a connection ended.
enum End {
    /// The client must not connect again.
    Final(String),
    /// The client may connect again.
    Lost(String),
}

/// Subscribes, and prints messages until the connection ends.
fn follow(ws: &mut WebSocket, topics: &[String]) -> End {
    let subscribed = topics.iter().try_for_each(|topic| ws.send(format!("subscribe {topic}")));
    let outcome = subscribed.and_then(|()| {
        while let Some(message) = ws.recv()? {
            println!("received: {message}");
        }
        Ok(())
    });
    match (outcome, ws.close_status()) {
        (Err(error), _) if error.may_retry() => End::Lost(format!("{error:#}")),
        (Err(error), _) => End::Final(format!("{error:#}")),
        (Ok(()), Some(status)) => {
            let why = format!("closed with {} {:?}", status.code(), status.reason());
            if status.may_retry() { End::Lost(why) } else { End::Final(why) }
        }
        (Ok(()), None) => End::Lost("the connection ended".into()),
    }
}

/// Returns a random duration between half of a pause and all of it.
fn jitter(pause: Duration) -> Duration {
    // Any source of randomness will do; this one is in `std`.
    let random = RandomState::new().build_hasher().finish() % 1000;
    pause.mul_f64(0.5 + random as f64 / 2000.0)
}

/// Whether the program must end, and the connection that it must close then.
#[derive(Default)]
struct Stop {
    state: Mutex<StopState>,
    changed: Condvar,
}

#[derive(Default)]
struct StopState {
    is_stopped: bool,
    sender: Option<Sender>,
}

impl Stop {
    fn stop(&self) {
        let mut state = self.lock();
        state.is_stopped = true;
        let sender = state.sender.take();
        drop(state);
        self.changed.notify_all();
        // The receiver gets `None` when the server has answered. If this fails, the connection is
        // closing already.
        if let Some(sender) = sender {
            let _ = sender.close_with(CloseCode::GOING_AWAY, "client stopped");
        }
    }

    /// Closes this connection when the program must end, or at once if it must end already.
    fn watch(&self, sender: Sender) {
        let mut state = self.lock();
        if state.is_stopped {
            drop(state);
            let _ = sender.close_with(CloseCode::GOING_AWAY, "client stopped");
        } else {
            state.sender = Some(sender);
        }
    }

    fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Waits for this pause, or until the program must end.
    fn wait(&self, pause: Duration) {
        drop(self.changed.wait_timeout_while(self.lock(), pause, |state| !state.is_stopped));
    }

    fn lock(&self) -> MutexGuard<'_, StopState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Arguments {
    url: String,
    topics: Vec<String>,
    ping: Duration,
}

impl Arguments {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut parsed = Self {
            url: "ws://127.0.0.1:8080/".into(),
            topics: Vec::new(),
            ping: Duration::from_secs(20),
        };
        let mut url = None;
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--ping" => {
                    let seconds = arguments.next().ok_or("--ping needs a number of seconds")?;
                    parsed.ping = Duration::try_from_secs_f64(seconds.parse()?)?;
                }
                _ if url.is_none() => url = Some(argument),
                _ => parsed.topics.push(argument),
            }
        }
        parsed.url = url.unwrap_or(parsed.url);
        Ok(parsed)
    }
}
