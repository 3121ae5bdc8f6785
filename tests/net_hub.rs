//! Tests one message for many connections: the bytes on each wire, and that no peer delays the
//! others, whatever it does.

mod wire;

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tightwire::handshake::Negotiated;
use tightwire::protocol::{Event, Inbound, Outbound};
use tightwire::{
    Acceptor, BroadcastReport, Client, Error, Hub, Limits, Member, Message, MessageKind,
    MessageRef, Operation, PreparedMessage, Role, SendError, Sender, SlowPolicy, State, Stream,
    Timeouts, WebSocket,
};
use wire::{PATIENCE, Raw, hex, masked};

/// The number of broadcasts that may wait for a connection.
const BACKLOG: u64 = 16;

/// A stream that accepts as much as a test allows, and never returns a byte.
#[derive(Clone, Debug)]
struct Gate(Arc<(Mutex<Inner>, Condvar)>);

#[derive(Debug, Default)]
struct Inner {
    written: Vec<u8>,
    /// The length of each write.
    slices: Vec<usize>,
    /// The most that a write accepts. 0 times out.
    takes: usize,
    /// The number of the write from which on it accepts everything.
    opens_at: usize,
    /// Whether writes block.
    is_held: bool,
    is_shut: bool,
}

impl Gate {
    fn taking(takes: usize) -> Self {
        let inner = Inner { takes, opens_at: usize::MAX, ..Inner::default() };
        Self(Arc::new((Mutex::new(inner), Condvar::new())))
    }

    fn open() -> Self {
        Self::taking(usize::MAX)
    }

    fn shut() -> Self {
        Self::taking(0)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.0.lock().unwrap()
    }

    fn take(&self, takes: usize) {
        self.inner().takes = takes;
    }

    fn hold(&self, is_held: bool) {
        self.inner().is_held = is_held;
        self.0.1.notify_all();
    }

    /// Waits until this many writes were tried.
    fn await_writes(&self, count: usize) {
        let too_few = |inner: &mut Inner| inner.slices.len() < count;
        let waited = self.0.1.wait_timeout_while(self.inner(), PATIENCE, too_few).unwrap();
        assert!(!waited.1.timed_out());
    }

    fn writes(&self) -> usize {
        self.inner().slices.len()
    }

    fn written(&self) -> Vec<u8> {
        self.inner().written.clone()
    }

    /// Returns the messages that the peer has received, and asserts that all are complete.
    fn messages(&self, role: Role) -> Vec<Message> {
        let written = self.written();
        let mut input = written.as_slice();
        let mut inbound = Inbound::new(role, Limits::default());
        let mut messages = Vec::new();
        while let Some(event) = inbound.next_event(&mut input).unwrap() {
            if let Event::Message(message) = event {
                messages.push(message);
            }
        }
        assert!(inbound.message_kind().is_none(), "nothing is cut off");
        messages
    }

    fn texts(&self) -> Vec<String> {
        let messages = self.messages(Role::Client);
        messages.iter().map(|message| message.as_text().unwrap().to_owned()).collect()
    }

    fn server(&self) -> WebSocket {
        self.accepted_by(&Acceptor::new())
    }

    fn accepted_by(&self, acceptor: &Acceptor) -> WebSocket {
        acceptor.from_upgraded(self.clone(), Negotiated::default(), Vec::new()).unwrap()
    }

    fn client(&self) -> WebSocket {
        Client::new().from_upgraded(self.clone(), Negotiated::default(), Vec::new()).unwrap()
    }
}

impl Stream for Gate {
    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        if self.inner().is_shut { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let mut inner = self.inner();
        // Only writes of a hub count, not those of the thread that writes the rest.
        if inner.takes == 0 && thread::current().name() == Some("tightwire flusher") {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        inner.slices.push(buffer.len());
        self.0.1.notify_all();
        let mut inner =
            self.0.1.wait_while(inner, |inner| inner.is_held && !inner.is_shut).unwrap();
        if inner.slices.len() >= inner.opens_at {
            inner.takes = usize::MAX;
        }
        let count = inner.takes.min(buffer.len());
        if inner.is_shut {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        inner.written.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner().is_shut |= how == Shutdown::Both;
        self.0.1.notify_all();
        Ok(())
    }
}

fn in_no_time_to_write() -> Timeouts {
    Timeouts::new().write(Duration::ZERO)
}

/// The parts of a report: delivered, dropped, disconnected.
fn parts(report: BroadcastReport) -> [u64; 3] {
    [report.delivered, report.dropped, report.disconnected]
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|i| i.to_string()).collect()
}

#[test]
fn hub_types_are_send_and_sync() {
    fn check<T: Send + Sync + std::fmt::Debug + 'static>() {}
    check::<Hub>();
    check::<Member>();
    check::<PreparedMessage>();
}

#[test]
fn a_prepared_message_has_the_bytes_of_an_ordinary_one() {
    for len in [0, 1, 125, 126, 5000, 65535, 65536, 1 << 20] {
        let data = bytes(len);
        let text = "x".repeat(len);
        for message in [MessageRef::Binary(&data), MessageRef::Text(&text)] {
            let (one, other) = (Gate::open(), Gate::open());
            let open = [&one, &other].map(Gate::server);
            open[0].send(message).unwrap();
            open[1].send_prepared(&PreparedMessage::new(message)).unwrap();
            assert_eq!(one.written(), other.written());
            // The payload is written in one piece, without a copy.
            let len = other.written().len();
            assert_eq!(other.inner().slices, [len]);
        }
    }
}

#[test]
fn fed_messages_precede_a_prepared_message_in_the_same_write() {
    let gate = Gate::open();
    let ws = gate.server();
    ws.feed("before").unwrap();
    ws.send_prepared(&PreparedMessage::new("after")).unwrap();
    assert_eq!(gate.inner().slices, [15]);
    assert_eq!(gate.written(), b"\x81\x06before\x81\x05after");
}

#[test]
fn a_client_masks_a_prepared_message_with_a_new_key_each_time() {
    for len in [5, 100_000] {
        let message = PreparedMessage::new(bytes(len));
        let gate = Gate::open();
        let ws = gate.client();
        let keys: std::collections::BTreeSet<Vec<u8>> = (0..8)
            .map(|_| {
                let start = gate.written().len();
                ws.send_prepared(&message).unwrap();
                let key_at = start + if len > 125 { 10 } else { 2 };
                gate.written()[key_at..key_at + 4].to_vec()
            })
            .collect();
        assert!(keys.len() > 6, "{keys:?}");
        assert_eq!(gate.messages(Role::Server), vec![Message::from(bytes(len)); 8]);
    }
}

#[test]
fn a_long_prepared_message_is_sent_in_fragments() {
    let gate = Gate::open();
    let ws = gate.accepted_by(&Acceptor::new().fragment_len(4));
    ws.send_prepared(&PreparedMessage::new("fragments")).unwrap();
    assert_eq!(gate.written(), b"\x01\x04frag\x00\x04ment\x80\x01s");

    // A broadcast still writes only once.
    let gate = Gate::open();
    let hub = Hub::new(SlowPolicy::Drop);
    let ws = gate.accepted_by(&Acceptor::new().fragment_len(10_000));
    let member = hub.join(ws.sender());
    assert_eq!(parts(hub.broadcast(bytes(95_000))), [1, 0, 0]);
    assert_eq!(gate.writes(), 1);
    assert_eq!(gate.messages(Role::Client), [Message::from(bytes(95_000))]);

    let gate = Gate::open();
    let client = Client::new().fragment_len(10_000);
    let client = client.from_upgraded(gate.clone(), Negotiated::default(), Vec::new()).unwrap();
    let _other = hub.join(client.sender());
    drop(member);
    for _ in 0..2 {
        assert_eq!(parts(hub.broadcast(bytes(95_000))), [1, 0, 0]);
    }
    assert_eq!(gate.writes(), 2);
    assert_eq!(gate.messages(Role::Server), vec![Message::from(bytes(95_000)); 2]);
}

#[test]
fn prepared_messages_obey_the_rules_for_messages() {
    let mut outbound = Outbound::server();
    assert_eq!(outbound.may_begin(), Ok(()));
    outbound.encode_fragment(MessageRef::Text("a"), &mut Vec::new()).unwrap();
    assert_eq!(outbound.may_begin(), Err(SendError::MessageInProgress));
    outbound.encode_close(None, &mut Vec::new()).unwrap();
    assert_eq!(outbound.may_begin(), Err(SendError::Closed));

    let message = PreparedMessage::new("message");
    let gate = Gate::open();
    let ws = gate.accepted_by(&Acceptor::new().timeouts(in_no_time_to_write()));
    let mut writer = ws.writer(MessageKind::Text);
    io::Write::write_all(&mut writer, b"begun").unwrap();
    io::Write::flush(&mut writer).unwrap();
    let outcome = ws.send_prepared(&message);
    assert!(matches!(outcome, Err(Error::Timeout(Operation::Queue))), "{outcome:?}");
    writer.finish().unwrap();
    ws.send_prepared(&message).unwrap();
    assert_eq!(gate.texts(), ["begun", "message"]);
    ws.sender().close().unwrap();
    let outcome = ws.send_prepared(&message);
    assert!(matches!(outcome, Err(Error::Send(SendError::Closed))), "{outcome:?}");
}

#[test]
fn the_unwritten_rest_of_a_prepared_message_is_kept_and_the_next_refused() {
    let message = PreparedMessage::new(bytes(100_000));
    let gate = Gate::taking(5);
    let ws = gate.accepted_by(&Acceptor::new().timeouts(in_no_time_to_write()));
    let outcome = ws.send_prepared(&message);
    assert!(matches!(outcome, Err(Error::Timeout(Operation::Flush))), "{outcome:?}");
    let outcome = ws.send_prepared(&message);
    assert!(matches!(outcome, Err(Error::Timeout(Operation::Queue))), "{outcome:?}");
    gate.take(usize::MAX);
    ws.send_prepared(&message).unwrap();
    assert_eq!(gate.messages(Role::Client), vec![Message::from(bytes(100_000)); 2]);
}

#[test]
fn a_broadcast_reaches_all_members_except_those_that_left_or_closed() {
    let hub = Hub::new(SlowPolicy::Drop);
    assert_eq!(parts(hub.broadcast("nobody")), [0, 0, 0]);
    assert!(hub.is_empty());
    let gates: Vec<_> = (0..4).map(|_| Gate::open()).collect();
    let mut all: Vec<_> = gates.iter().map(Gate::server).collect();
    let mut members: Vec<_> = all.iter().map(|ws| hub.join(ws.sender())).collect();
    assert_eq!(parts(hub.broadcast("all")), [4, 0, 0]);
    assert_eq!(hub.len(), 4);

    drop(members.remove(3));
    assert_eq!(parts(hub.broadcast("three")), [3, 0, 0]);
    drop(all.remove(2));
    assert_eq!(hub.len(), 2);
    assert_eq!(parts(hub.broadcast("two")), [2, 0, 0]);
    all[1].sender().close().unwrap();
    assert_eq!(parts(hub.broadcast_prepared(&PreparedMessage::new(b"one"))), [1, 0, 0]);
    assert_eq!(parts(hub.totals()), [10, 0, 0]);

    assert_eq!(gates[0].written(), b"\x81\x03all\x81\x05three\x81\x03two\x82\x03one");
    assert_eq!(gates[1].texts(), ["all", "three", "two"]);
    assert_eq!(gates[2].texts(), ["all", "three"]);
    assert_eq!(gates[3].texts(), ["all"]);
}

#[test]
fn a_member_whose_connection_breaks_is_removed() {
    let gate = Gate::open();
    let hub = Hub::new(SlowPolicy::Disconnect);
    let ws = gate.server();
    let _member = hub.join(ws.sender());
    gate.inner().is_shut = true;
    assert_eq!(parts(hub.broadcast("gone")), [0, 0, 0]);
    assert_eq!((hub.len(), ws.state()), (0, State::Closed));
    assert_eq!(parts(hub.totals()), [0, 0, 0]);
}

/// A hub with one member that accepts nothing and one that accepts everything.
struct Pair {
    hub: Hub,
    slow: Gate,
    fast: Gate,
    slow_ws: WebSocket,
    _fast_ws: WebSocket,
    _members: [Member; 2],
}

impl Pair {
    fn new(policy: SlowPolicy) -> Self {
        let (hub, slow, fast) = (Hub::new(policy), Gate::shut(), Gate::open());
        let (slow_ws, fast_ws) = (slow.server(), fast.server());
        let members = [hub.join(slow_ws.sender()), hub.join(fast_ws.sender())];
        Self { hub, slow, fast, slow_ws, _fast_ws: fast_ws, _members: members }
    }

    fn broadcast(&self, number: u64) -> [u64; 3] {
        parts(self.hub.broadcast(number.to_string()))
    }

    /// Broadcasts as many messages as are kept for a member that accepts nothing: one that is being
    /// written, and the backlog.
    fn fill(&self) {
        for i in 0..=BACKLOG {
            assert_eq!(self.broadcast(i), [2, 0, 0]);
        }
    }
}

#[test]
fn a_slow_member_misses_messages_but_gets_whole_ones_in_order() {
    let pair = Pair::new(SlowPolicy::Drop);
    pair.fill();
    assert_eq!(pair.slow.writes(), 1, "queued messages cause no write");
    for i in BACKLOG + 1..1000 {
        assert_eq!(pair.broadcast(i), [1, 1, 0]);
    }
    assert_eq!(pair.slow.writes(), 1, "dropped messages cause no write");
    assert_eq!(pair.fast.texts(), numbers(0..1000));
    assert_eq!(parts(pair.hub.totals()), [1000 + 17, 1000 - 17, 0]);

    pair.slow.take(1);
    pair.slow_ws.flush().unwrap();
    assert_eq!(pair.slow.texts(), numbers(0..BACKLOG + 1));
    assert_eq!(pair.broadcast(1000), [2, 0, 0]);
    pair.slow.take(usize::MAX);
    pair.slow_ws.flush().unwrap();
    assert_eq!(*pair.slow.texts().last().unwrap(), "1000");
}

#[test]
fn a_receive_writes_the_rest_of_a_broadcast() {
    let mut pair = Pair::new(SlowPolicy::Drop);
    pair.fill();
    pair.slow.take(usize::MAX);
    let outcome = pair.slow_ws.recv_timeout(Duration::ZERO);
    assert!(matches!(outcome, Err(Error::Timeout(Operation::Receive))), "{outcome:?}");
    assert_eq!(pair.slow.texts(), numbers(0..BACKLOG + 1));
}

#[test]
fn a_slow_member_is_disconnected() {
    let mut pair = Pair::new(SlowPolicy::Disconnect);
    pair.fill();
    assert_eq!(pair.slow_ws.state(), State::Open);
    assert_eq!(pair.broadcast(17), [1, 0, 1]);
    assert!(pair.slow.inner().is_shut && pair.slow.written().is_empty());
    assert!(matches!(pair.slow_ws.send("x"), Err(Error::Send(SendError::Closed))));
    assert!(matches!(pair.slow_ws.recv(), Err(Error::SlowPeer)));
    assert_eq!(pair.broadcast(18), [1, 0, 0]);
    assert_eq!((pair.hub.len(), parts(pair.hub.totals())), (1, [17 * 2 + 2, 0, 1]));
    assert_eq!(pair.fast.texts(), numbers(0..19));
}

#[test]
fn a_slow_member_that_accepts_the_last_attempt_stays() {
    let pair = Pair::new(SlowPolicy::Disconnect);
    for round in 0..3 {
        pair.slow.take(0);
        for i in 0..=BACKLOG {
            assert_eq!(pair.broadcast(18 * round + i), [2, 0, 0]);
        }
        pair.slow.take(usize::MAX);
        assert_eq!(pair.broadcast(18 * round + 17), [2, 0, 0]);
    }
    assert_eq!(pair.slow.texts(), numbers(0..54));
}

#[test]
fn a_disconnected_member_that_reads_again_receives_1008() {
    let pair = Pair::new(SlowPolicy::Disconnect);
    pair.fill();
    // The next write is the last attempt, and the one after it writes the Close frame.
    pair.slow.inner().opens_at = pair.slow.writes() + 2;
    assert_eq!(pair.broadcast(17), [1, 0, 1]);
    assert_eq!(pair.slow.written(), hex("81 01 30 88 02 03f0"));
}

#[test]
fn a_hub_waits_for_a_slow_member_until_it_reads() {
    let pair = Pair::new(SlowPolicy::Wait(PATIENCE));
    let slow = pair.slow.clone();
    let fast = pair.fast.clone();
    let reader = thread::spawn(move || {
        // The fast member does not wait for the slow one.
        fast.await_writes(1);
        slow.await_writes(3);
        assert_eq!(fast.texts(), ["0"]);
        slow.take(1);
    });
    for i in 0..100 {
        assert_eq!(pair.broadcast(i), [2, 0, 0]);
    }
    reader.join().unwrap();
    assert_eq!(pair.slow.texts(), numbers(0..100));
    assert_eq!(pair.fast.texts(), numbers(0..100));
}

#[test]
fn a_hub_waits_no_longer_than_its_deadline() {
    let patience = Duration::from_millis(20);
    let pair = Pair::new(SlowPolicy::Wait(patience));
    let start = Instant::now();
    pair.fill();
    for i in 17..20 {
        assert_eq!(pair.broadcast(i), [1, 1, 0]);
    }
    assert!(start.elapsed() >= patience * 20);
    assert_eq!(parts(pair.hub.totals()), [17 + 20, 3, 0]);
    pair.slow.take(usize::MAX);
    assert_eq!(pair.broadcast(20), [2, 0, 0]);
    let mut expected = numbers(0..17);
    expected.push("20".to_owned());
    assert_eq!(pair.slow.texts(), expected);
    assert_eq!(pair.fast.texts(), numbers(0..21));
}

#[test]
fn a_member_that_reads_bit_by_bit_is_not_slow() {
    let gate = Gate::taking(10_000);
    let hub = Hub::new(SlowPolicy::Wait(PATIENCE));
    let ws = gate.server();
    let _member = hub.join(ws.sender());
    assert_eq!(parts(hub.broadcast(bytes(1_000_000))), [1, 0, 0]);
    assert_eq!(gate.messages(Role::Client), [Message::from(bytes(1_000_000))]);
}

#[test]
fn a_broadcast_does_not_wait_for_another_thread_that_writes() {
    for policy in [SlowPolicy::Disconnect, SlowPolicy::Drop, SlowPolicy::Wait(PATIENCE)] {
        let (hub, gate) = (Hub::new(policy), Gate::open());
        let ws = gate.server();
        let _member = hub.join(ws.sender());
        gate.hold(true);
        let sender = ws.sender();
        let writer = thread::spawn(move || sender.send("first"));
        gate.await_writes(1);
        for i in 0..BACKLOG {
            assert_eq!(parts(hub.broadcast(i.to_string())), [1, 0, 0]);
        }
        assert_eq!(gate.writes(), 1);
        gate.hold(false);
        writer.join().unwrap().unwrap();
        // The thread that was writing has written the other broadcasts.
        let mut expected = numbers(0..BACKLOG);
        expected.insert(0, "first".to_owned());
        assert_eq!(gate.texts(), expected);
    }
}

#[test]
fn a_blocked_writer_delays_a_broadcast_for_a_bounded_time() {
    for policy in [SlowPolicy::Drop, SlowPolicy::Disconnect, SlowPolicy::Wait(Duration::ZERO)] {
        let pair = Pair::new(policy);
        pair.slow.hold(true);
        let sender = pair.slow_ws.sender();
        let writer = thread::spawn(move || sender.send("held"));
        pair.slow.await_writes(1);
        for i in 0..BACKLOG {
            assert_eq!(pair.broadcast(i), [2, 0, 0]);
        }
        let disconnects = u64::from(policy == SlowPolicy::Disconnect);
        assert_eq!(pair.broadcast(BACKLOG), [1, 1 - disconnects, disconnects]);
        assert_eq!(pair.fast.texts(), numbers(0..BACKLOG + 1));
        // Dropping the pair wakes the writer.
        drop(pair);
        writer.join().unwrap().unwrap_err();
    }
}

#[test]
fn a_broadcast_notices_at_once_that_another_thread_writes_to_a_slow_peer() {
    let pair = Pair::new(SlowPolicy::Drop);
    let sender = pair.slow_ws.sender();
    let writer = thread::spawn(move || sender.send("slow"));
    // The second attempt comes after the writer has recorded that bytes are left.
    pair.slow.await_writes(2);
    pair.fill_backlog();
    assert_eq!(pair.broadcast(BACKLOG), [1, 1, 0]);
    pair.slow.take(usize::MAX);
    writer.join().unwrap().unwrap();
    let mut expected = numbers(0..BACKLOG);
    expected.insert(0, "slow".to_owned());
    assert_eq!(pair.slow.texts(), expected);
}

impl Pair {
    fn fill_backlog(&self) {
        for i in 0..BACKLOG {
            assert_eq!(self.broadcast(i), [2, 0, 0]);
        }
    }
}

#[test]
fn broadcasts_wait_for_the_end_of_a_message_that_is_in_progress() {
    let gate = Gate::open();
    let hub = Hub::new(SlowPolicy::Drop);
    let ws = gate.server();
    let _member = hub.join(ws.sender());
    let mut writer = ws.writer(MessageKind::Text);
    io::Write::write_all(&mut writer, b"be").unwrap();
    io::Write::flush(&mut writer).unwrap();
    for i in 0..BACKLOG {
        assert_eq!(parts(hub.broadcast(i.to_string())), [1, 0, 0]);
    }
    assert_eq!(parts(hub.broadcast("too many")), [0, 1, 0]);
    ws.ping(b"p").unwrap();
    io::Write::write_all(&mut writer, b"gun").unwrap();
    writer.finish().unwrap();
    let mut expected = numbers(0..BACKLOG);
    expected.insert(0, "begun".to_owned());
    assert_eq!(gate.texts(), expected);
    assert!(gate.written().starts_with(&hex("01 02 6265 89 01 70 80 03 67756e 81 01 30")));
}

#[test]
fn a_close_frame_is_written_instead_of_waiting_broadcasts() {
    let gate = Gate::open();
    let hub = Hub::new(SlowPolicy::Drop);
    let ws = gate.server();
    let _member = hub.join(ws.sender());
    let mut writer = ws.writer(MessageKind::Text);
    io::Write::write_all(&mut writer, b"be").unwrap();
    io::Write::flush(&mut writer).unwrap();
    assert_eq!(parts(hub.broadcast("waits")), [1, 0, 0]);
    // An abandoned message closes the connection.
    drop(writer);
    assert_eq!(gate.written(), hex("01 02 6265 88 02 03f3"));
    assert_eq!(parts(hub.broadcast("late")), [0, 0, 0]);
    assert!(matches!(ws.flush(), Ok(())));
    assert_eq!(gate.written(), hex("01 02 6265 88 02 03f3"));
}

#[test]
fn threads_may_broadcast_join_and_leave_concurrently() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 200;
    for policy in [SlowPolicy::Disconnect, SlowPolicy::Drop, SlowPolicy::Wait(PATIENCE)] {
        let hub = Hub::new(policy);
        let gates: Vec<_> = (0..3).map(|_| Gate::open()).collect();
        let all: Vec<_> = gates.iter().map(Gate::server).collect();
        let _members: Vec<_> = all.iter().map(|ws| hub.join(ws.sender())).collect();
        let has_ended = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !has_ended.load(Ordering::SeqCst) {
                        let ws = Gate::open().server();
                        let member = hub.join(ws.sender());
                        let _ = hub.len();
                        thread::yield_now();
                        drop(member);
                    }
                });
            }
            let broadcasters: Vec<_> = (0..THREADS)
                .map(|id| {
                    let hub = &hub;
                    scope.spawn(move || {
                        for i in 0..ROUNDS {
                            let report = hub.broadcast(format!("{id} {i}"));
                            assert!(report.delivered >= 3, "{report:?}");
                        }
                    })
                })
                .collect();
            let outcomes: Vec<_> = broadcasters.into_iter().map(|b| b.join()).collect();
            has_ended.store(true, Ordering::SeqCst);
            outcomes.into_iter().for_each(|outcome| outcome.unwrap());
        });
        assert_eq!(hub.len(), 3);
        for gate in gates {
            let texts = gate.texts();
            assert_eq!(texts.len() as u64, THREADS * ROUNDS);
            for id in 0..THREADS {
                let prefix = format!("{id} ");
                let own = texts.iter().filter_map(|text| text.strip_prefix(&prefix));
                assert!(own.eq(numbers(0..ROUNDS)), "in the order of their thread");
            }
        }
    }
}

#[test]
fn concurrent_broadcasts_disconnect_a_slow_member_once() {
    for _ in 0..50 {
        let pair = Pair::new(SlowPolicy::Disconnect);
        pair.fill();
        thread::scope(|scope| {
            (0..4).for_each(|i| {
                _ = scope.spawn({
                    let pair = &pair;
                    move || pair.broadcast(i)
                })
            });
        });
        assert_eq!(parts(pair.hub.totals()), [2 * 17 + 4, 0, 1]);
    }
}

#[test]
fn handlers_broadcast_to_each_other_and_to_themselves() {
    let hub = Hub::new(SlowPolicy::Disconnect);
    let address = wire::run(wire::server(), move |ws, _| {
        let _member = hub.join(ws.sender());
        ws.send("joined")?;
        while let Some(message) = ws.recv()? {
            hub.broadcast(&message);
        }
        Ok(())
    });
    let mut peers: Vec<_> = (0..3).map(|_| Raw::upgraded(address)).collect();
    for peer in &mut peers {
        assert_eq!(peer.read_frame(), (0x81, b"joined".to_vec()));
    }
    for i in 0..30 {
        let text = i.to_string().into_bytes();
        peers[i % 3].send_frame(0x81, &text);
        for peer in &mut peers {
            assert_eq!(peer.read_frame(), (0x81, text.clone()));
        }
    }
}

/// Starts a server whose connections join this hub. The returned function adds a member.
fn serve(hub: &Hub) -> impl Fn() -> Raw + use<> {
    let hub = hub.clone();
    let address = wire::run(wire::server(), move |ws, _| {
        let _member = hub.join(ws.sender());
        ws.send("joined")?;
        while ws.recv()?.is_some() {}
        Ok(())
    });
    move || {
        let mut raw = Raw::upgraded(address);
        assert_eq!(raw.read_frame(), (0x81, b"joined".to_vec()));
        raw
    }
}

#[test]
fn two_hundred_connections_receive_every_broadcast() {
    let hub = Hub::new(SlowPolicy::Wait(PATIENCE));
    let join = serve(&hub);
    let mut peers: Vec<_> = (0..200).map(|_| join()).collect();
    for i in 0..10 {
        assert_eq!(parts(hub.broadcast(bytes(1000 + i))), [200, 0, 0]);
    }
    for peer in &mut peers {
        for i in 0..10 {
            assert_eq!(peer.read_frame(), (0x82, bytes(1000 + i)));
        }
    }
    assert_eq!(parts(hub.totals()), [2000, 0, 0]);
}

const LEN: usize = 64 << 10;

fn numbered(number: u64) -> Vec<u8> {
    let mut payload = bytes(LEN);
    payload[..8].copy_from_slice(&number.to_be_bytes());
    payload
}

/// Reads the next message, checks it, and returns its number.
fn read_numbered(raw: &mut Raw) -> u64 {
    let (first, payload) = raw.read_frame();
    let number = u64::from_be_bytes(payload[..8].try_into().unwrap());
    assert_eq!(first, 0x82);
    assert!(payload == numbered(number), "whole");
    number
}

/// Broadcasts to a peer that reads each message and one that reads none, until the hub treats the
/// second one as slow.
fn until_one_is_slow(hub: &Hub, fast: &mut Raw) -> u64 {
    for number in 0.. {
        let report = hub.broadcast(numbered(number));
        assert_eq!(read_numbered(fast), number);
        if report.delivered < 2 {
            return number;
        }
    }
    unreachable!()
}

#[test]
fn a_peer_that_reads_again_gets_whole_messages_in_order() {
    let hub = Hub::new(SlowPolicy::Drop);
    let join = serve(&hub);
    let (mut slow, mut fast) = (join(), join());
    let first_lost = until_one_is_slow(&hub, &mut fast);
    let (sender, ends) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut last = read_numbered(&mut slow);
        assert_eq!(last, 0);
        while last <= first_lost {
            let next = read_numbered(&mut slow);
            assert!(next > last && (next == last + 1 || next > first_lost), "{next}");
            last = next;
        }
        sender.send(()).unwrap();
        slow
    });
    let mut number = first_lost + 1;
    while ends.recv_timeout(Duration::from_millis(1)).is_err() {
        assert!(!reader.is_finished(), "the reader has failed");
        hub.broadcast(numbered(number));
        assert_eq!(read_numbered(&mut fast), number);
        number += 1;
    }
    reader.join().unwrap();
    assert_eq!(hub.totals().disconnected, 0);
}

#[test]
fn a_peer_that_does_not_read_is_disconnected_and_the_others_stay() {
    let hub = Hub::new(SlowPolicy::Disconnect);
    let join = serve(&hub);
    let (mut slow, mut fast) = (join(), join());
    let last = until_one_is_slow(&hub, &mut fast);
    assert_eq!(hub.len(), 1);
    assert_eq!(parts(hub.totals()), [2 * last + 1, 0, 1]);
    assert_eq!(parts(hub.broadcast(numbered(0))), [1, 0, 0]);
    assert_eq!(read_numbered(&mut fast), 0);
    // The bytes that the system had accepted arrive, then the end of the stream.
    assert_eq!(read_numbered(&mut slow), 0);
    let _ = io::copy(&mut slow.stream, &mut io::sink());
}

#[test]
fn a_waiting_hub_runs_at_the_pace_of_the_slowest_member() {
    let hub = Hub::new(SlowPolicy::Wait(PATIENCE));
    let join = serve(&hub);
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let mut raw = join();
            thread::spawn(move || (0..150).for_each(|i| assert_eq!(read_numbered(&mut raw), i)))
        })
        .collect();
    for number in 0..150 {
        assert_eq!(parts(hub.broadcast(numbered(number))), [3, 0, 0]);
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}

/// Clients may also be members of a hub.
#[test]
fn members_that_are_clients_get_the_same_message_masked() {
    let hub = Hub::new(SlowPolicy::Disconnect);
    let gates: Vec<_> = (0..2).map(|_| Gate::open()).collect();
    let all: Vec<_> = gates.iter().map(Gate::client).collect();
    let senders: Vec<Sender> = all.iter().map(WebSocket::sender).collect();
    let _members: Vec<_> = senders.into_iter().map(|sender| hub.join(sender)).collect();
    hub.broadcast("Hello");
    hub.broadcast(bytes(100_000));
    assert_eq!(gates[0].written().len(), masked(0x81, b"Hello").len() + 14 + 100_000);
    assert_ne!(gates[0].written(), gates[1].written());
    for gate in gates {
        let expected = [Message::from("Hello"), Message::from(bytes(100_000))];
        assert_eq!(gate.messages(Role::Server), expected);
        assert_eq!(gate.writes(), 2);
    }
}

#[test]
fn the_totals_of_a_room_outlive_it() {
    let ws = Gate::open().server();
    let hub = Hub::new(SlowPolicy::Drop);
    let room = hub.new_room();
    let member = room.join(ws.sender());
    assert_eq!((hub.len(), room.len()), (0, 1), "a room has members of its own");
    assert_eq!(parts(room.broadcast("a")), [1, 0, 0]);
    assert_eq!(parts(hub.broadcast("b")), [0, 0, 0]);
    drop((member, room));
    assert_eq!(parts(hub.totals()), [1, 0, 0]);
    assert_eq!(parts(hub.new_room().new_room().totals()), [1, 0, 0]);
}
