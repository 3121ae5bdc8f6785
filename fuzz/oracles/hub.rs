//! A hub whose members come, go, send, stop reading and close. Each peer must receive broadcasts
//! in their order, each once, only while it is a member, and as many as the hub reports.

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
        connections: Vec::new(),
        messages: Vec::new(),
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
    connections: Vec<Connection>,
    /// All broadcasts.
    messages: Vec<Message>,
    totals: BroadcastReport,
}

struct Connection {
    ws: WebSocket,
    wire: Wire,
    member: Option<Member>,
    /// For each broadcast, whether this connection was a member.
    was_member: Vec<bool>,
    /// Messages that its own sender accepted.
    sent: Vec<Message>,
    /// The program closed or aborted it, or the hub disconnected it.
    has_ended: bool,
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
            was_member: vec![false; self.messages.len()],
            sent: Vec::new(),
            has_ended: false,
        });
        Ok(())
    }

    fn broadcast(&mut self, len: u8, is_long: bool) {
        let len = usize::from(len) * if is_long { 100 } else { 1 };
        let message = numbered('b', self.messages.len(), len);
        let mut members = 0;
        for connection in &mut self.connections {
            connection.wire.rearm();
            let is_open = connection.ws.state() == State::Open;
            connection.was_member.push(connection.member.is_some() && is_open);
            members += usize::from(connection.member.is_some() && is_open);
        }
        assert_eq!(self.hub.len(), members, "the hub counts its members");
        let report = self.hub.broadcast(&message);
        self.messages.push(message);
        let sum = report.delivered + report.dropped + report.disconnected;
        assert_eq!(sum, members as u64, "{report:?} for {members} members");
        assert!(report.disconnected == 0 || self.disconnects, "{report:?}");
        assert!(report.dropped == 0 || !self.disconnects, "{report:?}");
        self.totals.delivered += report.delivered;
        self.totals.dropped += report.dropped;
        self.totals.disconnected += report.disconnected;
        assert_eq!(self.hub.totals(), self.totals);
        for connection in &mut self.connections {
            connection.has_ended |= connection.ws.state() != State::Open;
        }
    }

    /// Every peer reads again. What the library accepted must arrive.
    fn finish(&self) {
        for connection in &self.connections {
            connection.wire.state().writes.clear();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut received = 0;
            let mut is_complete = true;
            for connection in &self.connections {
                connection.wire.rearm();
                let _ = connection.ws.flush();
                let (broadcasts, own) = connection.check(&self.messages);
                received += broadcasts as u64;
                is_complete &= connection.has_ended || own == connection.sent.len();
            }
            assert!(received <= self.totals.delivered, "more than the hub reported");
            let may_lack = self.connections.iter().any(|connection| connection.has_ended);
            if is_complete && (may_lack || received == self.totals.delivered) {
                return;
            }
            assert!(Instant::now() < deadline, "{received} of {:?} arrived", self.totals);
            thread::yield_now();
        }
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
            Err(error) => {
                assert_ne!(self.ws.state(), State::Open, "{error:?}");
                self.has_ended = true;
            }
        }
    }

    /// Checks what the peer received, and counts broadcasts and the connection's own messages.
    fn check(&self, messages: &[Message]) -> (usize, usize) {
        let written = self.wire.state().written.clone();
        let mut inbound = Inbound::new(Role::Client, Limits::new());
        let mut input = written.as_slice();
        let (mut next, mut broadcasts, mut own) = (0, 0, 0);
        while let Some(event) = inbound.next_event(&mut input).expect("the frames are right") {
            let Event::Message(message) = event else { continue };
            if message.as_bytes().first() == Some(&b's') {
                assert_eq!(self.sent.get(own), Some(&message), "not what was sent next");
                own += 1;
                continue;
            }
            // A broadcast that was dropped leaves a gap.
            let place = messages[next..].iter().position(|sent| *sent == message);
            let place = next + place.expect("a broadcast that was not sent, or came before");
            assert!(self.was_member[place], "a broadcast to a connection that was no member");
            next = place + 1;
            broadcasts += 1;
        }
        (broadcasts, own)
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
