//! Tests how much heap a connection uses: memory grows with the received bytes, never with
//! announced lengths, and is released.
// The counting allocator overflows the stack where thread-local storage is on the heap, as in
// Windows programs that are linked with GNU tools.
#![cfg(not(all(windows, target_env = "gnu")))]

mod wire;

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use allocation_counter::measure;
use tightwire::handshake::{HandshakeError, HttpError, Negotiated};
use tightwire::protocol::{Connection, Event, Inbound, Outbound};
use tightwire::{
    Acceptor, Client, Error, Hub, Limits, Message, Operation, ProtocolError, Role, SlowPolicy,
    Stream, Timeouts, WebSocket,
};
use wire::masked;

const KIB: usize = 1 << 10;

/// The heap memory that this thread holds, counted from the start of the measurement.
#[derive(Debug, Default)]
struct Heap {
    held: i64,
    /// The maximum that was held at one time. While a block grows, the old and the new one count,
    /// as if it were always copied.
    peak: i64,
}

impl Heap {
    /// Runs `act`, and counts its allocations.
    fn count<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let mut value = None;
        let info = measure(|| value = Some(act()));
        self.peak = self.peak.max(self.held + info.bytes_max as i64);
        self.held += info.bytes_current;
        value.unwrap()
    }
}

fn no_limits() -> Limits {
    Limits::new().max_message_len(usize::MAX).max_frame_len(u64::MAX).max_fragments(u32::MAX)
}

/// Returns a frame with a payload of `0x61`s, which are also valid text.
fn frame(role: Role, first: u8, payload_len: usize) -> Vec<u8> {
    frame_of(role, first, &vec![0x61; payload_len])
}

fn frame_of(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = masked(first, payload);
    if role == Role::Client {
        // A server sends no mask bit and no key, and does not mask.
        frame[1] &= 0x7f;
        let payload_start = frame.len() - payload.len();
        frame.drain(payload_start - 4..payload_start);
        let payload_start = frame.len() - payload.len();
        frame[payload_start..].copy_from_slice(payload);
    }
    frame
}

#[test]
fn reused_memory_serves_a_message_of_its_size() {
    const LEN: usize = 1024 * KIB;
    let receive = |inbound: &mut Inbound, first: u8, payload_len: usize| {
        let bytes = frame(Role::Server, first, payload_len);
        let mut message = None;
        let mut heap = Heap::default();
        for mut piece in bytes.chunks(64 * KIB) {
            if let Some(event) = heap.count(|| inbound.next_event(&mut piece).unwrap()) {
                assert!(message.replace(event).is_none(), "one event");
            }
        }
        let Some(Event::Message(message)) = message else { panic!("{message:?}") };
        assert_eq!(message.as_bytes(), vec![0x61; payload_len]);
        (message, heap.peak)
    };
    for first in [0x81, 0x82] {
        let mut inbound = Inbound::new(Role::Server, no_limits());
        let (message, taken) = receive(&mut inbound, first, LEN);
        assert!(taken >= LEN as i64, "{taken} bytes for the first");
        inbound.reuse(message);
        // A message that is much shorter does not use this memory.
        let (message, taken) = receive(&mut inbound, first, LEN / 8);
        assert!(taken >= (LEN / 8) as i64, "{taken} bytes for a short one");
        drop(message);
        let (message, taken) = receive(&mut inbound, first, LEN - KIB);
        assert!(taken < 16 * KIB as i64, "{taken} bytes for one of its size");
        drop(message);
        let (message, taken) = receive(&mut inbound, first, LEN);
        assert!(taken >= LEN as i64, "{taken} bytes when nothing is left to use again");
        inbound.reuse(message);
        inbound.reuse(Message::from(""));
        let (_, taken) = receive(&mut inbound, first, LEN);
        assert!(taken >= LEN as i64, "{taken} bytes after it was given up");
    }
}

/// Each time the memory of a message grows, the received bytes may be copied.
#[test]
fn a_message_in_small_fragments_grows_in_few_steps() {
    const COUNT: usize = 10_000;
    for role in [Role::Client, Role::Server] {
        for (first, len) in [(0x01, 1), (0x02, 1), (0x01, 125), (0x02, 125)] {
            let mut bytes = frame(role, first, len);
            bytes.extend(frame(role, 0x00, len).repeat(COUNT - 2));
            bytes.extend(frame(role, 0x80, len));
            let mut inbound = Inbound::new(role, no_limits());
            let mut input = &bytes[..];
            let mut event = None;
            let info = measure(|| event = inbound.next_event(&mut input).unwrap());
            let Some(Event::Message(message)) = event else { panic!("{event:?}") };
            assert_eq!(message.len(), COUNT * len);
            assert!(info.count_total < 100, "{} times, {role:?} {first:#x}", info.count_total);
            let most = (2 * message.len() + KIB) as i64;
            assert!(info.bytes_current <= most, "{} bytes", info.bytes_current);
        }
    }
}

#[test]
fn reused_memory_holds_the_next_message() {
    const LEN: usize = 256 * KIB;
    for first in [0x81, 0x82] {
        let bytes = frame(Role::Server, first, LEN);
        let mut server = Connection::new(Outbound::server(), no_limits());
        for piece_len in [bytes.len(), 64 * KIB] {
            server.reuse(Message::from(vec![0; LEN]));
            let mut heap = Heap::default();
            let mut messages = 0;
            for mut piece in bytes.chunks(piece_len) {
                messages += heap
                    .count(|| server.next_event(&mut piece, &mut Vec::new()).unwrap())
                    .iter()
                    .count();
            }
            assert_eq!(messages, 1, "{first:#x} in pieces of {piece_len}");
            let taken = heap.peak;
            assert!(taken < 16 * KIB as i64, "{taken} bytes in pieces of {piece_len}");
        }
    }
}

#[test]
fn headers_that_announce_large_payloads_take_no_memory() {
    const EACH: usize = 64;
    for role in [Role::Server, Role::Client] {
        for first in [0x81, 0x82, 0x01, 0x02] {
            for exponent in 20..=62 {
                // Without a key in the header, these bytes are part of the payload.
                let mask_bit = if role == Role::Server { 0x80 } else { 0 };
                let mut bytes = vec![first, mask_bit | 127];
                let announced = 1_u64 << exponent;
                bytes.extend(announced.to_be_bytes());
                bytes.extend(b"\0\0\0\0a piece");
                // No message can be larger than the address space.
                let expected = match usize::try_from(announced) {
                    Ok(_) => Ok(None),
                    Err(_) => Err(ProtocolError::MessageTooBig { limit: usize::MAX as u64 }),
                };
                let mut all: Vec<_> = (0..EACH).map(|_| Inbound::new(role, no_limits())).collect();
                let mut heap = Heap::default();
                for inbound in &mut all {
                    let event = heap.count(|| inbound.next_event(&mut bytes.as_slice()));
                    assert_eq!(event, expected, "{role:?} {first:x} 2^{exponent}");
                }
                // The received piece, and a buffer for unmasking text.
                assert!(heap.peak <= 64 * EACH as i64, "{role:?} {first:x} 2^{exponent}: {heap:?}");
            }
        }
    }
}

#[test]
fn by_default_a_header_over_the_limit_ends_the_connection() {
    for (first, exponent) in [(0x81, 25), (0x82, 40), (0x01, 62)] {
        let mut bytes = vec![first, 0xff];
        bytes.extend((1_u64 << exponent).to_be_bytes());
        bytes.extend([0; 4]);
        let mut inbound = Inbound::new(Role::Server, Limits::default());
        let mut heap = Heap::default();
        let event = heap.count(|| inbound.next_event(&mut bytes.as_slice()));
        assert_eq!(event, Err(ProtocolError::FrameTooBig { limit: 16 << 20 }));
        assert_eq!(heap.peak, 0);
    }
}

#[test]
fn a_message_holds_at_most_twice_its_received_bytes() {
    // The step, the length of the message, and the length of its fragments.
    let cases = [
        (1, 100 * KIB, 100 * KIB),
        (1, 100 * KIB, KIB),
        (KIB, 1024 * KIB, 1024 * KIB),
        (KIB, 1024 * KIB, 3000),
        (64 * KIB, 2048 * KIB, 2048 * KIB),
        (64 * KIB, 2048 * KIB, 512 * KIB),
    ];
    for (step, len, fragment_len) in cases {
        for role in [Role::Server, Role::Client] {
            for opcode in [1, 2] {
                let case = format!("{role:?}, opcode {opcode}, {fragment_len} in steps of {step}");
                let mut bytes = Vec::new();
                for start in (0..len).step_by(fragment_len) {
                    let fin = if start + fragment_len >= len { 0x80 } else { 0 };
                    let first = if start == 0 { fin | opcode } else { fin };
                    bytes.extend(frame(role, first, fragment_len.min(len - start)));
                }
                let mut inbound = Inbound::new(role, Limits::default());
                let mut heap = Heap::default();
                let (mut arrived, mut message) = (0, None);
                for mut piece in bytes.chunks(step) {
                    arrived += piece.len() as i64;
                    let event = heap.count(|| inbound.next_event(&mut piece)).unwrap();
                    assert!(heap.held <= 2 * arrived + 5000, "{case}: {arrived} {heap:?}");
                    assert!(heap.peak <= 3 * arrived + 5000, "{case}: {arrived} {heap:?}");
                    message = event;
                }
                let Some(Event::Message(message)) = message else { panic!("{case}") };
                assert_eq!(message.len(), len, "{case}");
                // An unfragmented message has exactly its own size, which matters to callers that
                // keep it.
                if fragment_len == len {
                    assert!(heap.held <= len as i64 + 100, "{case}: {heap:?}");
                }
                heap.count(|| drop(message));
                heap.count(|| drop(inbound));
                assert_eq!(heap.held, 0, "{case}");
            }
        }
    }
}

#[test]
fn a_million_empty_fragments_stop_at_the_limit() {
    for role in [Role::Server, Role::Client] {
        for limit in [1, 1000, Limits::new().get_max_fragments()] {
            let limits = Limits::new().max_fragments(limit);
            let mut bytes = frame(role, 0x02, 0);
            let empty = frame(role, 0x00, 0);
            bytes.extend(empty.repeat(999_999));
            let mut inbound = Inbound::new(role, limits);
            let mut input = bytes.as_slice();
            let mut heap = Heap::default();
            let event = heap.count(|| inbound.next_event(&mut input));
            assert_eq!(event, Err(ProtocolError::TooManyFragments { limit }));
            let frames_left = input.len() / empty.len();
            assert_eq!(1_000_000 - frames_left, limit as usize + 1);
            assert_eq!(heap.peak, 0, "none of them was kept");
        }
    }
}

/// A stream that returns a fixed start and then repeats a pattern up to a total length. It accepts
/// all writes or none, and allocates nothing.
#[derive(Clone, Debug)]
struct Endless(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    first: &'static [u8],
    then: Vec<u8>,
    len: usize,
    takes: bool,
    read: AtomicUsize,
    taken: AtomicUsize,
}

impl Endless {
    fn new(first: &'static [u8], then: &[u8], len: usize, takes: bool) -> Self {
        let (read, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Inner { first, then: then.to_vec(), len, takes, read, taken }))
    }

    /// The number of bytes that were read.
    fn read(&self) -> usize {
        self.0.read.load(Ordering::Relaxed)
    }

    /// The number of bytes that were written.
    fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }
}

impl Stream for Endless {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Inner { first, then, len, read, .. } = &*self.0;
        let mut count = 0;
        let start = read.load(Ordering::Relaxed);
        let end = (start + buffer.len()).min(*len);
        while start + count < end {
            let place = start + count;
            let source = match place.checked_sub(first.len()) {
                None => &first[place..],
                Some(place) => &then[place % then.len()..],
            };
            let piece = source.len().min(end - place);
            buffer[count..count + piece].copy_from_slice(&source[..piece]);
            count += piece;
        }
        read.store(start + count, Ordering::Relaxed);
        Ok(count)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        if !self.0.takes {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buffer.len();
        self.0.taken.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_endless_head_is_refused_with_bounded_memory() {
    const GET: &[u8] = b"GET / HTTP/1.1\r\n";
    const STATUS: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n";
    const LEN: usize = 4 << 20;
    // The start of a request, the start of a response, and the bytes that follow.
    let cases: [(_, &'static [u8], &'static [u8], &[u8]); 5] = [
        ("the first line", b"G", b"H", b"x"),
        ("a line", GET, STATUS, b"x"),
        ("spaces", GET, STATUS, b"x:                                          \r\n"),
        ("fields", GET, STATUS, b"x: y\r\n"),
        ("lines of nothing else", GET, STATUS, b":\r\n"),
    ];
    for (case, request, response, then) in cases {
        let stream = Endless::new(request, then, LEN, true);
        let mut heap = Heap::default();
        let error = heap.count(|| Acceptor::new().accept(stream.clone())).unwrap_err();
        assert!(is_too_much(&error), "{case}: {error}");
        assert!(heap.peak < 64 * KIB as i64, "{case}: {heap:?}");
        assert!(stream.taken() > 0, "{case}: it was told");

        let stream = Endless::new(response, then, LEN, true);
        let mut heap = Heap::default();
        let client = Client::new();
        let outcome = heap.count(|| client.connect_stream("ws://localhost/", stream.clone()));
        assert!(is_too_much(&outcome.unwrap_err()), "{case}");
        assert!(heap.peak < 64 * KIB as i64, "{case}: {heap:?}");
        assert!(stream.read() < 32 * KIB, "{case}: the rest of it is not read");
    }
}

fn is_too_much(error: &Error) -> bool {
    matches!(
        error,
        Error::Handshake(HandshakeError::Http(
            HttpError::StartLineTooLong { .. }
                | HttpError::TooLong { .. }
                | HttpError::TooManyFields { .. }
        ))
    )
}

#[test]
fn the_body_of_a_refusal_is_kept_up_to_a_bound() {
    let head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 1099511627776\r\n\r\n";
    let stream = Endless::new(head, b"x", usize::MAX, true);
    let mut heap = Heap::default();
    let client = Client::new();
    let outcome = heap.count(|| client.connect_stream("ws://localhost/", stream.clone()));
    let Err(Error::Handshake(HandshakeError::Refused(response))) = outcome else { panic!() };
    assert_eq!(response.body().len(), 4 * KIB);
    assert!(heap.peak < 32 * KIB as i64, "{heap:?}");
    assert!(stream.read() < 32 * KIB);
}

#[test]
fn a_flood_of_pings_takes_bounded_memory_whether_the_peer_reads_or_not() {
    const PING: usize = 131;
    const PONG: usize = 127;
    const COUNT: usize = 100_000;
    for takes in [true, false] {
        let flood = masked(0x89, &[b'p'; 125]).repeat(100);
        let stream = Endless::new(b"", &flood, COUNT * PING, takes);
        let mut heap = Heap::default();
        let ws = heap.count(|| {
            Acceptor::new()
                .from_upgraded(stream.clone(), Negotiated::default(), Vec::new())
                .unwrap()
        });
        let (_sender, mut receiver) = ws.split();
        let error = heap.count(|| receiver.recv()).unwrap_err();
        assert!(wire::is_eof(&error), "{error}");
        assert_eq!(stream.read(), COUNT * PING, "whether or not it can answer, it reads");
        // The read buffer of 256 KiB with its previous size, and twice 64 KiB of Pongs.
        assert!(heap.peak < 600 * KIB as i64, "takes: {takes}, {heap:?}");
        assert!(heap.held < 140 * KIB as i64, "takes: {takes}, {heap:?}");
        let answered = stream.taken() / PONG;
        assert!(answered <= COUNT && (answered > 0) == takes, "{answered}");
    }
}

#[test]
fn large_buffers_are_released_after_some_small_messages() {
    for role in [Role::Server, Role::Client] {
        let stream = Fed::default();
        let mut heap = Heap::default();
        let mut ws = heap.count(|| stream.open(role));
        let mut echo = |len| {
            stream.give(&frame(role, 0x82, len));
            heap.count(|| {
                let message = ws.recv().unwrap().unwrap();
                ws.send(&message).unwrap();
            });
            heap.held
        };
        let before = echo(10);
        assert!(before < 8 * KIB as i64, "{role:?}: {before}");
        let after_large = echo(KIB * KIB);
        assert!(after_large > 100 * KIB as i64, "{role:?}: {after_large}, or this tests nothing");
        let after_small = (0..100).map(|_| echo(10)).last().unwrap();
        // A client masks in pieces of 64 KiB, and keeps a buffer for one piece. A server copies up
        // to 16 KiB of a message after its header.
        let kept = if role == Role::Client { 65 * KIB as i64 } else { 17 * KIB as i64 };
        assert!(after_small <= before + kept, "{role:?}: {before}, then {after_small}");
    }
}

#[test]
fn memory_for_a_slow_peer_is_released_once_its_bytes_are_written() {
    for role in [Role::Server, Role::Client] {
        let stream = Fed::default();
        let mut heap = Heap::default();
        let ws = heap.count(|| stream.open(role));
        let message = vec![7; 4 << 20];
        stream.takes.store(false, Ordering::Relaxed);
        let outcome = heap.count(|| ws.send(&message));
        assert!(matches!(outcome, Err(Error::Timeout(Operation::Flush))), "{outcome:?}");
        assert!(heap.held > 4 << 20, "{role:?}: {heap:?}");
        assert!(heap.held < 9 << 20, "{role:?}: {heap:?}");
        let outcome = heap.count(|| ws.send(&message));
        assert!(matches!(outcome, Err(Error::Timeout(Operation::Queue))), "{outcome:?}");
        assert!(heap.held < 9 << 20, "{role:?}: only one message waits, {heap:?}");
        stream.takes.store(true, Ordering::Relaxed);
        heap.count(|| ws.flush()).unwrap();
        assert!(heap.held < 80 * KIB as i64, "{role:?}: {heap:?}");
    }
}

#[test]
fn an_ended_connection_holds_no_bytes_for_a_kept_sender() {
    for ends_by_abort in [false, true] {
        let fed = Fed::default();
        fed.takes.store(false, Ordering::Relaxed);
        let mut heap = Heap::default();
        let kept = heap.count(|| {
            let mut ws = fed.open(Role::Server);
            let hub = Hub::new(SlowPolicy::Drop);
            let _member = hub.join(ws.sender());
            let outcome = ws.send(&vec![0; 1 << 20][..]);
            assert!(matches!(outcome, Err(Error::Timeout(Operation::Flush))), "{outcome:?}");
            assert_eq!(hub.broadcast(&vec![0; 1 << 20][..]).delivered, 1);
            let sender = ws.sender();
            if ends_by_abort {
                sender.abort();
            }
            assert!(matches!(ws.recv(), Err(Error::Io(_))));
            sender
        });
        assert!(heap.held < 8 * KIB as i64, "{} bytes are held", heap.held);
        drop(kept);
    }
}

#[test]
fn an_echo_allocates_only_the_message() {
    for role in [Role::Server, Role::Client] {
        for (first, len) in [(0x81, 0), (0x81, 125), (0x82, 0), (0x82, 5), (0x82, 3000)] {
            let case = format!("{role:?} {first:x} {len}");
            let stream = Fed::default();
            let mut ws = stream.open(role);
            let bytes = frame(role, first, len);
            for round in 0..200 {
                stream.give(&bytes);
                let info = measure(|| {
                    let message = ws.recv().unwrap().unwrap();
                    ws.send(&message).unwrap();
                });
                // The buffers are allocated in the first rounds.
                if round >= 100 {
                    let allocations = (info.count_total, info.bytes_total);
                    assert_eq!(allocations, (u64::from(len > 0), len as u64), "{case}");
                    assert_eq!(info.bytes_current, 0, "{case}");
                }
            }
        }
    }
}

#[test]
fn messages_that_arrive_together_allocate_only_themselves() {
    let stream = Fed::default();
    let mut ws = stream.open(Role::Server);
    let burst = masked(0x81, &[b'x'; 50]).repeat(64);
    for round in 0..200 {
        stream.give(&burst);
        let info = measure(|| {
            for _ in 0..64 {
                let message = ws.recv().unwrap().unwrap();
                ws.feed(&message).unwrap();
            }
            ws.flush().unwrap();
        });
        if round >= 100 {
            assert_eq!((info.count_total, info.bytes_total), (64, 64 * 50), "{info:?}");
        }
    }
}

#[test]
fn a_message_read_in_pieces_is_never_held_as_a_whole() {
    let stream = Fed::default();
    let mut ws = stream.open(Role::Server);
    stream.give(&masked(0x82, &vec![7; 8 << 20]));
    let mut heap = Heap::default();
    let mut total = 0;
    heap.count(|| {
        let mut reader = ws.recv_reader().unwrap().unwrap();
        let mut piece = [0; 1000];
        loop {
            match io::Read::read(&mut reader, &mut piece).unwrap() {
                0 => break,
                count => total += count,
            }
        }
    });
    assert_eq!(total, 8 << 20);
    assert!(heap.peak < 100 * KIB as i64, "{heap:?}");
    stream.give(&masked(0x81, b"next"));
    assert_eq!(ws.recv().unwrap(), Some(Message::from("next")));
}

/// A stream that returns the bytes it was given, and accepts all writes or, if told so, none. It
/// allocates and frees nothing during a call.
#[derive(Clone, Debug)]
struct Fed {
    /// The bytes, and how many of them were read.
    bytes: Arc<Mutex<(Vec<u8>, usize)>>,
    takes: Arc<AtomicBool>,
}

impl Default for Fed {
    fn default() -> Self {
        Self { bytes: Arc::default(), takes: Arc::new(AtomicBool::new(true)) }
    }
}

impl Fed {
    /// Returns a connection on this stream whose writes time out after one call.
    fn open(&self, role: Role) -> WebSocket {
        let timeouts = Timeouts::new().write(Duration::ZERO);
        let negotiated = Negotiated::default();
        match role {
            Role::Client => {
                Client::new().timeouts(timeouts).from_upgraded(self.clone(), negotiated, Vec::new())
            }
            Role::Server => Acceptor::new().timeouts(timeouts).from_upgraded(
                self.clone(),
                negotiated,
                Vec::new(),
            ),
        }
        .unwrap()
    }

    fn give(&self, new: &[u8]) {
        let (bytes, read) = &mut *self.bytes.lock().unwrap();
        assert_eq!(*read, bytes.len(), "all that was given before was read");
        bytes.clear();
        bytes.extend_from_slice(new);
        *read = 0;
    }
}

impl Stream for Fed {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (bytes, read) = &mut *self.bytes.lock().unwrap();
        let count = buffer.len().min(bytes.len() - *read);
        buffer[..count].copy_from_slice(&bytes[*read..*read + count]);
        *read += count;
        Ok(count)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        if !self.takes.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(buffer.len())
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}
