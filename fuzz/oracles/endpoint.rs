//! One end of a connection and, beside it, what the RFC lets it do: every call is held against
//! that, and every byte that goes out.

use tightwire::ProtocolError;
use tightwire::frame::{CloseCode, CloseFrame};
use tightwire::protocol::{
    Connection, Event, Inbound, Limits, Message, Outbound, PendingControl, Role, SendError, State,
};

use super::frames::{next_key, peer};
use super::reference;

/// The machines of an end.
#[derive(Debug)]
enum Machine {
    /// In one thread: what is owed is said at once.
    Joined(Connection),
    /// In two threads: what is owed waits for the one that sends.
    Apart { inbound: Inbound, outbound: Outbound, pending_control: PendingControl },
}

/// One end.
#[derive(Debug)]
pub struct Endpoint {
    role: Role,
    machine: Machine,
    /// All that it has put on the wire.
    pub wire: Vec<u8>,
    /// All that came out of what it received.
    pub events: Vec<Event>,
    pub failure: Option<ProtocolError>,
    /// What it was allowed to send, before its Close frame.
    pub accepted: Vec<Event>,
    /// Its Close frame, and whether it was the first to send one as far as it knew.
    pub close: Option<(Option<CloseFrame>, bool)>,
    /// The message in progress, as far as it was sent.
    fragments: Option<Message>,
    owed_pong: Option<Vec<u8>>,
    owed_close: Option<Option<CloseFrame>>,
}

impl Endpoint {
    pub fn new(role: Role, is_joined: bool) -> Self {
        let outbound = match role {
            Role::Client => Outbound::client(next_key),
            Role::Server => Outbound::server(),
        };
        let limits = Limits::default();
        let machine = if is_joined {
            Machine::Joined(Connection::new(outbound, limits))
        } else {
            Machine::Apart {
                inbound: Inbound::new(role, limits),
                outbound,
                pending_control: PendingControl::new(),
            }
        };
        Self {
            role,
            machine,
            wire: Vec::new(),
            events: Vec::new(),
            failure: None,
            accepted: Vec::new(),
            close: None,
            fragments: None,
            owed_pong: None,
            owed_close: None,
        }
    }

    /// Whether a Close frame arrived, after which nothing is heard (§7.1.4).
    pub fn close_received(&self) -> Option<&Option<CloseFrame>> {
        match self.events.last() {
            Some(Event::Close(frame)) => Some(frame),
            _ => None,
        }
    }

    /// Nothing but a Close frame or a failure ends what is said and heard (§5.5.1, §7.1.7).
    pub fn message(&mut self, message: Message) {
        let expected = match self.fragments {
            _ if self.close.is_some() => Err(SendError::Closed),
            Some(_) => Err(SendError::MessageInProgress),
            None => Ok(()),
        };
        self.attempt(expected, |outbound, out| outbound.encode_message((&message).into(), out));
        if expected.is_ok() {
            self.accepted.push(Event::Message(message));
        }
    }

    /// Fragments of one kind only, one message after the other (§5.4).
    pub fn fragment(&mut self, part: Message, fin: bool) {
        let is_text = self.fragments.as_ref().map(Message::is_text);
        let expected = match is_text {
            _ if self.close.is_some() => Err(SendError::Closed),
            Some(is_text) if is_text != part.is_text() => Err(SendError::MessageInProgress),
            _ => Ok(()),
        };
        self.attempt(expected, |outbound, out| match fin {
            true => outbound.encode_final_fragment((&part).into(), out),
            false => outbound.encode_fragment((&part).into(), out),
        });
        if expected.is_err() {
            return;
        }
        let joined = match (self.fragments.take(), part) {
            (Some(Message::Text(begun)), Message::Text(part)) => Message::Text(begun + &part),
            (Some(Message::Binary(begun)), Message::Binary(part)) => {
                Message::Binary([begun, part].concat())
            }
            (_, part) => part,
        };
        if fin {
            self.accepted.push(Event::Message(joined));
        } else {
            self.fragments = Some(joined);
        }
    }

    /// A Ping, or a Pong that answers nothing, of at most 125 bytes (§5.5).
    pub fn control(&mut self, is_ping: bool, data: Vec<u8>) {
        let expected = match data.len() {
            _ if self.close.is_some() => Err(SendError::Closed),
            len @ 126.. => Err(SendError::ControlTooLong { len }),
            _ => Ok(()),
        };
        self.attempt(expected, |outbound, out| match is_ping {
            true => outbound.encode_ping(&data, out),
            false => outbound.encode_pong(&data, out),
        });
        if expected.is_ok() {
            self.accepted.push(if is_ping { Event::Ping(data) } else { Event::Pong(data) });
        }
    }

    /// At most one Close frame (§5.5.1), and 1010 from clients only (§7.4.1).
    pub fn close(&mut self, frame: Option<CloseFrame>) {
        let code = frame.as_ref().map(CloseFrame::code);
        let expected = match code {
            Some(code @ CloseCode::MANDATORY_EXTENSION) if self.role == Role::Server => {
                Err(SendError::ForbiddenCloseCode(code))
            }
            _ if self.close.is_some() => Err(SendError::Closed),
            _ => Ok(()),
        };
        self.attempt(expected, |outbound, out| outbound.encode_close(frame.as_ref(), out));
        if expected.is_ok() {
            self.close = Some((frame, self.close_received().is_none()));
        }
        self.check_state();
    }

    /// What may be sent is; what may not leaves no trace on the wire.
    fn attempt(
        &mut self,
        expected: Result<(), SendError>,
        call: impl FnOnce(&mut Outbound, &mut Vec<u8>) -> Result<(), SendError>,
    ) {
        let outbound = match &mut self.machine {
            Machine::Joined(connection) => connection.outbound(),
            Machine::Apart { outbound, .. } => outbound,
        };
        let before = self.wire.len();
        assert_eq!(call(outbound, &mut self.wire), expected, "{:?}", self.role);
        assert_eq!(self.wire.len() > before, expected.is_ok(), "bytes go out with a frame only");
    }

    /// Takes bytes of the other end.
    pub fn receive(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        loop {
            let is_over = self.failure.is_some() || self.close_received().is_some();
            let before = self.wire.len();
            let outcome = match &mut self.machine {
                Machine::Joined(connection) => connection.next_event(&mut input, &mut self.wire),
                Machine::Apart { inbound, pending_control, .. } => {
                    let outcome = inbound.next_event(&mut input);
                    match &outcome {
                        Ok(Some(event)) => pending_control.record_event(event),
                        Ok(None) => {}
                        Err(error) => pending_control.record_failure(*error),
                    }
                    outcome
                }
            };
            assert!(!is_over || outcome == Ok(None), "after the end came {outcome:?}");
            self.note(&outcome);
            if let Machine::Joined(_) = self.machine {
                self.check_answer(before);
            } else {
                assert_eq!(self.wire.len(), before, "only who sends writes");
            }
            self.check_state();
            if let Ok(None) = outcome {
                assert_eq!(input, [], "more input was asked for while there was some");
                return;
            }
        }
    }

    fn note(&mut self, outcome: &Result<Option<Event>, ProtocolError>) {
        match outcome {
            Ok(None) => {}
            Ok(Some(event)) => {
                match event {
                    // The latest Ping is the one to be answered (§5.5.3).
                    Event::Ping(data) => self.owed_pong = Some(data.clone()),
                    // "It typically echos the status code it received" (§5.5.1).
                    Event::Close(frame) => {
                        let code = frame.as_ref().map(CloseFrame::code);
                        self.owed_close = Some(code.map(CloseFrame::from));
                    }
                    Event::Message(_) | Event::Pong(_) => {}
                }
                self.events.push(event.clone());
            }
            Err(error) => {
                self.failure = Some(*error);
                self.owed_close = Some(Some(CloseFrame::from(*error)));
            }
        }
    }

    /// Says what is owed.
    pub fn encode_pending(&mut self) {
        let before = self.wire.len();
        if let Machine::Apart { outbound, pending_control, .. } = &mut self.machine {
            assert_eq!(outbound.encode_pending(pending_control, &mut self.wire), Ok(()));
            assert!(pending_control.is_empty());
        }
        self.check_answer(before);
        self.check_state();
    }

    /// What goes out by itself is what is owed and nothing else: a Pong with the data of the
    /// Ping, unless nothing more may be said, and one Close frame, unless there was one.
    fn check_answer(&mut self, before: usize) {
        let mut expected = Vec::new();
        let is_over = self.close.is_some() && self.owed_close.is_some();
        if let Some(data) = self.owed_pong.take().filter(|_| !is_over) {
            expected.push(Event::Pong(data));
        }
        if let Some(frame) = self.owed_close.take().filter(|_| self.close.is_none()) {
            expected.push(Event::Close(frame.clone()));
            self.close = Some((frame, self.failure.is_some()));
        }
        let answer = reference::decode(peer(self.role), Limits::default(), &self.wire[before..]);
        assert_eq!((answer.events, answer.broken), (expected, vec![]), "{:?}", self.role);
    }

    /// OPEN, CLOSING and CLOSED as §7.1.3 and §7.1.4 define them.
    fn check_state(&self) {
        let Machine::Joined(connection) = &self.machine else { return };
        let expected = match (self.close.is_some(), self.close_received().is_some()) {
            _ if self.failure.is_some() => State::Closed,
            (true, true) => State::Closed,
            (false, false) => State::Open,
            _ => State::Closing,
        };
        assert_eq!(connection.state(), expected, "{:?}", self.role);
    }
}
