//! Tests both directions at once: a sender never blocks a receiver, a receiver never blocks a
//! sender, and no thread waits forever.

#[cfg(feature = "tls")]
#[path = "wire/tls.rs"]
mod tls;
mod wire;

use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::Duration;
use std::{panic, thread};

use tightwire::handshake::Negotiated;
use tightwire::{
    Acceptor, Client, CloseCode, CloseStatus, ClosedBy, Error, Limits, Message, Operation, Role,
    SendError, Sender, Stream, Timeouts, WebSocket,
};
use wire::{Raw, close_body, masked};

const MIB: usize = 1 << 20;

/// A thread of a test. The test waits for its end with a timeout.
struct Task<T>(mpsc::Receiver<T>, thread::JoinHandle<()>);

impl<T: Send + 'static> Task<T> {
    fn spawn(act: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self(
            receiver,
            thread::spawn(move || {
                let _ = sender.send(act());
            }),
        )
    }

    fn end(self) -> T {
        match self.0.recv_timeout(3 * wire::PATIENCE) {
            Ok(value) => {
                self.1.join().unwrap();
                value
            }
            Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
            Err(RecvTimeoutError::Disconnected) => panic::resume_unwind(self.1.join().unwrap_err()),
        }
    }
}

/// Returns the two ends of a TCP connection.
fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn limits() -> Limits {
    Limits::new().max_message_len(64 * MIB).max_frame_len(64 << 20)
}

fn impatient() -> Timeouts {
    Timeouts::new().write(Duration::from_millis(50))
}

fn open(role: Role, stream: impl Stream, timeouts: Timeouts, fragment_len: usize) -> WebSocket {
    let negotiated = Negotiated::default();
    let (client, acceptor) = (Client::new(), Acceptor::new());
    match role {
        Role::Client => client
            .limits(limits())
            .timeouts(timeouts)
            .fragment_len(fragment_len)
            .from_upgraded(stream, negotiated, Vec::new()),
        Role::Server => acceptor
            .limits(limits())
            .timeouts(timeouts)
            .fragment_len(fragment_len)
            .from_upgraded(stream, negotiated, Vec::new()),
    }
    .unwrap()
}

/// The transport between two peers.
#[derive(Clone, Copy, Debug)]
enum Transport {
    Tcp,
    #[cfg(feature = "tls")]
    Tls,
}

const TRANSPORTS: &[Transport] = &[
    Transport::Tcp,
    #[cfg(feature = "tls")]
    Transport::Tls,
];

/// Returns a client and a server that are connected.
fn peers(transport: Transport, timeouts: Timeouts) -> [WebSocket; 2] {
    let (near, far) = tcp();
    match transport {
        Transport::Tcp => {
            [open(Role::Client, near, timeouts, MIB), open(Role::Server, far, timeouts, MIB)]
        }
        #[cfg(feature = "tls")]
        Transport::Tls => {
            let (near, far) = tls::streams(near, far);
            [open(Role::Client, near, timeouts, MIB), open(Role::Server, far, timeouts, MIB)]
        }
    }
}

/// Combines each transport with each of these cases.
fn over_each<T: Copy>(cases: &[T]) -> impl Iterator<Item = (Transport, T)> {
    TRANSPORTS.iter().flat_map(move |transport| cases.iter().map(|case| (*transport, *case)))
}

/// Returns a message that differs from all other ones.
fn message(from: Role, number: usize, len: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..=250).collect();
    let mut message = period.repeat(len / period.len() + 1);
    message.truncate(len);
    message[..8].copy_from_slice(&number.to_be_bytes());
    message[8] = u8::from(from == Role::Client);
    message
}

const fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// Sends messages and Pings, and receives as many. The client closes.
fn talk(role: Role, ws: WebSocket, count: usize, len: usize) -> CloseStatus {
    let (sender, mut receiver) = ws.split();
    let pinger = Task::spawn({
        let sender = sender.clone();
        move || (0..50).for_each(|i| sender.ping(&[i]).unwrap())
    });
    let writer = Task::spawn({
        let sender = sender.clone();
        move || {
            (0..count).for_each(|i| sender.send(message(role, i, len)).unwrap());
            pinger.end();
            sender.send("that was all").unwrap();
        }
    });
    for i in 0..count {
        let received = receiver.recv().unwrap().unwrap().into_bytes();
        assert!(received == message(other(role), i, len), "to {role:?}: message {i} of {count}");
    }
    assert_eq!(receiver.recv().unwrap(), Some(Message::from("that was all")));
    writer.end();
    if role == Role::Client {
        sender.close().unwrap();
    }
    assert_eq!(receiver.recv().unwrap(), None);
    receiver.close_status().unwrap().clone()
}

#[test]
fn both_ends_send_64_mib_at_once_and_both_finish() {
    for (transport, (count, len)) in over_each(&[(1, 64 * MIB), (64, MIB)]) {
        let [client, server] = peers(transport, Timeouts::default());
        let client = Task::spawn(move || talk(Role::Client, client, count, len));
        let server = Task::spawn(move || talk(Role::Server, server, count, len));
        for (end, closed_by) in [(client, ClosedBy::Us), (server, ClosedBy::Peer)] {
            let status = end.end();
            let expected = (1000, closed_by, true);
            assert_eq!((status.code(), status.closed_by(), status.was_clean()), expected);
        }
    }
}

/// Flushes until everything that was accepted is written.
fn flush(sender: &Sender) {
    while let Err(error) = sender.flush() {
        assert!(matches!(error, Error::Timeout(Operation::Flush)), "{error}");
    }
}

fn send(sender: &Sender, message: &str) {
    match sender.send(message) {
        Err(Error::Timeout(Operation::Flush)) => flush(sender),
        outcome => outcome.unwrap(),
    }
}

#[test]
fn two_ends_that_send_before_they_receive_time_out_and_resume() {
    let cases = [(Role::Client, 64 * MIB), (Role::Server, 12 * MIB)];
    for (transport, (reads_first, len)) in over_each(&cases) {
        let stuck = [Role::Client, Role::Server].into_iter().zip(peers(transport, impatient()));
        let stuck = stuck.map(|(role, ws)| {
            Task::spawn(move || {
                let outcome = ws.send(message(role, 0, len));
                assert!(matches!(outcome, Err(Error::Timeout(Operation::Flush))), "{outcome:?}");
                let outcome = ws.send("not accepted");
                assert!(matches!(outcome, Err(Error::Timeout(Operation::Queue))), "{outcome:?}");
                (role, ws)
            })
        });
        let mut stuck: Vec<_> = stuck.collect::<Vec<_>>().into_iter().map(Task::end).collect();
        stuck.sort_by_key(|(role, _)| *role != reads_first);
        let [(first, reading), (second, mut flushing)] = <[_; 2]>::try_from(stuck).unwrap();

        // This end reads, and writes at the same time.
        let (sender, mut receiver) = reading.split();
        let reader = Task::spawn(move || {
            let received = receiver.recv().unwrap().unwrap().into_bytes();
            assert!(received == message(second, 0, len), "every byte, exactly once");
            assert_eq!(receiver.recv().unwrap(), Some(Message::from("after it")));
            assert_eq!(receiver.recv().unwrap(), None);
            receiver.close_status().unwrap().was_clean()
        });
        let writer = Task::spawn(move || {
            flush(&sender);
            send(&sender, "after it");
        });
        // The other end writes first, and reads afterwards.
        flush(&flushing.sender());
        let received = flushing.recv().unwrap().unwrap().into_bytes();
        assert!(received == message(first, 0, len), "every byte, exactly once");
        assert_eq!(flushing.recv().unwrap(), Some(Message::from("after it")));
        send(&flushing.sender(), "after it");
        writer.end();
        flushing.close().unwrap();
        assert!(reader.end());
    }
}

/// Sends messages to a peer that stops reading in between. Reports the first timeout.
fn send_all(sender: &Sender, role: Role, count: usize, stopped: &mpsc::Sender<()>) {
    for i in 0..count {
        let message = message(role, i, MIB);
        loop {
            match sender.send(&message) {
                Ok(()) => break,
                Err(Error::Timeout(operation)) => {
                    // The test may already have seen it.
                    let _ = stopped.send(());
                    if operation == Operation::Flush {
                        // The message was accepted.
                        break;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    flush(sender);
}

#[test]
fn readers_that_pause_for_a_second_get_every_byte_once() {
    const COUNT: usize = 64;
    for transport in TRANSPORTS {
        let ends = [Role::Client, Role::Server].into_iter().zip(peers(*transport, impatient()));
        let (mut writers, mut stops, mut readers) = (Vec::new(), Vec::new(), Vec::new());
        for (role, ws) in ends {
            let (sender, receiver) = ws.split();
            let (stopped, stop) = mpsc::channel();
            let closer = sender.clone();
            writers.push(Task::spawn(move || send_all(&sender, role, COUNT, &stopped)));
            stops.push(stop);
            readers.push((role, receiver, closer));
        }
        // Each reader stops until its peer has timed out, and for a second more.
        stops.reverse();
        let readers = readers.into_iter().zip(stops).map(|((role, mut receiver, closer), stop)| {
            Task::spawn(move || {
                for i in 0..COUNT {
                    if i == 8 {
                        stop.recv_timeout(wire::PATIENCE).expect("a peer that meets its deadline");
                        thread::sleep(Duration::from_secs(1));
                    }
                    let received = receiver.recv().unwrap().unwrap().into_bytes();
                    assert!(received == message(other(role), i, MIB), "message {i}");
                }
                (role, receiver, closer)
            })
        });
        let readers: Vec<_> = readers.collect();
        writers.into_iter().for_each(Task::end);
        let ends = readers.into_iter().map(Task::end).map(|(role, mut receiver, closer)| {
            Task::spawn(move || {
                if role == Role::Client {
                    closer.close().unwrap();
                }
                assert_eq!(receiver.recv().unwrap(), None);
                receiver.close_status().unwrap().was_clean()
            })
        });
        assert!(ends.collect::<Vec<_>>().into_iter().all(Task::end));
    }
}

/// Receives one message, and ignores reports that the peer does not read.
fn receive(ws: &mut WebSocket) -> Message {
    loop {
        match ws.recv() {
            Err(Error::Timeout(Operation::Flush)) => {}
            outcome => break outcome.unwrap().unwrap(),
        }
    }
}

#[test]
fn a_receive_keeps_its_own_deadline_while_the_peer_does_not_read() {
    let (near, far) = tcp();
    let timeouts = Timeouts::new().write(Duration::from_secs(3600));
    let mut ws = open(Role::Server, Valve::new(far, 0, false), timeouts, MIB);
    ws.feed("it does not take this").unwrap();
    let receiver = Task::spawn(move || ws.recv_timeout(Duration::from_millis(20)));
    let outcome = receiver.end();
    assert!(matches!(outcome, Err(Error::Timeout(Operation::Receive))), "{outcome:?}");
    drop(near);
}

#[test]
fn two_ends_that_send_before_they_receive_resume_without_a_second_thread() {
    const LEN: usize = 12 * MIB;
    for transport in TRANSPORTS {
        let ends = [Role::Client, Role::Server].into_iter().zip(peers(*transport, impatient()));
        let both_are_stuck = Arc::new(Barrier::new(2));
        let ends = ends.map(|(role, mut ws)| {
            let both_are_stuck = Arc::clone(&both_are_stuck);
            Task::spawn(move || {
                let outcome = ws.send(message(role, 0, LEN));
                both_are_stuck.wait();
                assert!(matches!(outcome, Err(Error::Timeout(Operation::Flush))), "{outcome:?}");
                let received = receive(&mut ws).into_bytes();
                assert!(received == message(other(role), 0, LEN), "every byte, exactly once");
                flush(&ws.sender());
                send(&ws.sender(), "after it");
                assert_eq!(receive(&mut ws), Message::from("after it"));
            })
        });
        ends.collect::<Vec<_>>().into_iter().for_each(Task::end);
    }
}

/// A TCP stream that accepts a number of bytes, then no more until it is opened.
#[derive(Debug)]
struct Valve {
    stream: TcpStream,
    state: Mutex<ValveState>,
    changed: Condvar,
}

#[derive(Debug)]
struct ValveState {
    /// The number of bytes that it still accepts.
    left: usize,
    /// Whether it opens once the bytes that were read have been processed.
    waits_for_read: bool,
    has_read: bool,
}

impl Valve {
    fn new(stream: TcpStream, left: usize, waits_for_read: bool) -> Arc<Self> {
        let state = Mutex::new(ValveState { left, waits_for_read, has_read: false });
        Arc::new(Self { stream, state, changed: Condvar::new() })
    }

    fn open(&self) {
        self.state.lock().unwrap().left = usize::MAX;
        self.changed.notify_all();
    }
}

impl Stream for Valve {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.state.lock().unwrap();
        let opens = state.waits_for_read && state.has_read;
        drop(state);
        if opens {
            self.open();
        }
        let count = Stream::read(&self.stream, buffer)?;
        self.state.lock().unwrap().has_read = true;
        Ok(count)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let state = self.state.lock().unwrap();
        let slice = Duration::from_millis(1);
        let waited = self.changed.wait_timeout_while(state, slice, |state| state.left == 0);
        let left = waited.unwrap().0.left;
        if left == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = Stream::write(&self.stream, &buffer[..buffer.len().min(left)])?;
        self.state.lock().unwrap().left -= if left == usize::MAX { 0 } else { count };
        Ok(count)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }

    fn max_read_timeout(&self) -> Option<Duration> {
        self.stream.max_read_timeout()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}

/// Returns Pings with consecutive numbers, as a client sends them.
fn pings(count: usize) -> Vec<u8> {
    let mut data = [b'p'; 125];
    let mut frames = Vec::new();
    for i in 0..count {
        data[..8].copy_from_slice(&i.to_be_bytes());
        frames.extend(masked(0x89, &data));
    }
    frames
}

/// Returns the number in a Pong.
fn number(pong: &[u8]) -> usize {
    assert_eq!(pong.len(), 125);
    usize::from_be_bytes(pong[..8].try_into().unwrap())
}

#[test]
fn a_flood_of_pings_is_read_to_its_end_and_few_answers_are_buffered() {
    const COUNT: usize = 50_000;
    let (near, far) = tcp();
    let valve = Valve::new(far, 0, false);
    let ws = open(Role::Server, Arc::clone(&valve), Timeouts::default(), MIB);
    let (sender, mut receiver) = ws.split();
    let mut raw = Raw::new(near);
    let reader = Task::spawn(move || {
        let received = receiver.recv().unwrap();
        (received, receiver)
    });
    raw.send(pings(COUNT));
    raw.send_frame(0x81, b"all read");
    // Not one Pong was written, and still all Pings were read.
    let (received, _receiver) = reader.end();
    assert_eq!(received, Some(Message::from("all read")));

    valve.open();
    sender.send("all written").unwrap();
    let mut numbers = Vec::new();
    let (mut kept, mut ended) = (0, false);
    // The last Ping is answered last, once there is room for its Pong.
    while !ended || numbers.last() != Some(&(COUNT - 1)) {
        match raw.read_frame() {
            (0x8a, data) => {
                numbers.push(number(&data));
                kept += 2 + data.len();
            }
            other => {
                assert_eq!(other, (0x81, b"all written".to_vec()));
                ended = true;
            }
        }
    }
    assert!(kept <= (64 << 10) + 2 * 127, "{kept} bytes of Pongs");
    assert!(numbers.is_sorted_by(|a, b| a < b), "in order, without repetition");
}

#[test]
fn a_peer_that_floods_without_reading_and_leaves_blocks_no_thread() {
    for split in [true, false] {
        let (near, far) = tcp();
        let mut ws = open(Role::Server, far, impatient(), MIB);
        let (stuck, is_stuck) = mpsc::channel();
        let reader = Task::spawn(move || {
            // All Pings are read, although almost nothing can be written.
            let sender = ws.sender();
            let huge = vec![0; 24 * MIB];
            if split {
                let mut receiver = ws.split().1;
                assert_eq!(receiver.recv().unwrap(), Some(Message::from("all read")));
                assert!(matches!(sender.send(&huge), Err(Error::Timeout(_))));
                stuck.send(()).unwrap();
                return receiver.recv().unwrap_err();
            }
            assert_eq!(receive(&mut ws), Message::from("all read"));
            assert!(matches!(sender.send(&huge), Err(Error::Timeout(_))));
            // On a connection that is not split, `recv` reports after a timeout that the peer does
            // not read.
            assert!(matches!(ws.recv(), Err(Error::Timeout(Operation::Flush))));
            stuck.send(()).unwrap();
            loop {
                match ws.recv() {
                    Err(Error::Timeout(Operation::Flush)) => {}
                    outcome => break outcome.unwrap_err(),
                }
            }
        });
        let raw = Raw::new(near);
        let flooder = Task::spawn({
            let mut stream = raw.stream.try_clone().unwrap();
            move || {
                let flood = pings(1000);
                (0..200).for_each(|_| stream.write_all(&flood).unwrap());
                stream.write_all(&masked(0x81, b"all read")).unwrap();
            }
        });
        flooder.end();
        is_stuck.recv_timeout(wire::PATIENCE).unwrap();
        drop(raw);
        let error = reader.end();
        assert!(matches!(error, Error::Io(_)), "{error}");
    }
}

/// A control frame: the number of fragments before it, its first byte, and its payload.
type Control = (usize, u8, Vec<u8>);

/// Reads a message in fragments, and the control frames before and between them.
fn read_message(raw: &mut Raw, mut on_first: impl FnMut(&mut Raw)) -> (Vec<u8>, Vec<Control>) {
    let (mut message, mut fragments, mut controls) = (Vec::new(), 0, Vec::new());
    loop {
        let (first, payload) = raw.read_frame();
        match (first, fragments) {
            (0x88.., _) => {
                controls.push((fragments, first, payload));
                continue;
            }
            (0x02, 0) => on_first(raw),
            (0x00 | 0x80, 1..) => {}
            _ => panic!("a frame that begins with {first:#x} after {fragments} fragments"),
        }
        message.extend(payload);
        fragments += 1;
        if first & 0x80 != 0 {
            return (message, controls);
        }
    }
}

#[test]
fn large_messages_of_several_senders_are_never_interleaved() {
    const SENDERS: usize = 4;
    const EACH: usize = 4;
    let (near, far) = tcp();
    let (sender, mut receiver) = open(Role::Server, far, Timeouts::default(), 64 << 10).split();
    let writers: Vec<_> = (0..SENDERS)
        .map(|id| {
            let sender = sender.clone();
            Task::spawn(move || {
                for i in 0..EACH {
                    sender.send(message(Role::Server, id * EACH + i, MIB)).unwrap();
                    sender.ping(b"from the server").unwrap();
                }
            })
        })
        .collect();
    let reader = Task::spawn(move || receiver.recv());
    let mut raw = Raw::new(near);
    let mut next = [0; SENDERS];
    let mut controls = Vec::new();
    for i in 0..SENDERS * EACH {
        let (received, between) =
            read_message(&mut raw, |raw| raw.send_frame(0x89, &i.to_be_bytes()));
        let number = usize::from_be_bytes(received[..8].try_into().unwrap());
        assert!(received == message(Role::Server, number, MIB), "message {number}");
        assert_eq!(number % EACH, next[number / EACH], "those of one sender stay in order");
        next[number / EACH] += 1;
        controls.extend(between);
    }
    writers.into_iter().for_each(Task::end);
    raw.send_frame(0x88, &close_body(1000, ""));
    while controls.last().is_none_or(|(_, first, _)| *first != 0x88) {
        let (first, payload) = raw.read_frame();
        controls.push((0, first, payload));
    }
    let pings = controls.iter().filter(|(_, first, _)| *first == 0x89).count();
    assert_eq!(pings, SENDERS * EACH);
    let pongs = controls.iter().filter(|(_, first, _)| *first == 0x8a);
    let pongs: Vec<_> = pongs.map(|(_, _, data)| data.clone()).collect();
    assert!(pongs.is_sorted_by(|a, b| a < b), "in order, without repetition");
    assert_eq!(pongs.last().unwrap(), &(SENDERS * EACH - 1).to_be_bytes(), "the last one is");
    drop(raw);
    assert_eq!(reader.end().unwrap(), None);
}

#[test]
fn a_pong_goes_out_between_the_fragments_of_a_long_message() {
    const FRAGMENT_LEN: usize = 64 << 10;
    for role in [Role::Server, Role::Client] {
        let (near, far) = tcp();
        // In the second fragment, the stream blocks until the Ping has been processed.
        let valve = Valve::new(far, 100_000, true);
        let (sender, mut receiver) = open(role, valve, Timeouts::default(), FRAGMENT_LEN).split();
        let writer = Task::spawn(move || sender.send(message(role, 0, MIB)));
        let reader = Task::spawn(move || receiver.recv());
        let mut raw = Raw::new(near);
        let (received, controls) = read_message(&mut raw, |raw| match role {
            Role::Server => raw.send_frame(0x89, b"now"),
            Role::Client => raw.send(b"\x89\x03now"),
        });
        assert!(received == message(role, 0, MIB));
        let [(after, 0x8a, data)] = &controls[..] else { panic!("{role:?}: {controls:?}") };
        assert!(matches!(after, 1 | 2) && data == b"now", "{role:?}: {controls:?}");
        writer.end().unwrap();
        raw.end_writing();
        assert!(wire::is_eof(&reader.end().unwrap_err()));
    }
}

#[test]
fn a_close_in_the_middle_of_a_huge_send_follows_its_message() {
    const LEN: usize = 12 * MIB;
    for fragment_len in [MIB, usize::MAX] {
        let (near, far) = tcp();
        let (sender, mut receiver) =
            open(Role::Server, far, Timeouts::default(), fragment_len).split();
        let reader = Task::spawn(move || {
            let outcome = receiver.recv();
            (outcome, receiver.close_status().unwrap().clone())
        });
        let writer = Task::spawn({
            let sender = sender.clone();
            move || sender.send(message(Role::Server, 0, LEN))
        });
        let mut raw = Raw::new(near);
        // The first bytes have arrived, and the rest does not fit into the socket buffers.
        raw.stream.peek(&mut [0]).unwrap();
        let closer = Task::spawn({
            let sender = sender.clone();
            move || sender.close_with(CloseCode::NORMAL, "enough")
        });
        let received = if fragment_len == MIB {
            read_message(&mut raw, |_| {}).0
        } else {
            let (first, payload) = raw.read_frame();
            assert_eq!(first, 0x82);
            payload
        };
        assert!(received == message(Role::Server, 0, LEN), "it is finished first");
        assert_eq!(raw.read_frame(), (0x88, close_body(1000, "enough")));
        writer.end().unwrap();
        closer.end().unwrap();
        assert!(matches!(sender.send("late"), Err(Error::Send(SendError::Closed))));
        raw.send_frame(0x88, &close_body(1000, ""));
        assert!(raw.read_to_end().is_empty());
        drop(raw);
        let (outcome, status) = reader.end();
        assert_eq!(outcome.unwrap(), None);
        assert_eq!((status.closed_by(), status.was_clean()), (ClosedBy::Us, true));
    }
}

#[test]
fn a_close_after_a_huge_send_waits_until_the_peer_reads_again() {
    const LEN: usize = 12 * MIB;
    let (near, far) = tcp();
    let (sender, mut receiver) = open(Role::Server, far, impatient(), MIB).split();
    let writer = Task::spawn({
        let sender = sender.clone();
        move || sender.send(message(Role::Server, 0, LEN))
    });
    let mut raw = Raw::new(near);
    raw.stream.peek(&mut [0]).unwrap();
    let closer = Task::spawn({
        let sender = sender.clone();
        move || sender.close_with(CloseCode::NORMAL, "enough")
    });
    for outcome in [writer.end(), closer.end()] {
        assert!(matches!(outcome, Err(Error::Timeout(Operation::Flush))), "{outcome:?}");
    }
    let late = sender.send("late");
    assert!(matches!(late, Err(Error::Send(SendError::Closed))), "{late:?}");
    // The receiver continues to write accepted data, and the Close frame last.
    let reader = Task::spawn(move || receiver.recv());
    assert!(read_message(&mut raw, |_| {}).0 == message(Role::Server, 0, LEN));
    assert_eq!(raw.read_frame(), (0x88, close_body(1000, "enough")));
    raw.send_frame(0x88, &close_body(1000, ""));
    assert!(raw.read_to_end().is_empty());
    drop(raw);
    assert_eq!(reader.end().unwrap(), None);
}
