//! Tests that work for other threads is limited. A call returns although other threads queue
//! broadcasts without end, and a Ping or a Close of the peer is answered between those broadcasts.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use pipe::{Pipe, Then};
use task::{LONG, Task, in_time};
use tightwire::{Error, Hub, Member, Operation, Receiver, Role, Sender, SlowPolicy, Timeouts};
use wire::close_body;

/// The number of broadcasts that may wait for a connection.
const BACKLOG: usize = 16;
const BROADCAST: (u8, &[u8]) = (0x81, b"broadcast");

/// A connection whose queue of broadcasts is never empty. During each write, another thread fills
/// the queue, and the write returns after that.
struct Flood {
    pipe: Pipe,
    hub: Hub,
    sender: Sender,
    _member: Member,
    stops: Arc<AtomicBool>,
}

impl Flood {
    fn begin() -> (Self, Receiver) {
        let timeouts = Timeouts::new().write(LONG).close(LONG).ping(None);
        let pipe = Pipe::new(Role::Server);
        let (sender, receiver) = pipe.open(timeouts).split();
        // The hub does not retry a broadcast that the connection refuses for now, so the write can
        // wait for it.
        let hub = Hub::new(SlowPolicy::Wait(Duration::ZERO));
        let member = hub.join(sender.clone());
        let stops = Arc::new(AtomicBool::new(false));

        let (ask, asked) = mpsc::channel::<()>();
        let (report, is_full) = mpsc::channel::<()>();
        thread::spawn({
            let hub = hub.clone();
            move || {
                while asked.recv().is_ok() {
                    let text = std::str::from_utf8(BROADCAST.1).unwrap();
                    // Until the queue is full, or accepts no more in this slice.
                    while hub.broadcast(text).delivered > 0 {}
                    if report.send(()).is_err() {
                        return;
                    }
                }
            }
        });
        let channels = Mutex::new((ask, is_full));
        let has_stopped = Arc::clone(&stops);
        pipe.after_write(move || {
            if !has_stopped.load(Ordering::SeqCst) {
                let (ask, is_full) = &*channels.lock().unwrap();
                ask.send(()).unwrap();
                is_full.recv().unwrap();
            }
        });
        (Self { pipe, hub, sender, _member: member, stops }, receiver)
    }

    /// Begins a send, and waits until it has written at least a full queue of broadcasts.
    fn begin_send(&self) -> Task<Result<(), Error>> {
        let frames_before = self.pipe.state().frames.len();
        let sender = self.sender.clone();
        let sending = Task::spawn(move || sender.send("message"));
        let end = frames_before + 1 + BACKLOG;
        self.pipe.await_that("broadcasts", |state| state.frames.len() >= end);
        sending
    }
}

/// A failed test must not leave a thread running.
impl Drop for Flood {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_send_returns_while_others_broadcast_without_end() {
    let (flood, _receiver) = Flood::begin();
    let sender = flood.sender.clone();
    in_time(move || sender.send("message")).unwrap();
    flood.pipe.await_frame(0x81, b"message");
}

#[test]
fn a_flush_returns_while_others_broadcast_without_end() {
    let (flood, _receiver) = Flood::begin();
    let sender = flood.sender.clone();
    sender.feed("message").unwrap();
    in_time(move || sender.flush()).unwrap();
    flood.pipe.await_frame(0x81, b"message");
}

#[test]
fn a_ping_call_returns_while_others_broadcast_without_end() {
    let (flood, _receiver) = Flood::begin();
    let sender = flood.sender.clone();
    in_time(move || sender.ping(b"ours")).unwrap();
    flood.pipe.await_frame(0x89, b"ours");
}

#[test]
fn a_broadcast_returns_while_others_broadcast_without_end() {
    let (flood, _receiver) = Flood::begin();
    let hub = flood.hub.clone();
    let report = in_time(move || hub.broadcast("message"));
    assert_eq!((report.delivered, report.dropped), (1, 0));
    flood.pipe.await_frame(0x81, b"message");
}

#[test]
fn a_receive_returns_while_others_broadcast_without_end() {
    let (flood, mut receiver) = Flood::begin();
    // The Pong is the first write.
    flood.pipe.feed_frame(0x89, b"first");
    let outcome = in_time(move || receiver.recv_timeout(Duration::from_millis(20)));
    assert!(matches!(outcome, Err(Error::Timeout(Operation::Receive))), "{outcome:?}");
    flood.pipe.await_frame(0x8a, b"first");
}

#[test]
fn a_message_is_received_while_others_broadcast_without_end() {
    let (flood, mut receiver) = Flood::begin();
    flood.pipe.feed_frame(0x89, b"first");
    let task = Task::spawn(move || receiver.recv());
    flood.pipe.await_frame(0x8a, b"first");
    // The receiver writes the waiting broadcasts, and then accepts no more.
    flood.pipe.await_that("broadcasts", |state| state.frames.len() > BACKLOG);
    flood.pipe.feed_frame(0x81, b"message");
    assert_eq!(task.end().unwrap().unwrap().as_text(), Some("message"));
}

#[test]
fn a_ping_of_the_peer_is_answered_between_broadcasts_that_never_end() {
    let (flood, mut receiver) = Flood::begin();
    let receiving = Task::spawn(move || {
        let _ = receiver.recv();
    });
    flood.pipe.await_reader();
    for ping in [b"one", b"two"] {
        // The sender writes broadcasts until the end of its slice.
        let sending = flood.begin_send();
        flood.pipe.feed_frame(0x89, ping);
        flood.pipe.await_frame(0x8a, ping);
        sending.end().unwrap();
    }
    flood.pipe.feed(b"", Then::End);
    receiving.end();
}

#[test]
fn no_broadcast_is_left_unwritten_at_the_end_of_a_slice() {
    let (flood, mut receiver) = Flood::begin();
    let receiving = Task::spawn(move || {
        let _ = receiver.recv();
    });
    flood.pipe.await_reader();
    flood.begin_send().end().unwrap();
    // The receiver is in an endless read, and no other thread writes any more.
    let is_broadcast = |(first, payload): &(u8, Vec<u8>)| (*first, &payload[..]) == BROADCAST;
    let written = flood.pipe.frames().iter().filter(|frame| is_broadcast(frame)).count();
    assert_eq!(written as u64, flood.hub.totals().delivered);
    flood.pipe.feed(b"", Then::End);
    receiving.end();
}

#[test]
fn a_close_of_the_peer_is_answered_between_broadcasts_that_never_end() {
    let (flood, mut receiver) = Flood::begin();
    let receiving = Task::spawn(move || {
        let outcome = receiver.recv();
        (outcome, receiver.close_status().cloned())
    });
    let sending = flood.begin_send();
    let body = close_body(1000, "");
    flood.pipe.feed(&flood.pipe.frame(0x88, &body), Then::End);
    flood.pipe.await_frame(0x88, &body);
    let (outcome, status) = receiving.end();
    assert_eq!(outcome.unwrap(), None);
    assert!(status.unwrap().was_clean());
    sending.end().unwrap();
    assert_eq!(flood.pipe.frames().last().unwrap(), &(0x88, body), "nothing follows a Close");
}

/// Linux applies the timeout of a write to a Unix socket to each piece of the write. One call with
/// many pieces takes as long as the peer needs for them.
#[cfg(unix)]
#[test]
fn a_slow_peer_on_a_unix_socket_delays_no_receive_and_no_broadcast() {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use tightwire::handshake::Negotiated;
    use tightwire::{Acceptor, PreparedMessage, WebSocket};

    /// The peer needs about eight seconds to read all of it.
    const LEN: usize = 32 << 20;
    const PIECE: usize = 32 << 10;
    const MOST: Duration = Duration::from_secs(2);

    let (ours, mut peer) = UnixStream::pair().unwrap();
    let mut ws: WebSocket =
        Acceptor::new().from_upgraded(ours, Negotiated::default(), Vec::new()).unwrap();
    let hub = Hub::new(SlowPolicy::Drop);
    let _member = hub.join(ws.sender());
    let reading = thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        while let Ok(1..) = peer.read(&mut piece) {
            thread::sleep(Duration::from_millis(8));
        }
    });
    let message = PreparedMessage::new(&vec![0; LEN][..]);
    let start = Instant::now();
    hub.broadcast_prepared(&message);
    assert!(start.elapsed() < MOST, "a broadcast of {:?}", start.elapsed());
    for _ in 0..3 {
        let start = Instant::now();
        let outcome = ws.recv_timeout(Duration::from_millis(20));
        assert!(matches!(outcome, Err(Error::Timeout(Operation::Receive))), "{outcome:?}");
        assert!(start.elapsed() < MOST, "a receive of {:?}", start.elapsed());
    }
    drop(ws);
    reading.join().unwrap();
}
