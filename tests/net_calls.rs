//! Tests how a connection uses its stream: the number of calls, their bytes, and the behaviour when
//! the stream accepts less than it is given.

mod wire;

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tightwire::handshake::Negotiated;
use tightwire::{
    Acceptor, Client, ClosedBy, Error, Message, Operation, State, Stream, Timeouts, WebSocket,
};
use wire::{close_body, hex, masked};

/// A stream that follows a script, and records its calls.
#[derive(Clone, Debug, Default)]
struct Script(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// The result of each read. An empty one times out, and after the last one the stream ends.
    reads: VecDeque<Vec<u8>>,
    /// How many bytes each write accepts. 0 times out, and later writes accept everything.
    takes: VecDeque<usize>,
    written: Vec<u8>,
    calls: Vec<&'static str>,
    /// The length of each write.
    slices: Vec<usize>,
    longest_read: usize,
    last_read: usize,
}

impl Script {
    fn new(reads: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let script = Self::default();
        script.0.lock().unwrap().reads = reads.into_iter().collect();
        script
    }

    fn takes(self, takes: impl IntoIterator<Item = usize>) -> Self {
        self.0.lock().unwrap().takes = takes.into_iter().collect();
        self
    }

    fn server(&self) -> WebSocket {
        let ws =
            Acceptor::new().from_upgraded(self.clone(), Negotiated::default(), Vec::new()).unwrap();
        self.calls();
        ws
    }

    /// Returns a server whose writes time out after one call, and whose peer has little time to
    /// close.
    fn impatient_server(&self) -> WebSocket {
        let acceptor = Acceptor::new().timeouts(no_time_to_write());
        acceptor.from_upgraded(self.clone(), Negotiated::default(), Vec::new()).unwrap()
    }

    /// Returns the calls since the last call of this function.
    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    fn written(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().written)
    }

    fn slices(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap().slices)
    }
}

fn no_time_to_write() -> Timeouts {
    Timeouts::new().write(Duration::ZERO).close(Duration::from_millis(20))
}

impl Stream for Script {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap();
        inner.calls.push("read");
        inner.longest_read = inner.longest_read.max(buffer.len());
        inner.last_read = buffer.len();
        let Some(mut bytes) = inner.reads.pop_front() else { return Ok(0) };
        if bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let rest = bytes.split_off(bytes.len().min(buffer.len()));
        buffer[..bytes.len()].copy_from_slice(&bytes);
        if !rest.is_empty() {
            inner.reads.push_front(rest);
        }
        Ok(bytes.len())
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap();
        inner.calls.push("write");
        inner.slices.push(buffer.len());
        let count = inner.takes.pop_front().unwrap_or(usize::MAX).min(buffer.len());
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        inner.written.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        self.0.lock().unwrap().calls.push("set_read_timeout");
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        self.0.lock().unwrap().calls.push("set_write_timeout");
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.lock().unwrap().calls.push(match how {
            Shutdown::Read => "shutdown read",
            Shutdown::Write => "shutdown write",
            Shutdown::Both => "shutdown both",
        });
        Ok(())
    }
}

#[test]
fn an_echo_takes_one_read_and_one_write() {
    let script = Script::new((0..10).map(|_| masked(0x81, b"Hello")));
    let mut ws = script.server();
    for _ in 0..5 {
        let message = ws.recv().unwrap().unwrap();
        ws.send(&message).unwrap();
        assert_eq!(script.calls(), ["read", "write"]);
    }
    for _ in 0..5 {
        let message = ws.recv().unwrap().unwrap();
        ws.feed(&message).unwrap();
    }
    // Fed messages are written before the next read.
    assert_eq!(script.calls().len(), 9);
    assert_eq!(script.written(), b"\x81\x05Hello".repeat(9));
}

#[test]
fn messages_that_arrive_together_take_one_read_and_one_write() {
    let burst = masked(0x81, b"Hello").repeat(64);
    let script = Script::new([burst.clone(), burst]);
    let mut ws = script.server();
    for _ in 0..64 {
        let message = ws.recv().unwrap().unwrap();
        ws.feed(&message).unwrap();
    }
    assert_eq!(script.calls(), ["read"]);
    ws.recv().unwrap().unwrap();
    assert_eq!(script.calls(), ["write", "read"]);
    assert_eq!(script.written(), b"\x81\x05Hello".repeat(64));
}

// proves 6455-2.1-3
#[test]
fn fed_messages_are_written_once_64_kib_have_accumulated() {
    let script = Script::new([]);
    let ws = script.server();
    for _ in 0..66 {
        ws.feed([0; 1000]).unwrap();
    }
    assert_eq!(script.calls(), ["write"]);
    assert_eq!(script.written().len(), 66 * 1004 - 1004 * usize::from(66 * 1004 < 65536));
}

#[test]
fn headers_count_towards_the_64_kib_of_fed_messages() {
    for payloads in [&[32_764, 32_764][..], &[65_532], &[1000, 64_528]] {
        let script = Script::new([]);
        let ws = script.server();
        for (number, &len) in payloads.iter().enumerate() {
            assert_eq!(script.calls(), [""; 0], "before message {number} of {payloads:?}");
            ws.feed(vec![0; len]).unwrap();
        }
        assert_eq!(script.calls(), ["write"], "{payloads:?}");
        assert!(script.written().len() >= 64 << 10);
    }
}

#[test]
fn a_server_writes_most_of_a_large_payload_without_a_copy() {
    let script = Script::new([]);
    let ws = script.server();
    ws.feed("before").unwrap();
    ws.send(vec![7; 100_000]).unwrap();
    // One call writes the fed frame, the header and the start of the payload. Another one writes
    // the rest.
    assert_eq!(script.slices(), [8 + 10 + 16384, 100_000 - 16384]);
    let written = script.written();
    assert_eq!(written[8..18], hex("82 7f 00 00 00 00 00 01 86 a0"));
    assert!(written[18..].iter().all(|&byte| byte == 7) && written.len() == 100_018);
}

#[test]
fn a_client_masks_a_large_payload_in_pieces_of_bounded_memory() {
    let script = Script::new([]);
    let ws =
        Client::new().from_upgraded(script.clone(), Negotiated::default(), Vec::new()).unwrap();
    let payload: Vec<u8> = (0..1_000_000).map(|i| (i % 251) as u8).collect();
    ws.send(&payload).unwrap();
    assert!(script.slices().iter().all(|&len| len <= 65536 + 14));
    let written = script.written();
    let key = &written[10..14];
    let unmasked = written[14..].iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k);
    assert!(unmasked.eq(payload));
}

// proves 6455-6.1-10
#[test]
fn a_stream_that_accepts_few_bytes_at_a_time_gets_all_in_order() {
    for takes in [vec![1; 100], vec![3, 10, 1, 65536, 7], vec![18, 1, 1]] {
        let script = Script::new([]).takes(takes);
        let ws = script.server();
        ws.feed("before").unwrap();
        let payload: Vec<u8> = (0..100_000).map(|i| (i % 251) as u8).collect();
        ws.send(&payload).unwrap();
        ws.send("after").unwrap();
        let written = script.written();
        assert_eq!(written[..8], *b"\x81\x06before");
        assert_eq!(written[18..100_018], payload);
        assert_eq!(written[100_018..], *b"\x81\x05after");
    }
}

#[test]
fn bytes_left_by_a_timed_out_write_go_out_first_and_once() {
    let payload: Vec<u8> = (0..100_000).map(|i| (i % 251) as u8).collect();
    // After this many bytes, the stream accepts nothing until the next call.
    for taken in [0, 1, 9, 10, 11, 65536, 100_009] {
        for client in [false, true] {
            // A client masks in pieces. A server copies 16 KiB after the header.
            let first_call = taken.min(if client { 65_000 } else { 10 + 16384 });
            let mut takes = vec![first_call];
            if !client && first_call < taken {
                takes.push(taken - first_call);
            }
            let script = Script::new([]).takes(takes);
            let mut ws = if client {
                let client = Client::new().timeouts(no_time_to_write());
                client.from_upgraded(script.clone(), Negotiated::default(), Vec::new()).unwrap()
            } else {
                script.impatient_server()
            };
            let timeout = ws.send(&payload);
            assert!(matches!(timeout, Err(Error::Timeout(Operation::Flush))), "{taken}");
            ws.send("after").unwrap();
            assert!(wire::is_eof(&ws.recv().unwrap_err()), "and the script is at its end");
            let mut peer = tightwire::protocol::Inbound::new(
                if client { tightwire::Role::Server } else { tightwire::Role::Client },
                tightwire::Limits::default(),
            );
            let written = script.written();
            let mut input = written.as_slice();
            for expected in [Message::Binary(payload.clone()), Message::from("after")] {
                let event = peer.next_event(&mut input).unwrap();
                assert_eq!(event, Some(tightwire::protocol::Event::Message(expected)), "{taken}");
            }
            assert!(input.is_empty());
        }
    }
}

#[test]
fn no_message_is_accepted_while_a_large_one_is_unwritten() {
    let script = Script::new([]).takes([5, 0, 0]);
    let ws = script.impatient_server();
    let error = ws.send(vec![0; 100_000]).unwrap_err();
    assert!(matches!(error, Error::Timeout(Operation::Flush)));
    assert!(matches!(ws.send("no"), Err(Error::Timeout(Operation::Queue))));
    assert!(matches!(ws.feed("no"), Err(Error::Timeout(Operation::Queue))));
    ws.flush().unwrap();
    ws.send("yes").unwrap();
    let written = script.written();
    assert_eq!(written.len(), 10 + 100_000 + 5);
    assert_eq!(written[100_010..], *b"\x81\x03yes");
}

#[test]
fn reads_resume_at_every_byte() {
    let mut bytes = hex("01 83 37fa213d 7f9f4d  89 81 00000000 78  80 82 37fa213d 5b95");
    bytes.extend(masked(0x82, &[0x55; 300]));
    bytes.extend(masked(0x88, &close_body(1000, "bye")));
    for cut in 0..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        let reads = [first.to_vec(), vec![], second.to_vec()];
        // An empty piece is a timeout. A read that does not complete a message also uses up the
        // time.
        let least_timeouts = reads.iter().filter(|read| read.is_empty()).count();
        let script = Script::new(reads);
        let mut ws = script.server();
        let mut messages = Vec::new();
        let mut timeouts = 0;
        loop {
            match ws.recv_timeout(Duration::ZERO) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(Error::Timeout(Operation::Receive)) => timeouts += 1,
                Err(error) => panic!("at {cut}: {error}"),
            }
        }
        assert!(timeouts >= least_timeouts, "at {cut}");
        assert_eq!(messages, [Message::from("Hello"), Message::Binary(vec![0x55; 300])]);
        assert_eq!(script.written(), hex("8a 01 78 88 02 03 e8"), "at {cut}");
    }
}

#[test]
fn an_expired_deadline_is_reported_and_loses_nothing() {
    let bytes = masked(0x81, b"Hello");
    let reads = bytes.iter().flat_map(|&byte| [vec![], vec![byte]]);
    let script = Script::new(reads);
    let mut ws = script.server();
    let mut timeouts = 0;
    let message = loop {
        match ws.recv_timeout(Duration::ZERO) {
            Err(Error::Timeout(Operation::Receive)) => timeouts += 1,
            other => break other,
        }
    };
    assert_eq!(message.unwrap(), Some(Message::from("Hello")));
    assert!(timeouts >= bytes.len());
}

#[test]
fn the_read_buffer_starts_small_and_grows_with_need() {
    let small = Script::new((0..10).map(|_| masked(0x81, b"Hello")));
    let mut ws = small.server();
    while ws.recv().is_ok_and(|message| message.is_some()) {}
    assert_eq!(small.0.lock().unwrap().longest_read, 2048);

    let large = Script::new([3 << 20, 1 << 20].map(|len| masked(0x82, &vec![0; len])));
    let mut ws = large.server();
    assert_eq!(ws.recv().unwrap().unwrap().len(), 3 << 20);
    assert_eq!(large.0.lock().unwrap().longest_read, 260 << 10);
    assert!(large.calls().len() <= 4 + 12, "few reads for a large message");
    assert_eq!(ws.recv().unwrap().unwrap().len(), 1 << 20);
    assert_eq!(large.calls(), ["read"; 4], "the header takes no read of its own");
}

// proves 6455-5.5.1-15, 6455-5.5.1-16, 6455-5.5.1-17, 6455-7.1.1-1, 6455-7.1.1-4, 6455-7.1.1-6,
// 6455-7.1.1-7, 6455-7.1.2-2
#[test]
fn a_server_ends_tcp_after_the_closing_handshake_and_a_client_only_after_the_server() {
    let script = Script::new([masked(0x88, &close_body(1000, ""))]);
    let mut ws = script.server();
    assert_eq!(ws.recv().unwrap(), None);
    let mut calls = script.calls();
    calls.retain(|call| !call.starts_with("set_"));
    assert_eq!(calls, ["read", "write", "shutdown write", "read", "shutdown both"]);

    let script = Script::new([hex("88 02 03 e8")]);
    let mut ws =
        Client::new().from_upgraded(script.clone(), Negotiated::default(), vec![]).unwrap();
    script.calls();
    ws.close().unwrap();
    let mut calls = script.calls();
    calls.retain(|call| !call.starts_with("set_"));
    assert_eq!(calls, ["write", "read", "read", "shutdown both"]);
}

#[test]
fn a_trickling_write_ends_at_its_deadline() {
    let script = Script::new([]).takes(vec![1; 1_000_000]);
    let ws = script.impatient_server();
    let outcome = ws.send(vec![0; 1000]);
    assert!(matches!(outcome, Err(Error::Timeout(Operation::Flush))), "{outcome:?}");
    assert_eq!(script.written().len(), 1, "not byte after byte forever");
}

/// Each header announces 1 TiB, and only a few bytes of its payload arrive.
#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "/proc/self/status is read, which Linux has")]
fn memory_follows_the_bytes_received_not_those_announced() {
    fn virtual_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmSize:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
    let limits = tightwire::Limits::new().max_message_len(usize::MAX).max_frame_len(u64::MAX);
    let before = virtual_kib();
    let mut all = Vec::new();
    for first in ["81", "82"] {
        for _ in 0..512 {
            let mut inbound = tightwire::protocol::Inbound::new(tightwire::Role::Server, limits);
            let bytes = hex(&format!("{first} ff 00 00 00 00 40 00 00 00 00 00 00 00 61 61"));
            assert_eq!(inbound.next_event(&mut bytes.as_slice()), Ok(None));
            all.push(inbound);
        }
    }
    // Other tests run at the same time and use some memory, but far less than was announced.
    assert!(virtual_kib().saturating_sub(before) < 8 << 20);
}

// proves 6455-5.5.1-18, 6455-7.1.1-5
#[test]
fn a_client_ends_tcp_itself_if_the_server_does_not_in_time() {
    let timeouts = Timeouts::new().close(Duration::ZERO).linger(Duration::ZERO);
    let never_ends = [hex("88 02 03 e8")].into_iter().chain((0..1000).map(|_| Vec::new()));
    let script = Script::new(never_ends);
    let client = Client::new().timeouts(timeouts);
    let mut ws = client.from_upgraded(script.clone(), Negotiated::default(), Vec::new()).unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    assert_eq!(script.calls().last(), Some(&"shutdown both"));
    assert!(ws.close_status().unwrap().was_clean());
}

// proves 6455-7.1.7-6
#[test]
fn a_failure_ends_the_connection_even_if_its_close_frame_cannot_be_written() {
    let script = Script::new([masked(0x83, b"")]).takes([0; 10_000]);
    let mut ws = script.impatient_server();
    assert!(matches!(ws.recv(), Err(Error::Protocol(_))));
    assert_eq!(ws.state(), State::Closed);
    assert_eq!(script.calls().last(), Some(&"shutdown both"));
    assert!(script.written().is_empty());
    assert_eq!(ws.recv().unwrap(), None);
}

/// A stream whose writes return only after the reader has read to the end, as if the writing thread
/// were descheduled right after its system call.
#[derive(Clone, Debug, Default)]
struct HeldUp(Arc<(Mutex<HeldUpState>, Condvar)>);

#[derive(Debug, Default)]
struct HeldUpState {
    written: Vec<u8>,
    answered: bool,
    ended: bool,
}

impl Stream for HeldUp {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap();
        let mut state = changed.wait_while(state, |state| state.written.is_empty()).unwrap();
        if state.answered {
            state.ended = true;
            changed.notify_all();
            return Ok(0);
        }
        state.answered = true;
        buffer[..4].copy_from_slice(&hex("88 02 03 e8"));
        Ok(4)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        let before = state.written.len();
        state.written.extend_from_slice(buffer);
        changed.notify_all();
        let state = changed.wait_while(state, |state| !state.ended).unwrap();
        Ok(state.written.len() - before)
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
fn a_close_frame_counts_as_sent_before_its_write_has_returned() {
    let ws =
        Client::new().from_upgraded(HeldUp::default(), Negotiated::default(), Vec::new()).unwrap();
    let (sender, mut receiver) = ws.split();
    let closer = std::thread::spawn(move || sender.close());
    assert_eq!(receiver.recv().unwrap(), None);
    let status = receiver.close_status().unwrap();
    assert_eq!((status.closed_by(), status.was_clean()), (ClosedBy::Us, true));
    closer.join().unwrap().unwrap();

    // The reverse case: the peer closes while the writer is blocked in a message, so the writer
    // sends the answer.
    let ws =
        Client::new().from_upgraded(HeldUp::default(), Negotiated::default(), Vec::new()).unwrap();
    let (sender, mut receiver) = ws.split();
    let writer = std::thread::spawn(move || sender.send("held up"));
    assert_eq!(receiver.recv().unwrap(), None);
    let status = receiver.close_status().unwrap();
    assert_eq!((status.code(), status.closed_by()), (1000, ClosedBy::Peer));
    writer.join().unwrap().unwrap();
}

// proves 6455-5.4-16, 6455-6.1-5
#[test]
fn a_message_longer_than_the_fragment_length_goes_out_in_fragments() {
    for flush in [true, false] {
        let script = Script::new([]);
        let acceptor = Acceptor::new().fragment_len(2);
        let ws = acceptor.from_upgraded(script.clone(), Negotiated::default(), Vec::new()).unwrap();
        for text in ["Hello", "ab", ""] {
            if flush { ws.send(text) } else { ws.feed(text) }.unwrap();
        }
        ws.flush().unwrap();
        let expected = hex("01 02 48 65  00 02 6c 6c  80 01 6f  81 02 61 62  81 00");
        assert_eq!(script.written(), expected);
    }
}

// proves 6455-5.5.2-4
#[test]
fn a_ping_is_answered_before_the_next_message_is_delivered() {
    let script =
        Script::new([[masked(0x89, b"1"), masked(0x89, b"2"), masked(0x81, b"x")].concat()]);
    let mut ws = script.server();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("x")));
    assert_eq!(script.written(), hex("8a 01 31  8a 01 32"));
    assert_eq!(script.calls(), ["read", "write"], "one write for both");
}

#[test]
fn a_connection_whose_close_frame_is_stuck_does_not_end_cleanly() {
    let takes = std::iter::once(5).chain(std::iter::repeat_n(0, 10_000));
    let script = Script::new([masked(0x88, &close_body(1000, ""))]).takes(takes);
    let mut ws = script.impatient_server();
    assert!(matches!(ws.send([0; 100]), Err(Error::Timeout(Operation::Flush))));
    assert_eq!(ws.recv().unwrap(), None);
    let status = ws.close_status().unwrap();
    assert_eq!((status.code(), status.was_clean()), (1000, false));
}

#[test]
fn a_connection_whose_writes_fail_does_not_end_cleanly() {
    let (near, far) = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| {
            let near = std::net::TcpStream::connect(listener.local_addr()?)?;
            Ok((near, listener.accept()?.0))
        })
        .unwrap();
    let mut ws = Client::new().from_upgraded(near, Negotiated::default(), Vec::new()).unwrap();
    drop(far);
    while ws.send("into the void").is_ok() {}
    assert!(ws.close().is_err());
    assert_eq!(ws.close_status().unwrap().code(), 1006);
}

#[test]
fn an_idle_connection_releases_its_large_buffer() {
    let script = Script::new([masked(0x82, &vec![0; 1 << 20])]);
    let mut ws = script.server();
    assert_eq!(ws.recv().unwrap().unwrap().len(), 1 << 20);
    assert!(script.0.lock().unwrap().longest_read >= 128 << 10);
    script.0.lock().unwrap().reads.extend([vec![], masked(0x81, b"x")]);
    assert_eq!(ws.recv().unwrap(), Some(Message::from("x")), "after a time-out");
    assert_eq!(script.0.lock().unwrap().last_read, 2048);
}

#[test]
fn pings_are_refused_once_64_kib_are_unwritten() {
    let script = Script::new([]).takes([0; 10_000]);
    let ws = script.impatient_server();
    let mut accepted = 0;
    let refusal = (0..1000).find_map(|_| match ws.ping(&[7; 125]) {
        Err(Error::Timeout(Operation::Flush)) => {
            accepted += 127;
            None
        }
        outcome => Some(outcome),
    });
    assert!(matches!(refusal, Some(Err(Error::Timeout(Operation::Queue)))), "{refusal:?}");
    assert!((65536..65536 + 127).contains(&accepted), "{accepted}");
    script.0.lock().unwrap().takes.clear();
    ws.ping(b"").unwrap();
    assert_eq!(script.written().len(), accepted + 2);
}

/// A peer that sends Pings without end, and accepts every answer.
#[derive(Debug)]
struct Flood;

impl Stream for Flood {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let ping = hex("89 00");
        buffer[..2].copy_from_slice(&ping);
        Ok(2)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
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

#[test]
fn a_peer_that_never_stops_sending_delays_no_deadline() {
    let timeouts = Timeouts::new().close(Duration::from_millis(20));
    let client = Client::new().timeouts(timeouts);
    let mut ws = client.from_upgraded(Flood, Negotiated::default(), Vec::new()).unwrap();
    let nothing = ws.recv_timeout(Duration::from_millis(20));
    assert!(matches!(nothing, Err(Error::Timeout(Operation::Receive))));
    assert!(matches!(ws.close(), Err(Error::Timeout(Operation::Close))));

    let mut ws = client.from_upgraded(Flood, Negotiated::default(), Vec::new()).unwrap();
    ws.sender().close().unwrap();
    assert!(matches!(ws.recv(), Err(Error::Timeout(Operation::Close))));
}
