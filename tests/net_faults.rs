//! Tests faults between two peers: each end reports the right error, and leaks no thread and no
//! socket.
//!
//! This is a single test, because it counts the resources of the whole process.

#[path = "wire/proxy.rs"]
mod proxy;
#[cfg(feature = "tls")]
#[path = "wire/tls.rs"]
mod tls;
mod wire;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io, panic};

use proxy::{Direction, End, Proxy, Random};
use tightwire::{
    Acceptor, Client, ClosedBy, Error, Message, Operation, ProtocolError, Role, SendError, Server,
    ServerHandle, State, Timeouts, WebSocket,
};
use wire::{PATIENCE, Raw, masked};

/// More bytes than the buffers of the system hold.
const HUGE: usize = 24 << 20;

type Case = Box<dyn FnOnce() + panic::UnwindSafe>;

#[test]
fn every_fault_gives_the_right_error_and_leaks_nothing() {
    let mut cases: Vec<(String, Case)> = Vec::new();
    for fault in FAULTS {
        for role in [Role::Server, Role::Client] {
            let name = format!("{role:?}: {}", fault.name);
            cases.push((name, Box::new(move || check_fault(role, &fault))));
        }
    }
    for (name, bytes, expected) in SERVERS {
        let name = format!("server in the handshake: {name}");
        cases.push((name, Box::new(move || fail_to_accept(bytes, expected))));
    }
    for (name, bytes, expected) in CLIENTS {
        let name = format!("client in the handshake: {name}");
        cases.push((name, Box::new(move || fail_to_connect(bytes, expected))));
    }
    cases.push(("a writer and a reader are blocked".to_owned(), Box::new(reset_both_halves)));
    // Under Wine, each of many small pieces costs several calls to its server.
    for seed in 0..if cfg!(windows) { 8 } else { 32 } {
        cases.push((format!("proxy, seed {seed}"), Box::new(move || through_a_proxy(seed, false))));
        if cfg!(feature = "tls") {
            let name = format!("proxy below TLS, seed {seed}");
            cases.push((name, Box::new(move || through_a_proxy(seed, true))));
        }
    }
    let mut failed = Vec::new();
    for (name, case) in cases {
        let before = held();
        if panic::catch_unwind(case).is_err() {
            failed.push(name);
            // Threads that are still ending would be counted against the next case.
            continue;
        }
        let end = Instant::now() + PATIENCE;
        while held() != before {
            assert!(Instant::now() < end, "{name}: {before:?} became {:?}", held());
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Returns the number of threads and of open files of this process, where the system shows them.
/// Wine shows other numbers there.
fn held() -> Option<[usize; 2]> {
    if cfg!(not(target_os = "linux")) {
        return None;
    }
    let count = |path| fs::read_dir(path).map(Iterator::count);
    Some([count("/proc/self/task").ok()?, count("/proc/self/fd").ok()?])
}

/// Builds a frame of a client or of a server from its first byte and its payload.
type Frame = fn(u8, &[u8]) -> Vec<u8>;

/// The behaviour of a peer, and the result at the other end.
#[derive(Clone, Copy)]
struct Fault {
    name: &'static str,
    /// The peer. It may wait until the other end is done, and disconnects when it returns.
    peer: fn(&mut Raw, Frame, &Receiver<()>),
    timeouts: fn(Timeouts) -> Timeouts,
    survivor: fn(&mut WebSocket) -> Result<(), Error>,
    expected: fn(&Error) -> bool,
}

/// Receives to the end. At least one message must arrive.
fn receive(ws: &mut WebSocket) -> Result<(), Error> {
    assert_eq!(ws.recv()?, Some(Message::from("hello")));
    while ws.recv()?.is_some() {}
    Ok(())
}

fn send_and_receive(ws: &mut WebSocket) -> Result<(), Error> {
    ws.send("unread")?;
    while ws.recv()?.is_some() {}
    Ok(())
}

fn send_and_close(ws: &mut WebSocket) -> Result<(), Error> {
    let timeout = ws.send(vec![0; HUGE]).unwrap_err();
    assert!(matches!(timeout, Error::Timeout(Operation::Flush)), "{timeout}");
    ws.close()
}

fn send_until_it_fails(ws: &mut WebSocket) -> Result<(), Error> {
    let message = vec![0; HUGE];
    loop {
        ws.send(&message)?;
    }
}

fn stay(_: &mut Raw, _: Frame, survivor_is_done: &Receiver<()>) {
    let _ = survivor_is_done.recv_timeout(PATIENCE);
}

const fn by_default(timeouts: Timeouts) -> Timeouts {
    timeouts
}

/// On Windows, a reset may be reported as an abort. Wine may report it as the end.
fn is_reset(error: &Error) -> bool {
    let Error::Io(io) = error else { return false };
    io.kind() == ErrorKind::ConnectionReset
        || cfg!(windows) && (io.kind() == ErrorKind::ConnectionAborted || wire::is_eof(error))
}

/// A write fails with a reset or, after an earlier reset, with a broken pipe.
fn is_broken(error: &Error) -> bool {
    is_reset(error) || matches!(error, Error::Io(io) if io.kind() == ErrorKind::BrokenPipe)
}

/// Peers with a fault, and the error that each fault causes.
///
/// | behaviour of the peer                       | error at the other end         |
/// |---------------------------------------------|--------------------------------|
/// | it is killed, wherever in the stream        | `Io(UnexpectedEof)`            |
/// | it is reset (closed with bytes unread)      | `Io(ConnectionReset)`          |
/// | the same, while we write                    | `Io(BrokenPipe)`, or the above |
/// | it ends only its side, without a Close      | `Io(UnexpectedEof)`            |
/// | it is silent, and does not answer a Ping    | `Timeout(Pong)`                |
/// | it does not answer our Close                | `Timeout(Close)`               |
/// | it does not read what precedes our Close    | `Timeout(Close)`               |
/// | it sends an invalid or forbidden frame      | `Protocol`                     |
const FAULTS: [Fault; 14] = [
    Fault {
        name: "killed between frames",
        peer: |raw, frame, _| raw.send(frame(0x81, b"hello")),
        timeouts: by_default,
        survivor: receive,
        expected: wire::is_eof,
    },
    Fault {
        name: "killed in a header",
        peer: |raw, frame, _| {
            raw.send([frame(0x81, b"hello"), frame(0x82, &[0; 300])[..3].to_vec()].concat());
        },
        timeouts: by_default,
        survivor: receive,
        expected: wire::is_eof,
    },
    Fault {
        name: "killed in a payload",
        peer: |raw, frame, _| {
            raw.send([frame(0x81, b"hello"), frame(0x82, &[0; 300])[..99].to_vec()].concat());
        },
        timeouts: by_default,
        survivor: receive,
        expected: wire::is_eof,
    },
    Fault {
        name: "killed between fragments",
        peer: |raw, frame, _| {
            raw.send([frame(0x81, b"hello"), frame(0x01, b"a"), frame(0x89, b"")].concat());
            // The Pong is read. A reset is another case.
            raw.read_frame();
        },
        timeouts: by_default,
        survivor: receive,
        expected: wire::is_eof,
    },
    Fault {
        name: "reset",
        peer: |raw, _, _| {
            raw.stream.peek(&mut [0]).unwrap();
        },
        timeouts: by_default,
        survivor: send_and_receive,
        expected: is_reset,
    },
    Fault {
        name: "reset while we write",
        peer: |raw, _, _| {
            raw.read(100);
            raw.stream.peek(&mut [0]).unwrap();
        },
        timeouts: by_default,
        survivor: send_until_it_fails,
        expected: is_broken,
    },
    Fault {
        name: "half-closed",
        peer: |raw, frame, _| {
            raw.send(frame(0x81, b"hello"));
            raw.end_writing();
            assert!(raw.read_to_end().is_empty());
        },
        timeouts: by_default,
        survivor: receive,
        expected: wire::is_eof,
    },
    Fault {
        name: "half-closed in a message",
        peer: |raw, frame, _| {
            raw.send([frame(0x81, b"hello"), frame(0x02, b"a")].concat());
            raw.end_writing();
            assert!(raw.read_to_end().is_empty());
        },
        timeouts: by_default,
        survivor: receive,
        expected: wire::is_eof,
    },
    Fault {
        name: "silent",
        peer: stay,
        timeouts: |timeouts| {
            timeouts.ping(Duration::from_millis(10)).pong(Duration::from_millis(10))
        },
        survivor: |ws| ws.recv().map(drop),
        expected: |error| matches!(error, Error::Timeout(Operation::Pong)),
    },
    Fault {
        name: "silent in a message",
        peer: |raw, frame, survivor_is_done| {
            raw.send([frame(0x81, b"hello"), frame(0x82, &[0; 300])[..99].to_vec()].concat());
            stay(raw, frame, survivor_is_done);
        },
        timeouts: |timeouts| {
            timeouts.ping(Duration::from_millis(10)).pong(Duration::from_millis(10))
        },
        survivor: receive,
        expected: |error| matches!(error, Error::Timeout(Operation::Pong)),
    },
    Fault {
        name: "silent when we close",
        peer: stay,
        timeouts: |timeouts| timeouts.close(Duration::from_millis(20)),
        survivor: |ws| ws.close(),
        expected: |error| matches!(error, Error::Timeout(Operation::Close)),
    },
    Fault {
        name: "it does not read",
        peer: stay,
        timeouts: |timeouts| {
            timeouts.write(Duration::from_millis(20)).close(Duration::from_millis(20))
        },
        survivor: send_and_close,
        expected: |error| matches!(error, Error::Timeout(Operation::Close)),
    },
    Fault {
        name: "noise",
        peer: |raw, frame, _| {
            raw.send([frame(0x81, b"hello"), b"GET / HTTP/1.1\r\n\r\n".to_vec()].concat());
            let (first, body) = raw.read_frame();
            assert_eq!((first, &body[..2]), (0x88, &[0x03, 0xea][..]), "the peer receives 1002");
            assert!(raw.read_to_end().is_empty());
        },
        timeouts: by_default,
        survivor: receive,
        expected: |error| matches!(error, Error::Protocol(ProtocolError::ReservedOpcode(7))),
    },
    Fault {
        name: "noise in a text",
        peer: |raw, frame, _| {
            raw.send([frame(0x81, b"hello"), frame(0x01, b"a\xff")].concat());
            let (first, body) = raw.read_frame();
            assert_eq!((first, &body[..2]), (0x88, &[0x03, 0xef][..]), "the peer receives 1007");
            assert!(raw.read_to_end().is_empty());
        },
        timeouts: by_default,
        survivor: receive,
        expected: |error| matches!(error, Error::Protocol(ProtocolError::InvalidUtf8)),
    },
];

/// Connects a faulty peer to an end of the given role, and checks the result at that end.
fn check_fault(role: Role, fault: &Fault) {
    let Fault { peer, survivor, expected, .. } = *fault;
    let timeouts = (fault.timeouts)(Timeouts::new());
    let live = move |ws: &mut WebSocket| {
        let error = survivor(ws).unwrap_err();
        // After a failed write, the receiver finds the end of the stream.
        let _ = ws.recv();
        assert!(matches!(ws.recv(), Ok(None)), "the end stays the end");
        let late = ws.send("late");
        assert!(matches!(late, Err(Error::Send(SendError::Closed))), "{late:?}");
        assert_eq!(ws.state(), State::Closed);
        let status = ws.close_status().unwrap();
        assert_eq!((status.code(), status.closed_by()), (1006, ClosedBy::Nobody));
        assert!(!status.was_clean());
        error
    };
    let (done, survivor_is_done) = mpsc::channel();
    let error = match role {
        Role::Server => {
            let served = serve(timeouts, live);
            let mut raw = Raw::upgraded(served.address);
            let peer = thread::spawn(move || peer(&mut raw, masked, &survivor_is_done));
            let outcome = served.outcomes.recv_timeout(PATIENCE).unwrap();
            let _ = done.send(());
            peer.join().unwrap();
            served.end();
            outcome
        }
        Role::Client => {
            let (url, thread) = wire::raw_server(move |mut raw| {
                wire::answer_upgrade(&mut raw);
                peer(&mut raw, unmasked, &survivor_is_done);
            });
            let mut ws = Client::new().timeouts(timeouts).connect(&url).unwrap();
            let outcome = live(&mut ws);
            let _ = done.send(());
            thread.join().unwrap();
            outcome
        }
    };
    assert!(expected(&error), "{error:?}");
}

fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(len as u8),
        len => {
            frame.push(126);
            frame.extend((len as u16).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// A server that returns the results of its handlers, and that can be stopped.
struct Served<T> {
    address: SocketAddr,
    handle: ServerHandle,
    thread: JoinHandle<io::Result<()>>,
    outcomes: Receiver<T>,
    errors: Receiver<String>,
}

fn serve<T: Send + 'static>(
    timeouts: Timeouts,
    handler: impl Fn(&mut WebSocket) -> T + Send + Sync + 'static,
) -> Served<T> {
    serve_with(Acceptor::new().timeouts(timeouts), handler)
}

fn serve_with<T: Send + 'static>(
    acceptor: Acceptor,
    handler: impl Fn(&mut WebSocket) -> T + Send + Sync + 'static,
) -> Served<T> {
    let (report, outcomes) = mpsc::channel();
    let (report_error, errors) = mpsc::channel();
    let server = Server::bind("127.0.0.1:0").unwrap();
    let server = server.acceptor(acceptor);
    let server = server.on_error(move |_, error| {
        let _ = report_error.send(format!("{error:#}"));
    });
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let thread = thread::spawn(move || {
        server.run(move |ws, _| {
            let _ = report.send(handler(ws));
            Ok(())
        })
    });
    Served { address, handle, thread, outcomes, errors }
}

impl<T> Served<T> {
    /// Stops the server, and returns the remaining results of its handlers.
    fn end(self) -> Vec<T> {
        let report = self.handle.shutdown(PATIENCE);
        assert_eq!((report.aborted, report.running), (0, 0), "{report:?}");
        self.thread.join().unwrap().unwrap();
        self.outcomes.iter().collect()
    }
}

/// The name of a case, the bytes that a client sends, and the report of the server. The client
/// stays connected if the report is a timeout.
type Handshake = (&'static str, &'static str, &'static str);

const SERVERS: [Handshake; 4] = [
    ("disconnected at once", "", "the stream ended inside the opening handshake"),
    (
        "disconnected inside the head",
        "GET / HTTP/1.1\r\nHo",
        "the stream ended inside the opening handshake",
    ),
    ("silent", "", "timed out"),
    ("silent in the head", "GET / HTTP/1.1\r\nHo", "timed out"),
];

fn fail_to_accept(bytes: &'static str, expected: &'static str) {
    let mut timeouts = Timeouts::default();
    if expected == "timed out" {
        timeouts = timeouts.handshake(Duration::from_millis(20));
    }
    let served = serve(timeouts, |_| panic!("no handshake, no handler"));
    let mut raw = Raw::connect(served.address);
    raw.send(bytes);
    if expected == "timed out" {
        assert!(raw.read_head().starts_with("HTTP/1.1 408 "));
    } else {
        raw.end_writing();
    }
    raw.read_to_end();
    drop(raw);
    let error = served.errors.recv_timeout(PATIENCE).unwrap();
    assert!(error.contains(expected), "{error}");
    served.end();
}

const CLIENTS: [Handshake; 6] = [
    ("disconnected at once", "", "the stream ended inside the opening handshake"),
    (
        "disconnected inside the head",
        "HTTP/1.1 101 S",
        "the stream ended inside the opening handshake",
    ),
    ("silent", "", "timed out"),
    ("silent in the head", "HTTP/1.1 101 S", "timed out"),
    ("reset", "", "reset"),
    ("reset in the head", "HTTP/1.1 101 S", "reset"),
];

fn fail_to_connect(bytes: &'static str, expected: &'static str) {
    let (done, client_is_done) = mpsc::channel();
    let (url, server) = wire::raw_server(move |mut raw| {
        if expected == "reset" {
            // The request has arrived, but was not read.
            raw.stream.peek(&mut [0]).unwrap();
        } else {
            raw.read_head();
        }
        raw.send(bytes);
        if expected == "timed out" {
            let _: Result<(), _> = client_is_done.recv_timeout(PATIENCE);
        }
    });
    let mut timeouts = Timeouts::default();
    if expected == "timed out" {
        timeouts = timeouts.connect(Duration::from_millis(20));
    }
    let error = Client::new().timeouts(timeouts).connect(&url).unwrap_err();
    let _ = done.send(());
    match expected {
        "timed out" => assert!(matches!(error, Error::Timeout(Operation::Handshake)), "{error}"),
        "reset" => assert!(is_reset(&error), "{error:?}"),
        _ => assert!(wire::is_eof(&error) && format!("{error:#}").contains(expected), "{error:#}"),
    }
    server.join().unwrap();
}

/// One thread is blocked in a write and another in a read. A reset wakes both.
fn reset_both_halves() {
    let served = serve(Timeouts::default(), |ws| {
        let sender = ws.sender();
        let writer = thread::spawn(move || {
            loop {
                if let Err(error) = sender.send(vec![0; HUGE]) {
                    return error;
                }
            }
        });
        let read = ws.recv().unwrap_err();
        (read, writer.join().unwrap())
    });
    let mut raw = Raw::upgraded(served.address);
    raw.read(100);
    raw.stream.peek(&mut [0]).unwrap();
    drop(raw);
    let (read, written) = served.outcomes.recv_timeout(PATIENCE).unwrap();
    // One thread gets the reset, and the other its consequence.
    assert!(is_reset(&read) || wire::is_eof(&read), "{read:?}");
    let written_is_closed = matches!(written, Error::Send(SendError::Closed));
    assert!(is_broken(&written) || written_is_closed, "{written:?}");
    served.end();
}

/// Echoes messages through a proxy that cuts, delays and breaks the stream, as the seed decides.
fn through_a_proxy(seed: u64, secure: bool) {
    const COUNT: usize = 20;
    let mut random = Random(seed);
    let lengths = [0, 10, 125, 126, 1000, 4096, 9000];
    let messages: Vec<_> = (0..COUNT)
        .map(|i| {
            let len = lengths[random.below(lengths.len())];
            let number = format!("{i} ");
            if i % 2 == 0 {
                Message::Text(number + &"h€llo 🦀 ".repeat(len / 14))
            } else {
                Message::Binary((0..len).map(|_| random.draw() as u8).collect())
            }
        })
        .collect();
    let total: usize = messages.iter().map(Message::len).sum();
    let mut end = || {
        let after = random.below(total + total / 4);
        Some((after, [End::Cut, End::HalfClose, End::Garbage][random.below(3)]))
    };
    let ends = match seed % 4 {
        0 => [None, None],
        1 => [end(), None],
        2 => [None, end()],
        _ => [end(), end()],
    };
    let [up, down] = ends.map(|end| Direction {
        seed: random.draw(),
        max_piece: [3, 50, 1500, 20_000][random.below(4)],
        delays: 100,
        end,
    });

    let (scheme, client, acceptor) = ends_of(secure);
    let served = serve_with(acceptor, |ws| -> Result<(), Error> {
        while let Some(message) = ws.recv()? {
            ws.send(&message)?;
        }
        Ok(())
    });
    let proxy = Proxy::start(served.address, up, down);
    let has_garbage = ends.iter().flatten().any(|(_, end)| *end == End::Garbage);
    let url = format!("{scheme}://{}/", proxy.address);
    // TLS delivers no garbage.
    let exact = secure || !has_garbage;
    let (echoed, outcome) = echo_all(&client, &url, &messages, exact);
    proxy.join();
    for outcome in served.end() {
        let Err(error) = outcome else { continue };
        assert!(is_fault(&error, has_garbage), "the server: {error:?}");
    }
    match outcome {
        Ok(()) => assert_eq!(echoed, COUNT, "a clean end, and nothing lost"),
        Err(error) => {
            assert!(ends != [None, None], "{error}");
            assert!(is_fault(&error, has_garbage), "the client: {error:?}");
        }
    }
}

#[cfg(feature = "tls")]
fn ends_of(secure: bool) -> (&'static str, Client, Acceptor) {
    if secure {
        ("wss", tls::client(), tls::acceptor())
    } else {
        ("ws", Client::new(), Acceptor::new())
    }
}

#[cfg(not(feature = "tls"))]
fn ends_of(_secure: bool) -> (&'static str, Client, Acceptor) {
    ("ws", Client::new(), Acceptor::new())
}

/// Whether a broken stream may cause this error.
fn is_fault(error: &Error, has_garbage: bool) -> bool {
    match error {
        Error::Io(_) | Error::Send(SendError::Closed) => true,
        Error::Protocol(_) | Error::Handshake(_) | Error::Tls(_) => has_garbage,
        _ => false,
    }
}

/// Sends all messages, receives their echoes, and then closes.
fn echo_all(
    client: &Client,
    url: &str,
    messages: &[Message],
    exact: bool,
) -> (usize, Result<(), Error>) {
    let ws = match client.connect(url) {
        Ok(ws) => ws,
        Err(error) => return (0, Err(error)),
    };
    let (sender, mut receiver) = ws.split();
    thread::scope(|scope| {
        let writer = scope.spawn(|| messages.iter().try_for_each(|message| sender.send(message)));
        let mut echoed = 0;
        let outcome = loop {
            match receiver.recv() {
                Ok(Some(message)) => {
                    assert!(!exact || message == messages[echoed], "message {echoed}");
                    echoed += 1;
                    if echoed == messages.len() {
                        if let Err(error) = sender.close() {
                            assert!(matches!(error, Error::Io(_) | Error::Send(_)), "{error}");
                        }
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = writer.join().unwrap() {
            assert!(matches!(error, Error::Io(_) | Error::Send(SendError::Closed)), "{error}");
        }
        (echoed, outcome)
    })
}
