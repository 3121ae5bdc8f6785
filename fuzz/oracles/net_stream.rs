//! The layer with the sockets, over a stream in memory that cuts, delays, interrupts, overstates
//! and ends the bytes that it carries. The program must receive the messages that the codec finds
//! in the same bytes in one call. The peer must receive the messages that the library accepted.
//! Both hold as far as the stream carried the bytes.

mod heard;
mod receiving;
mod sending;
pub(super) mod wire;
mod writing;

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use tightwire::frame::{CloseCode, CloseFrame, FrameHeader, Opcode};
use tightwire::protocol::{Inbound, Limits, Outbound, Role};
use tightwire::{Acceptor, Client, ClosedBy, Error, Message, Timeouts, WebSocket};

use self::receiving::{Expected, Outcome, Receiving};
use self::sending::Sending;
use self::wire::{End, Wire};
use super::compression::Compression;
use super::edits::REQUEST;
use super::frames::{any_bytes, any_wire, next_key, peer, seed_keys};

/// The longest script of calls that is run.
const MAX_CALLS: usize = 100;

/// Input: the options, the scripts of the reads, writes and calls, and the bytes of the peer.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    if let Ok((plan, calls)) = Plan::any(&mut u) {
        plan.run(calls);
    }
}

/// How a connection is opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Opening {
    /// The library makes the opening handshake. The peer sends at once after its part.
    Handshake,
    /// The library takes the stream over, with this many bytes that were read ahead.
    TakenOver(usize),
}

struct Plan {
    role: Role,
    opening: Opening,
    splits: bool,
    /// The receiver is dropped before the connection has ended.
    leaves: bool,
    policy: u8,
    /// `Timeouts::write` is long: a write waits until the peer reads. Otherwise it is zero.
    waits: bool,
    /// The same for `Timeouts::close` and `linger`.
    is_patient: bool,
    fragment_len: usize,
    limits: Limits,
    compression: Compression,
    wire: Wire,
}

impl Plan {
    fn any<'a>(u: &mut Unstructured<'a>) -> Result<(Self, &'a [u8])> {
        let [options, more, end, ahead] = u.arbitrary()?;
        let has = |bit: u8| options & 1 << bit != 0;
        seed_keys(u.arbitrary()?);
        let role = if has(0) { Role::Server } else { Role::Client };
        let opening = match has(1) {
            false => Opening::TakenOver(usize::from(ahead)),
            true => Opening::Handshake,
        };
        // The opening handshake of this target has no extensions.
        let compression = match opening {
            Opening::TakenOver(_) => Compression::any(u)?,
            Opening::Handshake => Compression::default(),
        };
        // A message that is read in pieces has no limit for its frames, so the others have none.
        let mut limits = Limits::default().max_frame_len(u64::MAX);
        if has(2) {
            limits = limits.max_message_len(300).max_stream_len(300);
        }
        let (reads, writes) = (any_bytes(u)?, any_bytes(u)?);
        let calls_len = usize::from(u.arbitrary::<u8>()?) * 4;
        let calls = u.bytes(calls_len.min(u.len()))?;
        let wire = Wire::new(
            any_incoming(role, &compression, u)?,
            VecDeque::from(reads),
            VecDeque::from(writes),
            match end {
                0..0x80 => End::Eof,
                0x80..0xC0 => End::Error(ErrorKind::ConnectionReset),
                0xC0..0xE0 => End::Error(ErrorKind::UnexpectedEof),
                0xE0.. => End::Error(ErrorKind::Other),
            },
        );
        let plan = Self {
            role,
            opening,
            splits: has(3),
            leaves: has(4),
            policy: more & 0x0F,
            waits: has(5),
            is_patient: has(6),
            fragment_len: [1 << 20, 5000, 500, 50][usize::from(more >> 6)],
            limits,
            compression,
            wire,
        };
        Ok((plan, calls))
    }

    fn run(&self, calls: &[u8]) {
        let Some((websocket, heads)) = self.open() else { return };
        let (mut receiving, sender) =
            Receiving::new(websocket, self.wire.clone(), self.waits, self.splits);
        let limits = Limits::new().max_message_len(usize::MAX);
        let inbound = Inbound::new(peer(self.role), limits);
        let inbound = self.compression.inbound(inbound, self.role);
        let (wire, is_cut) = (self.wire.clone(), self.fragment_len < 5000);
        let mut sending =
            Sending::new(sender, wire, self.waits, is_cut, self.policy, inbound, heads.written);

        let mut u = Unstructured::new(calls);
        for _ in 0..MAX_CALLS {
            if u.is_empty() {
                break;
            }
            let done = match u.arbitrary() {
                Ok(first @ 0..0x80) => receiving.act(first, &mut u, &mut sending),
                Ok(first) => sending.act(first, &mut u),
                Err(error) => Err(error),
            };
            sending.listen();
            if done.is_err() {
                break;
            }
        }
        sending.end();
        if !self.leaves {
            receiving.finish();
        }
        sending.listen();
        self.check_end(&receiving, &sending, &heads);
    }

    /// Opens the connection. That fails only if the stream does.
    fn open(&self) -> Option<(WebSocket, Heads)> {
        let (no_time, enough) = (Duration::ZERO, Duration::from_secs(8));
        let closing = if self.is_patient { enough } else { no_time };
        let timeouts = Timeouts::new()
            .handshake(enough)
            .write(if self.waits { enough } else { no_time })
            .close(closing)
            .linger(closing)
            .ping(None);
        self.wire.state().is_patient = self.is_patient;
        let client = Client::new().limits(self.limits).timeouts(timeouts);
        let client = self.compression.client(client.fragment_len(self.fragment_len));
        let acceptor = Acceptor::new().limits(self.limits).timeouts(timeouts);
        let acceptor = self.compression.acceptor(acceptor.fragment_len(self.fragment_len));

        let wire = self.wire.clone();
        let negotiated = self.compression.negotiated();
        let opened = match (self.role, self.opening) {
            (Role::Client, Opening::Handshake) => {
                wire.state().answers = true;
                client.connect_stream("ws://localhost/", wire)
            }
            (Role::Server, Opening::Handshake) => {
                let request = REQUEST.map(|line| format!("{line}\r\n")).concat() + "\r\n";
                wire.state().incoming.splice(0..0, request.into_bytes());
                acceptor.accept(wire).map(|(websocket, _)| websocket)
            }
            (role, Opening::TakenOver(len)) => {
                let mut state = wire.state();
                let len = len.min(state.incoming.len());
                state.read = len;
                let read_ahead = state.incoming[..len].to_vec();
                drop(state);
                match role {
                    Role::Client => client.from_upgraded(wire, negotiated, read_ahead),
                    Role::Server => acceptor.from_upgraded(wire, negotiated, read_ahead),
                }
            }
        };
        let state = self.wire.state();
        match opened {
            Ok(websocket) if self.opening == Opening::Handshake => {
                let heads = Heads {
                    read: head_len(&state.incoming).expect("it was read"),
                    written: head_len(&state.written).expect("it was written"),
                };
                Some((websocket, heads))
            }
            Ok(websocket) => Some((websocket, Heads { read: 0, written: 0 })),
            Err(Error::Io(error)) => {
                assert!(state.has_ended || state.broken.is_some(), "{error:?}");
                None
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    fn check_end(&self, receiving: &Receiving, sending: &Sending, heads: &Heads) {
        let state = self.wire.state();
        let inbound = Inbound::new(self.role, self.limits);
        let inbound = self.compression.inbound(inbound, peer(self.role));
        let expected = Expected::new(inbound, &state.incoming[heads.read..state.read]);
        receiving.check(&expected, sending.is_aborted);
        let written = &state.written[heads.written..];
        let (last_pong, is_whole) = self.check_frames(written, &expected.pings);

        // Whether only the library can be the reason if something was not sent.
        let could = state.broken.is_none() && !sending.is_aborted && self.is_patient;
        let Some(outcome) = receiving.outcome else { return };
        assert!(outcome != Outcome::GaveUp || !could, "there was time");
        self.check_close(outcome, receiving, sending, &expected, could);
        if !could {
            return;
        }
        assert!(state.took_all() && is_whole, "some bytes were not sent");
        // Bytes that nobody reads would make TCP reset the connection, and destroy our last frames.
        assert!(state.has_ended, "the stream was not read to its end");
        sending.check_complete();
        // After both Close frames no Pong may follow.
        let is_over = sending.close.is_some() && outcome != Outcome::Lost;
        if let (Some(ping), false) = (expected.pings.last(), is_over) {
            assert_eq!(last_pong.as_ref(), Some(ping), "the latest Ping was not answered");
        }
    }

    /// The Close frame that the library sent, and the status that the program sees, fit the
    /// outcome.
    fn check_close(
        &self,
        outcome: Outcome,
        receiving: &Receiving,
        sending: &Sending,
        expected: &Expected,
        could: bool,
    ) {
        let status = receiving.status().expect("it has ended");
        let answer = match (&sending.close, outcome) {
            (Some(frame), _) => Some(Some(frame.clone())),
            (None, Outcome::Failed(error)) => Some(Some(CloseFrame::from(error))),
            (None, Outcome::Closed) => {
                let close = expected.close.as_ref().and_then(Option::as_ref);
                Some(close.map(|frame| frame.code().into()))
            }
            (None, Outcome::Lost | Outcome::GaveUp) => None,
        };
        let heard = sending.close_heard();
        let by_hub = Some(CloseFrame::from(CloseCode::POLICY_VIOLATION));
        if heard.is_some() && !(sending.is_aborted && heard == Some(&by_hub)) || could {
            assert_eq!(heard, answer.as_ref(), "the Close frame");
        }
        if outcome != Outcome::Closed {
            let is_abnormal = (status.code(), status.closed_by()) == (1006, ClosedBy::Nobody);
            assert!(is_abnormal && !status.was_clean(), "{status:?}");
            return;
        }
        let close = expected.close.as_ref().expect("it came");
        assert_eq!(status.code(), close.as_ref().map_or(1005, |frame| frame.code().get()));
        assert_eq!(status.reason(), close.as_ref().map_or("", CloseFrame::reason));
        assert_ne!(status.closed_by(), ClosedBy::Nobody);
        if could {
            assert!(status.was_clean(), "{status:?}");
            assert_eq!(status.closed_by() == ClosedBy::Us, sending.close.is_some());
        }
        assert!(!status.was_clean() || heard.is_some(), "clean without a Close frame of ours");
    }

    /// Checks what messages do not show: masks, only Pongs after a Close frame, and for each Pong
    /// a Ping, in order. Returns the data of the last Pong, and whether the last frame is whole.
    fn check_frames(&self, written: &[u8], pings: &[Vec<u8>]) -> (Option<Vec<u8>>, bool) {
        let mut rest = written;
        let mut has_closed = false;
        let mut last_pong = None;
        let mut pings = pings.iter();
        while let Ok(Some((header, len))) = FrameHeader::decode(rest) {
            assert_eq!(header.mask.is_some(), self.role == Role::Client, "{header:?}");
            let is_pong = header.opcode == Opcode::Pong;
            assert!(!has_closed || is_pong, "after a Close frame: {header:?}");
            has_closed |= header.opcode == Opcode::Close;
            let end = len + usize::try_from(header.payload_len).expect("it was sent");
            let Some(behind) = rest.get(end..) else { break };
            if is_pong {
                let mut data = rest[len..end].to_vec();
                if let Some(key) = header.mask {
                    key.apply(&mut data, 0);
                }
                assert!(pings.any(|ping| *ping == data), "a Pong for no Ping: {data:?}");
                last_pong = Some(data);
            }
            rest = behind;
        }
        (last_pong, rest.is_empty())
    }
}

/// The lengths of the heads of the opening handshake.
struct Heads {
    read: usize,
    written: usize,
}

fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|start| start + 4)
}

/// Returns the bytes of the peer: first valid frames, then any bytes of the input.
fn any_incoming(
    role: Role,
    compression: &Compression,
    u: &mut Unstructured<'_>,
) -> Result<Vec<u8>> {
    let sender = peer(role);
    let outbound = match sender {
        Role::Client => Outbound::client(next_key),
        Role::Server => Outbound::server(),
    };
    let mut outbound = compression.outbound(outbound, sender);
    let mut incoming = Vec::new();
    let mut is_text = None;
    for _ in 0..u.arbitrary::<u8>().unwrap_or(0) % 16 {
        if u.is_empty() {
            break;
        }
        let first: u8 = u.arbitrary()?;
        let data = any_bytes(u)?;
        let as_text = is_text.unwrap_or(first & 0x80 != 0);
        let part = match as_text {
            true => Message::Text(String::from_utf8_lossy(&data).into_owned()),
            false => Message::Binary(data.repeat(usize::from(first & 0x7F) + 1)),
        };
        let fin = first % 4 == 3;
        let sent = match first % 8 {
            0 | 1 if is_text.is_none() => outbound.encode_message((&part).into(), &mut incoming),
            4 => outbound.encode_ping(&data[..data.len().min(125)], &mut incoming),
            5 => outbound.encode_pong(&data[..data.len().min(125)], &mut incoming),
            6 if first > 0xF0 => outbound.encode_close(None, &mut incoming),
            _ if fin => {
                is_text = None;
                outbound.encode_final_fragment((&part).into(), &mut incoming)
            }
            _ => {
                is_text = Some(as_text);
                outbound.encode_fragment((&part).into(), &mut incoming)
            }
        };
        if sent.is_err() {
            break;
        }
    }
    incoming.extend(any_wire(sender, u));
    Ok(incoming)
}
