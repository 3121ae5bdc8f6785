//! Servers that are shut down while clients come, talk and go, or while a known number is there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tightwire::{
    Acceptor, Client, Error, Hub, Member, Sender, Server, ServerHandle, ShutdownReport, SlowPolicy,
    Timeouts, WebSocket,
};

use super::findings::{Notes, add, lock};
use crate::Outcome;
use crate::random::Random;

const MAX_CONNECTIONS: usize = 6;
/// How much longer than its deadline a shutdown may take. The server itself waits a second more for
/// handlers whose connections it cut.
const SLACK: Duration = Duration::from_secs(4);

/// The state that a round shares with the handlers of its server.
#[derive(Debug)]
struct Round {
    notes: Arc<Notes>,
    hub: Hub,
    in_handlers: AtomicUsize,
    most_in_handlers: AtomicUsize,
    /// Kept until descriptors have been counted.
    kept: Mutex<Vec<(Sender, Member)>>,
    /// The report to a handler that shut the server down.
    told: Mutex<Option<ShutdownReport>>,
    is_over: AtomicBool,
}

/// A server that runs.
struct Running {
    round: Arc<Round>,
    handle: ServerHandle,
    address: SocketAddr,
    is_secure: bool,
    thread: JoinHandle<std::io::Result<()>>,
}

/// A server from its beginning to its end.
pub(super) fn round(name: &str, notes: &Arc<Notes>, random: &mut Random) -> Outcome<()> {
    let (shared, mut random) = (Arc::clone(notes), random.fork());
    let work = move || {
        let running = start(&shared, &mut random)?;
        let round = Arc::clone(&running.round);
        if random.one_in(2) { churn(running, &mut random) } else { settled(running, &mut random) }?;
        Ok(round)
    };
    super::leave_nothing(name, notes, std::iter::once(work))
}

fn start(notes: &Arc<Notes>, random: &mut Random) -> Outcome<Running> {
    let timeouts = Timeouts::new()
        .write(Duration::from_millis(5 + random.below(50) as u64))
        .close(Duration::from_secs(3));
    let acceptor = Acceptor::new().timeouts(timeouts);
    let is_secure = cfg!(feature = "tls") && random.one_in(3);
    #[cfg(feature = "tls")]
    let acceptor =
        if is_secure { acceptor.tls(super::connect::tls::configs().1) } else { acceptor };
    let server = Server::bind("127.0.0.1:0")?.acceptor(acceptor).max_connections(MAX_CONNECTIONS);
    let (handle, address) = (server.handle(), server.local_addr()?);
    let round = Arc::new(Round {
        notes: Arc::clone(notes),
        hub: Hub::new(SlowPolicy::Drop),
        in_handlers: AtomicUsize::default(),
        most_in_handlers: AtomicUsize::default(),
        kept: Mutex::default(),
        told: Mutex::default(),
        is_over: AtomicBool::default(),
    });
    let (shared, stopper) = (Arc::clone(&round), handle.clone());
    let thread = notes.spawn("a server".to_owned(), move || {
        server.run(move |ws, request| {
            let here = shared.in_handlers.fetch_add(1, Ordering::SeqCst) + 1;
            shared.most_in_handlers.fetch_max(here, Ordering::SeqCst);
            let outcome = shared.handle(ws, request.path(), &stopper);
            shared.in_handlers.fetch_sub(1, Ordering::SeqCst);
            Ok(outcome?)
        })
    });
    Ok(Running { round, handle, address, is_secure, thread })
}

impl Round {
    /// Serves a connection in the way that its path asks for.
    fn handle(&self, ws: &mut WebSocket, path: &str, stopper: &ServerHandle) -> Result<(), Error> {
        lock(&self.kept).push((ws.sender(), self.hub.join(ws.sender())));
        if path == "/brief" {
            return ws.send("that was all");
        }
        while let Some(message) = ws.recv()? {
            add(&self.notes.messages, 1);
            match path {
                "/slow" => thread::sleep(Duration::from_millis(30)),
                "/stop" => {
                    *lock(&self.told) = Some(stopper.shutdown(Duration::from_millis(600)));
                    return Ok(());
                }
                _ => {}
            }
            ws.send(&message)?;
        }
        Ok(())
    }

    /// Broadcasts until the round is over.
    fn storm(&self) {
        let message = "a broadcast ".repeat(100);
        while !self.is_over.load(Ordering::SeqCst) {
            add(&self.notes.broadcasts, self.hub.broadcast(&*message).delivered);
            thread::sleep(Duration::from_micros(300));
        }
    }
}

impl Running {
    fn connect(&self, path: &str) -> Result<WebSocket, Error> {
        connect(self.address, self.is_secure, path)
    }

    fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Round) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let round = Arc::clone(&self.round);
        self.round.notes.spawn(name.to_owned(), move || work(&round))
    }

    /// Shuts the server down, either from here or from a handler, and checks the outcome.
    fn stop(self, stopper: Option<WebSocket>, deadline: Duration) -> Outcome<ShutdownReport> {
        let (notes, start) = (Arc::clone(&self.round.notes), Instant::now());
        let by_handler = stopper.is_some_and(|stopper| stopper.send("stop").is_ok());
        let report = if by_handler { None } else { Some(self.handle.shutdown(deadline)) };
        match notes.join(self.thread) {
            Some(outcome) => outcome?,
            None => return Err("the server panicked".into()),
        }
        // A handler that shuts the server down comes back a little later.
        while self.round.in_handlers.load(Ordering::SeqCst) > 0
            && start.elapsed() < deadline + SLACK
        {
            thread::sleep(Duration::from_millis(1));
        }
        let report =
            report.or_else(|| *lock(&self.round.told)).ok_or("the handler told nothing")?;
        if start.elapsed() > deadline + SLACK {
            notes.violation("a shutdown takes too long", format!("{:?}", start.elapsed()));
        }
        let most = self.round.most_in_handlers.load(Ordering::SeqCst);
        let count = self.handle.connection_count();
        if report.running > 0 || count > 0 || sum(&report) > MAX_CONNECTIONS {
            notes.violation("a shutdown leaves something", format!("{report:?}, {count} there"));
        }
        if most > MAX_CONNECTIONS {
            notes.violation("a server is too full", most);
        }
        note(&notes, &report);
        Ok(report)
    }
}

const fn sum(report: &ShutdownReport) -> usize {
    report.closed + report.failed + report.refused + report.aborted
}

fn note(notes: &Notes, report: &ShutdownReport) {
    let counts = [
        ("servers shut down", 1),
        ("closed by a shutdown", report.closed),
        ("failed in a shutdown", report.failed),
        ("refused by a shutdown", report.refused),
        ("cut by a shutdown", report.aborted),
    ];
    for (how, count) in counts {
        (0..count).for_each(|_| notes.end(how));
    }
}

fn connect(address: SocketAddr, is_secure: bool, path: &str) -> Result<WebSocket, Error> {
    let (client, scheme) = (Client::new(), if is_secure { "wss" } else { "ws" });
    #[cfg(feature = "tls")]
    let client = client.tls(super::connect::tls::configs().0);
    let host = if is_secure { "localhost".to_owned() } else { address.ip().to_string() };
    client.connect(&format!("{scheme}://{host}:{}{path}", address.port()))
}

/// Clients come and go, more of them than the server has room for, and continue to do so during the
/// shutdown.
fn churn(running: Running, random: &mut Random) -> Outcome<()> {
    let mut threads = Vec::new();
    for _ in 0..MAX_CONNECTIONS + 3 {
        let (address, is_secure, mut random) = (running.address, running.is_secure, random.fork());
        threads.push(running.spawn("a client that comes and goes", move |round| {
            while !round.is_over.load(Ordering::SeqCst) {
                come_and_go(round, address, is_secure, &mut random);
            }
        }));
    }
    threads.push(running.spawn("a broadcaster", Round::storm));
    thread::sleep(Duration::from_millis(random.below(150) as u64));
    let round = Arc::clone(&running.round);
    let stopper = if random.one_in(3) { running.connect("/stop").ok() } else { None };
    let outcome = running.stop(stopper, Duration::from_secs(1));
    round.is_over.store(true, Ordering::SeqCst);
    for thread in threads {
        round.notes.join(thread);
    }
    outcome.map(drop)
}

fn come_and_go(round: &Round, address: SocketAddr, is_secure: bool, random: &mut Random) {
    let path = *random.pick(&["/echo", "/slow", "/brief"]);
    let Ok(mut ws) = connect(address, is_secure, path) else {
        // The server is full, or has stopped.
        return thread::sleep(Duration::from_millis(1));
    };
    round.notes.end("come and gone");
    for _ in 0..random.below(4) {
        // Everything may end at any time here.
        let _ = ws.send("Hello");
        let _ = ws.recv_timeout(Duration::from_millis(random.below(20) as u64));
    }
    match random.below(3) {
        0 => drop(ws),
        1 => ws.sender().abort(),
        _ => drop(ws.close()),
    }
}

/// A known number of clients is connected when the server is shut down, and the report must count
/// each of them once.
fn settled(running: Running, random: &mut Random) -> Outcome<()> {
    let by_handler = random.one_in(2);
    let readers = random.below(MAX_CONNECTIONS - 1);
    let silent = random.below(MAX_CONNECTIONS - readers);
    let (mut threads, mut others) = (Vec::new(), Vec::new());
    for number in 0..readers + silent {
        let mut ws = running.connect(if random.one_in(3) { "/slow" } else { "/echo" })?;
        ws.send("Hello")?;
        if number < readers {
            threads.push(
                running.spawn("a client that reads", move |_| while let Ok(Some(_)) = ws.recv() {}),
            );
        } else {
            others.push(ws);
        }
    }
    let stopper = if by_handler { Some(running.connect("/stop")?) } else { None };
    let here = readers + silent + usize::from(by_handler);
    let start = Instant::now();
    while running.round.in_handlers.load(Ordering::SeqCst) < here && start.elapsed() < SLACK {
        thread::sleep(Duration::from_millis(1));
    }
    threads.push(running.spawn("a broadcaster", Round::storm));
    thread::sleep(Duration::from_millis(random.below(50) as u64));
    let round = Arc::clone(&running.round);
    let outcome = running.stop(stopper, Duration::from_millis(600));
    round.is_over.store(true, Ordering::SeqCst);
    for thread in threads {
        round.notes.join(thread);
    }
    let report = outcome?;
    if sum(&report) != readers + silent {
        let example =
            format!("{readers} read, {silent} do not, by a handler: {by_handler}: {report:?}");
        round.notes.violation("a shutdown does not count right", example);
    }
    Ok(())
}
