//! One end of a connection, and a model of the actions that the RFC allows it. Every call, and
//! every byte that is sent, is compared with the model.

use tightwire::ProtocolError;
use tightwire::frame::{CloseCode, CloseFrame};
use tightwire::protocol::{
    Connection, Event, Inbound, Limits, Message, Outbound, PendingControl, Role, SendError, State,
};

use super::frames::{next_key, peer};
use super::reference;

/// The protocol machines of an end.
#[derive(Debug)]
enum Machine {
    /// In one thread: pending control frames are encoded at once.
    Joined(Connection),
    /// In two threads: pending control frames wait for the one that sends.
    Apart { inbound: Inbound, outbound: Outbound, pending_control: PendingControl },
}

/// One end.
#[derive(Debug)]
pub struct Endpoint {
    role: Role,
    machine: Machine,
    /// All bytes that it has sent.
    pub wire: Vec<u8>,
    /// All events from the bytes that it received.
    pub events: Vec<Event>,
    pub failure: Option<ProtocolError>,
    /// The events that it was allowed to send before its Close frame.
    pub accepted: Vec<Event>,
    /// Its Close frame, and whether it had received none before that.
    pub close: Option<(Option<CloseFrame>, bool)>,
    /// The part of the message in progress that was sent.
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

    /// Returns the Close frame that arrived, if any. No event follows it (§7.1.4).
    pub fn close_received(&self) -> Option<&Option<CloseFrame>> {
        match self.events.last() {
            Some(Event::Close(frame)) => Some(frame),
            _ => None,
        }
    }

    /// Sends a message. It must be accepted until a Close frame was sent (§5.5.1), except inside
    /// another message.
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

    /// Sends a fragment. All fragments of a message must have the same kind (§5.4).
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

    /// Sends a Ping, or an unsolicited Pong, of at most 125 bytes (§5.5).
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

    /// Sends a Close frame: at most one (§5.5.1), and with code 1010 only from clients (§7.4.1).
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

    /// Makes a call that sends. A frame that may be sent must be, and one that may not be must
    /// leave no bytes.
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

    /// Receives bytes of the other end.
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
                assert_eq!(self.wire.len(), before, "receiving writes nothing");
            }
            self.check_state();
            if let Ok(None) = outcome {
                assert_eq!(input, [], "the library wants more input although some is left");
                return;
            }
        }
    }

    fn note(&mut self, outcome: &Result<Option<Event>, ProtocolError>) {
        match outcome {
            Ok(None) => {}
            Ok(Some(event)) => {
                match event {
                    // Only the latest Ping needs an answer (§5.5.3).
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

    /// Encodes pending control frames.
    pub fn encode_pending(&mut self) {
        let before = self.wire.len();
        if let Machine::Apart { outbound, pending_control, .. } = &mut self.machine {
            assert_eq!(outbound.encode_pending(pending_control, &mut self.wire), Ok(()));
            assert!(pending_control.is_empty());
        }
        self.check_answer(before);
        self.check_state();
    }

    /// Checks the frames that were sent without a call of the program: a Pong with the data of the
    /// Ping, unless the connection is closed, and a Close frame, unless one was sent before.
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

    /// Checks the states OPEN, CLOSING and CLOSED as §7.1.3 and §7.1.4 define them.
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
