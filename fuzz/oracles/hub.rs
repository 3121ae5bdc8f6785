//! A hub whose members come, go, send, stop reading and close. Each peer must receive broadcasts
//! in their order, each once, and only while it is a member. As many members may miss one as the
//! hub reports, and only slow ones. The end of one connection excuses no loss on another.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use arbitrary::{Result, Unstructured};
use tightwire::handshake::Negotiated;
use tightwire::protocol::{Event, Inbound, Limits, Role};
use tightwire::{
    Acceptor, BroadcastReport, Hub, Member, Message, SlowPolicy, State, Timeouts, WebSocket,
};

use super::frames::any_bytes;
use super::net_stream::wire::{End, Wire};

/// The longest script of calls. A broadcast to a peer that does not read takes up to 20 ms.
const MAX_CALLS: usize = 40;
const MAX_CONNECTIONS: usize = 6;
/// The time for the library's own thread to write the rest.
const PATIENCE: Duration = Duration::from_secs(10);
/// A member for which this many broadcasts wait is slow.
const QUEUE_MAX: usize = 16;

/// Input: the policy, and the script of the calls.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let _ = run(&mut u);
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let policy = match u.arbitrary::<u8>()? % 3 {
        0 => SlowPolicy::Disconnect,
        1 => SlowPolicy::Drop,
        _ => SlowPolicy::Wait(Duration::ZERO),
    };
    let mut room = Room {
        hub: Hub::new(policy),
        disconnects: policy == SlowPolicy::Disconnect,
        retries: !matches!(policy, SlowPolicy::Wait(_)),
        connections: Vec::new(),
        messages: Vec::new(),
        reports: Vec::new(),
        totals: BroadcastReport::default(),
    };
    for _ in 0..MAX_CALLS {
        if u.is_empty() {
            break;
        }
        room.act(u)?;
    }
    room.finish();
    Ok(())
}

struct Room {
    hub: Hub,
    disconnects: bool,
    /// The hub tries for a second before it takes a busy member for a slow one. With no time to
    /// wait, a thread that is suspended at the wrong moment can make any member miss a broadcast.
    retries: bool,
    connections: Vec<Connection>,
    /// All broadcasts.
    messages: Vec<Message>,
    /// The report of each.
    reports: Vec<BroadcastReport>,
    totals: BroadcastReport,
}

/// The standing of a connection when a broadcast began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    NoMember,
    Member,
    /// A member that the hub may find slow.
    Slow,
}

struct Connection {
    ws: WebSocket,
    wire: Wire,
    member: Option<Member>,
    /// For each broadcast.
    standings: Vec<Standing>,
    /// Messages that its own sender accepted.
    sent: Vec<Message>,
    /// The program closed or aborted it, or the hub disconnected it.
    has_ended: bool,
    inbound: Inbound,
    /// How many bytes the peer has decoded.
    decoded: usize,
    /// The broadcasts that the peer received, in order.
    received: Vec<usize>,
    /// How many of `sent` it received.
    own: usize,
}

impl Room {
    fn act(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let first: u8 = u.arbitrary()?;
        if self.connections.is_empty() || first & 7 == 0 {
            return self.open(u);
        }
        if first % 8 < 4 {
            self.broadcast(u.arbitrary()?, first & 0x80 != 0);
            return Ok(());
        }
        let index = usize::from(u.arbitrary::<u8>()?) % self.connections.len();
        let connection = &mut self.connections[index];
        connection.wire.rearm();
        match first >> 3 {
            0..3 => connection.member = Some(self.hub.join(connection.ws.sender())),
            3..6 => connection.member = None,
            6..12 => connection.send(u.arbitrary()?),
            12..18 => {
                let steps = any_bytes(u)?;
                connection.wire.state().writes.extend(steps.into_iter().map(harmless));
            }
            18..24 => connection.wire.state().writes.clear(),
            24 => {
                let _ = connection.ws.sender().close();
                connection.has_ended = true;
            }
            25 => {
                connection.ws.sender().abort();
                connection.has_ended = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        if self.connections.len() == MAX_CONNECTIONS {
            return Ok(());
        }
        let writes: VecDeque<u8> = any_bytes(u)?.into_iter().map(harmless).collect();
        let wire = Wire::new(Vec::new(), VecDeque::new(), writes, End::Eof);
        let timeouts = Timeouts::new().write(Duration::ZERO).linger(Duration::ZERO).ping(None);
        let acceptor = Acceptor::new().timeouts(timeouts);
        let ws = acceptor.from_upgraded(wire.clone(), Negotiated::default(), Vec::new());
        let ws = ws.expect("nothing was read");
        self.connections.push(Connection {
            member: Some(self.hub.join(ws.sender())),
            ws,
            wire,
            standings: vec![Standing::NoMember; self.messages.len()],
            sent: Vec::new(),
            has_ended: false,
            inbound: Inbound::new(Role::Client, Limits::new()),
            decoded: 0,
            received: Vec::new(),
            own: 0,
        });
        Ok(())
    }

    fn broadcast(&mut self, len: u8, is_long: bool) {
        let len = usize::from(len) * if is_long { 100 } else { 1 };
        let message = numbered('b', self.messages.len(), len);
        let (mut members, mut slow) = (0, 0);
        for connection in &mut self.connections {
            connection.wire.rearm();
            let standing = connection.standing(&self.messages, self.retries);
            members += u64::from(standing != Standing::NoMember);
            slow += u64::from(standing == Standing::Slow);
            connection.standings.push(standing);
        }
        assert_eq!(self.hub.len() as u64, members, "the hub counts its members");
        let report = self.hub.broadcast(&message);
        self.messages.push(message);
        let lost = report.dropped + report.disconnected;
        assert_eq!(report.delivered + lost, members, "{report:?} for {members} members");
        assert!(lost <= slow, "{report:?}, but only {slow} can be slow");
        assert!(report.disconnected == 0 || self.disconnects, "{report:?}");
        assert!(report.dropped == 0 || !self.disconnects, "{report:?}");
        self.reports.push(report);
        self.totals.delivered += report.delivered;
        self.totals.dropped += report.dropped;
        self.totals.disconnected += report.disconnected;
        assert_eq!(self.hub.totals(), self.totals);
        let mut disconnected = 0;
        for connection in &mut self.connections {
            if !connection.has_ended && connection.ws.state() != State::Open {
                assert_eq!(connection.standings.last(), Some(&Standing::Slow), "disconnected");
                connection.has_ended = true;
                disconnected += 1;
            }
        }
        assert!(disconnected <= report.disconnected, "{report:?} for {disconnected} connections");
    }

    /// Every peer reads again. What the library accepted must arrive.
    fn finish(&mut self) {
        for connection in &self.connections {
            connection.wire.state().writes.clear();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            for connection in &mut self.connections {
                connection.wire.rearm();
                let _ = connection.ws.flush();
                connection.read(&self.messages);
            }
            let mut live = self.connections.iter().filter(|connection| !connection.has_ended);
            let is_complete = live.all(|connection| connection.own == connection.sent.len())
                && (0..self.messages.len()).all(|number| self.has_arrived(number));
            if is_complete {
                return;
            }
            assert!(Instant::now() < deadline, "something of {:?} did not arrive", self.reports);
            thread::yield_now();
        }
    }

    /// Returns whether a broadcast has arrived everywhere, except at connections that have ended,
    /// and at the number of slow members that the hub reported.
    fn has_arrived(&self, number: usize) -> bool {
        let report = self.reports[number];
        let has = |connection: &&Connection| connection.received.contains(&number);
        let received = self.connections.iter().filter(has).count() as u64;
        assert!(received <= report.delivered, "broadcast {number}: {received} of {report:?}");
        let mut missing = 0;
        for connection in self.connections.iter().filter(|connection| !connection.has_ended) {
            match connection.standings[number] {
                Standing::Member if !has(&connection) => return false,
                Standing::Slow => missing += u64::from(!has(&connection)),
                _ => {}
            }
        }
        missing <= report.dropped
    }
}

impl Connection {
    fn send(&mut self, len: u8) {
        let message = numbered('s', self.sent.len(), usize::from(len));
        // With no time to write, `Flush` means that the peer has yet to take it.
        match self.ws.feed(&message) {
            Ok(()) | Err(tightwire::Error::Timeout(tightwire::Operation::Flush)) => {
                self.sent.push(message);
            }
            Err(tightwire::Error::Timeout(tightwire::Operation::Queue)) => {}
            Err(error) => assert!(self.has_ended, "{error:?}"),
        }
    }

    /// Returns what the connection is to a broadcast that begins now. A broadcast waits until the
    /// peer has it, so the inbox of a member holds no more than the peer lacks.
    fn standing(&mut self, messages: &[Message], retries: bool) -> Standing {
        if self.member.is_none() || self.ws.state() != State::Open {
            return Standing::NoMember;
        }
        self.read(messages);
        let next = self.received.last().map_or(0, |last| last + 1);
        let later = self.standings[next..].iter();
        let waiting = later.filter(|standing| **standing != Standing::NoMember).count();
        if waiting >= QUEUE_MAX || !retries { Standing::Slow } else { Standing::Member }
    }

    /// Checks what the peer has received since the last call.
    fn read(&mut self, messages: &[Message]) {
        let written = self.wire.state().written[self.decoded..].to_vec();
        self.decoded += written.len();
        let mut input = written.as_slice();
        while let Some(event) = self.inbound.next_event(&mut input).expect("the frames are right") {
            let Event::Message(message) = event else { continue };
            if message.as_bytes().first() == Some(&b's') {
                assert_eq!(self.sent.get(self.own), Some(&message), "not what was sent next");
                self.own += 1;
                continue;
            }
            // A broadcast that was dropped leaves a gap.
            let next = self.received.last().map_or(0, |last| last + 1);
            let place = messages[next..].iter().position(|sent| *sent == message);
            let place = next + place.expect("a broadcast that was not sent, or came before");
            assert_ne!(self.standings[place], Standing::NoMember, "a broadcast to no member");
            self.received.push(place);
        }
    }
}

/// A text that no other call sends.
fn numbered(kind: char, number: usize, len: usize) -> Message {
    let mut text = format!("{kind}{number:06}");
    text.push_str(&"a".repeat(len));
    Message::Text(text)
}

/// A step of a write that does not break the stream.
fn harmless(step: u8) -> u8 {
    if step >= 0xF0 { 0xF0 } else { step }
}
