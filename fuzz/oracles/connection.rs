//! A whole connection: two ends, a schedule of their actions and of how their bytes travel, and the
//! closing handshake between them (§5.5.1, §7). [`Endpoint`] checks each end at every step. This
//! module checks that both ends agree.

use arbitrary::{Result, Unstructured};
use tightwire::frame::{CloseCode, CloseFrame, FrameHeader, Opcode};
use tightwire::protocol::{Event, Limits, Message, Role};

use super::endpoint::Endpoint;
use super::frames::{any_bytes, headers, peer, seed_keys};
use super::reference;

/// The maximum number of steps in a schedule.
const MAX_STEPS: usize = 200;

/// Input: a seed of the masking keys, the structure of each end, and then steps.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok((seed, client_joined, server_joined)) = u.arbitrary() else { return };
    seed_keys(seed);
    let mut pair = Pair::new(client_joined, server_joined);
    for _ in 0..MAX_STEPS {
        if u.is_empty() || pair.step(&mut u).is_err() {
            break;
        }
    }
    if !pair.is_lost {
        pair.deliver_all();
    }
    pair.check_end(Role::Client);
    pair.check_end(Role::Server);
    if !pair.is_lost && !pair.is_broken() {
        pair.check_agreement();
    }
}

/// Two ends, and the transport between them.
struct Pair {
    client: Line,
    server: Line,
    /// The transport is gone: nothing arrives any more.
    is_lost: bool,
}

/// An end, and the bytes on their way from it.
struct Line {
    end: Endpoint,
    /// How many bytes from this end the other one has received.
    delivered: usize,
    /// It sent bytes that no end may send.
    is_broken: bool,
    /// It timed out, and does nothing any more.
    is_gone: bool,
}

impl Line {
    fn new(role: Role, is_joined: bool) -> Self {
        let end = Endpoint::new(role, is_joined);
        Self { end, delivered: 0, is_broken: false, is_gone: false }
    }
}

impl Pair {
    fn new(client_joined: bool, server_joined: bool) -> Self {
        Self {
            client: Line::new(Role::Client, client_joined),
            server: Line::new(Role::Server, server_joined),
            is_lost: false,
        }
    }

    fn lines(&mut self, from: Role) -> (&mut Line, &mut Line) {
        match from {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        }
    }

    const fn is_broken(&self) -> bool {
        self.client.is_broken || self.server.is_broken
    }

    /// Runs a step. Its first byte selects the end and the action.
    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let first: u8 = u.arbitrary()?;
        let from = if first & 0x80 == 0 { Role::Client } else { Role::Server };
        let is_text = first & 0x40 != 0;
        let (line, _) = self.lines(from);
        let action = first % 16;
        if line.is_gone && action < 11 {
            return Ok(());
        }
        match action {
            0 => line.end.message(any_message(u, is_text)?),
            1 | 2 => line.end.fragment(any_message(u, is_text)?, false),
            3 => line.end.fragment(any_message(u, is_text)?, true),
            4 => line.end.control(true, any_bytes(u)?),
            5 => line.end.control(false, any_bytes(u)?),
            6 => line.end.close(any_close(u)?),
            7 | 8 => line.end.encode_pending(),
            9 => {
                line.is_broken = true;
                let bytes = any_bytes(u)?;
                line.end.wire.extend(bytes);
            }
            // A timeout: the end gives up the connection. Bytes that it sent may still arrive.
            10 if is_text => line.is_gone = true,
            10 => self.is_lost = true,
            _ => {
                let len = u.arbitrary::<u8>()?;
                self.deliver(from, usize::from(len));
            }
        }
        Ok(())
    }

    /// Carries at most `len` bytes. Returns whether there were any.
    fn deliver(&mut self, from: Role, len: usize) -> bool {
        let is_lost = self.is_lost;
        let (line, other) = self.lines(from);
        let end = line.end.wire.len().min(line.delivered + len);
        if is_lost || other.is_gone || end == line.delivered {
            return false;
        }
        other.end.receive(&line.end.wire[line.delivered..end]);
        line.delivered = end;
        true
    }

    fn deliver_all(&mut self) {
        loop {
            for role in [Role::Client, Role::Server] {
                let (line, _) = self.lines(role);
                if !line.is_gone {
                    line.end.encode_pending();
                }
            }
            let to_server = self.deliver(Role::Client, usize::MAX / 2);
            let to_client = self.deliver(Role::Server, usize::MAX / 2);
            if !to_server && !to_client {
                return;
            }
        }
    }

    /// Checks the bytes that one end sent, and the events that the other one read from them.
    fn check_end(&mut self, from: Role) {
        let (line, other) = self.lines(from);
        let sent = &line.end.wire;
        let arrived = reference::decode(peer(from), Limits::default(), &sent[..line.delivered]);
        assert_eq!(other.end.events, arrived.events, "from {from:?}");
        match other.end.failure {
            Some(error) => assert!(arrived.broken.contains(&error), "{error:?} {arrived:?}"),
            None => assert_eq!(arrived.broken, [], "from {from:?}"),
        }
        if line.is_broken {
            return;
        }
        // Masking (§5.1), one Close frame, and only Pongs after it (§5.5.1, §5.5.2).
        let headers = headers(sent);
        let is_close = |header: &FrameHeader| header.opcode == Opcode::Close;
        let closes = headers.iter().filter(|header| is_close(header)).count();
        assert_eq!(closes, usize::from(line.end.close.is_some()), "from {from:?}");
        for header in &headers {
            assert_eq!(header.mask.is_some(), from == Role::Client, "{header:?}");
        }
        for header in headers.iter().skip_while(|header| !is_close(header)).skip(1) {
            assert_eq!(header.opcode, Opcode::Pong, "after a Close frame");
        }
        // Everything that was accepted was sent in order, with Pongs in between.
        let said = reference::decode(peer(from), Limits::default(), sent).events;
        let mut rest = said.iter();
        for event in &line.end.accepted {
            assert!(rest.any(|said| said == event), "{event:?} is not in {said:?}");
        }
        let is_own = |event: &&Event| !matches!(event, Event::Pong(_) | Event::Close(_));
        let own = line.end.accepted.iter().filter(is_own).count();
        assert_eq!(said.iter().filter(is_own).count(), own, "more was sent than accepted");
    }

    /// Checks that both ends agree once everything has arrived: both have closed, or neither. Each
    /// has the other's Close frame, and so the code (§7.1.5). At least one of them closed first.
    fn check_agreement(&self) {
        let (client, server) = (&self.client, &self.server);
        if client.is_gone || server.is_gone {
            return;
        }
        assert_eq!(client.end.failure.or(server.end.failure), None);
        let sent_by = |end: &Endpoint| end.close.as_ref().map(|(frame, _)| frame.clone());
        assert_eq!(client.end.close_received().cloned(), sent_by(&server.end));
        assert_eq!(server.end.close_received().cloned(), sent_by(&client.end));
        match (&client.end.close, &server.end.close) {
            (None, None) => {}
            (Some((_, is_first)), Some((_, is_first_too))) => {
                assert!(is_first | is_first_too, "both answered, and neither closed first");
            }
            (client, server) => panic!("half closed: {client:?} {server:?}"),
        }
    }
}

fn any_message(u: &mut Unstructured<'_>, is_text: bool) -> Result<Message> {
    let data = any_bytes(u)?;
    Ok(if is_text {
        Message::Text(String::from_utf8_lossy(&data).into_owned())
    } else {
        Message::Binary(data)
    })
}

/// Returns a valid Close frame: without a body, or with a code that may be sent.
fn any_close(u: &mut Unstructured<'_>) -> Result<Option<CloseFrame>> {
    let number: u16 = match u.arbitrary::<u8>()? {
        0..64 => return Ok(None),
        short @ 64..192 => 1000 + u16::from(short - 64) % 16,
        _ => u.arbitrary()?,
    };
    let reason = String::from_utf8_lossy(&any_bytes(u)?).into_owned();
    Ok(CloseCode::new(number).and_then(|code| CloseFrame::new(code, reason).ok()))
}
