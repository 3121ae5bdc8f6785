//! The calls that receive, and their expected results: the messages that the codec finds in the
//! same bytes, and the end that fits them.

use std::io::{self, Read};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use tightwire::protocol::{Event, Inbound};
use tightwire::{
    CloseStatus, ClosedBy, Error, Message, MessageKind, MessageReader, Operation, ProtocolError,
    Receiver, Sender, WebSocket,
};

use super::sending::{Sending, any_close};
use super::wire::Wire;

/// More calls than any connection needs to end.
const MAX_RECEIVES: usize = 20_000;

/// A connection, whole or taken apart.
enum Ends {
    Whole(Box<WebSocket>),
    Half(Box<Receiver>),
}

/// The receiving half of a connection.
pub struct Receiving {
    ends: Ends,
    wire: Wire,
    /// Calls that write wait until the peer reads, so none returns `Timeout(Flush)`.
    waits: bool,
    given: Vec<Given>,
    pub outcome: Option<Outcome>,
    /// The program closed the connection, and the library discarded the messages after that.
    discards: bool,
}

/// A message that the program got, or the part of it that it read.
#[derive(Debug)]
enum Given {
    Whole(Message),
    Part { kind: MessageKind, data: Vec<u8>, is_whole: bool },
}

/// How receiving ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// With a Close frame of the peer.
    Closed,
    Failed(ProtocolError),
    /// The stream ended or broke.
    Lost,
    /// The peer did not close in time.
    GaveUp,
}

/// The result of the codec for all bytes in one call.
pub struct Expected {
    pub messages: Vec<Message>,
    pub pings: Vec<Vec<u8>>,
    /// The Close frame, which is the last event.
    pub close: Option<Option<tightwire::CloseFrame>>,
    pub failure: Option<ProtocolError>,
    /// The beginning of a message whose end has not arrived.
    partial: Option<(MessageKind, Vec<u8>)>,
}

impl Expected {
    pub fn new(mut inbound: Inbound, bytes: &[u8]) -> Self {
        let mut expected = Self {
            messages: Vec::new(),
            pings: Vec::new(),
            close: None,
            failure: None,
            partial: None,
        };
        let mut input = bytes;
        loop {
            match inbound.next_event(&mut input) {
                Ok(Some(Event::Message(message))) => expected.messages.push(message),
                Ok(Some(Event::Ping(data))) => expected.pings.push(data),
                Ok(Some(Event::Pong(_))) => {}
                Ok(Some(Event::Close(frame))) => expected.close = Some(frame),
                Ok(None) => break,
                Err(error) => expected.failure = Some(error),
            }
        }
        expected.partial = inbound.message_kind().map(|kind| {
            let mut data = Vec::new();
            inbound.take_partial(&mut data);
            (kind, data)
        });
        expected
    }
}

impl Receiving {
    /// If `splits`, the receiver is one without its sender.
    pub fn new(websocket: WebSocket, wire: Wire, waits: bool, splits: bool) -> (Self, Sender) {
        let (ends, sender) = if splits {
            let (sender, receiver) = websocket.split();
            (Ends::Half(Box::new(receiver)), sender)
        } else {
            let sender = websocket.sender();
            (Ends::Whole(Box::new(websocket)), sender)
        };
        let given = Vec::new();
        (Self { ends, wire, waits, given, outcome: None, discards: false }, sender)
    }

    /// Makes one call, which the low bits of `first` select.
    pub fn act(&mut self, first: u8, u: &mut Unstructured<'_>, to: &mut Sending) -> Result<()> {
        self.wire.rearm();
        match first % 8 {
            0 | 1 => self.receive(Some(Duration::ZERO)),
            2 | 3 => self.receive(None),
            4..7 => return self.read(u, to),
            // Rarely, because it is the end.
            _ if u.arbitrary::<u8>()? >= 0xE0 => return self.close(u, to),
            _ => {}
        }
        Ok(())
    }

    /// Receives to the end.
    pub fn finish(&mut self) {
        for _ in 0..MAX_RECEIVES {
            self.wire.rearm();
            self.receive(None);
            if self.outcome.is_some() {
                // It stays closed.
                return self.receive(None);
            }
        }
        panic!("the connection does not end");
    }

    fn receive(&mut self, timeout: Option<Duration>) {
        let received = match (&mut self.ends, timeout) {
            (Ends::Whole(ws), None) => ws.recv(),
            (Ends::Whole(ws), Some(timeout)) => ws.recv_timeout(timeout),
            (Ends::Half(receiver), None) => receiver.recv(),
            (Ends::Half(receiver), Some(timeout)) => receiver.recv_timeout(timeout),
        };
        if self.outcome.is_some() {
            assert!(matches!(received, Ok(None)), "after {:?} came {received:?}", self.outcome);
            return;
        }
        match received {
            Ok(Some(message)) => self.given.push(Given::Whole(message)),
            Ok(None) => self.outcome = Some(Outcome::Closed),
            Err(error) => self.note_error(&error, timeout.is_some()),
        }
    }

    fn note_error(&mut self, error: &Error, is_timed: bool) {
        self.outcome = Some(match error {
            Error::Timeout(Operation::Receive) if is_timed => return,
            Error::Timeout(Operation::Flush) => {
                assert!(!self.waits, "{error:?}, but there was time");
                assert!(matches!(self.ends, Ends::Whole(_)), "that is for the senders");
                return;
            }
            Error::Timeout(Operation::Close) => Outcome::GaveUp,
            Error::Protocol(error) => Outcome::Failed(*error),
            Error::Io(_) | Error::SlowPeer => Outcome::Lost,
            error => panic!("{error:?}"),
        });
    }

    /// Reads a message while it arrives, and sends between the reads.
    fn read(&mut self, u: &mut Unstructured<'_>, to: &mut Sending) -> Result<()> {
        let reader = match &mut self.ends {
            Ends::Whole(ws) => ws.recv_reader(),
            Ends::Half(receiver) => receiver.recv_reader(),
        };
        let (kind, data, is_whole, error) = match reader {
            Ok(Some(reader)) => {
                assert_eq!(self.outcome, None);
                read_some(reader, u, to, &self.wire)
            }
            Ok(None) => {
                self.outcome.get_or_insert(Outcome::Closed);
                return Ok(());
            }
            Err(error) => {
                assert_eq!(self.outcome, None);
                self.note_error(&error, false);
                return Ok(());
            }
        };
        self.given.push(Given::Part { kind, data, is_whole });
        if let Some(error) = error {
            self.note_io(&error);
        }
        Ok(())
    }

    /// An error of a reader, except that of its own timeout.
    fn note_io(&mut self, error: &io::Error) {
        match error.get_ref().and_then(|source| source.downcast_ref::<Error>()) {
            Some(error) => self.note_error(error, false),
            // The stream failed, or the peer closed inside the message.
            None => {
                let by_nobody = self.status().is_some_and(|s| s.closed_by() == ClosedBy::Nobody);
                self.outcome = Some(if by_nobody { Outcome::Lost } else { Outcome::Closed });
            }
        }
    }

    /// Closes and waits for the end.
    fn close(&mut self, u: &mut Unstructured<'_>, to: &mut Sending) -> Result<()> {
        let Ends::Whole(ws) = &mut self.ends else { return Ok(()) };
        let Some((code, reason)) = any_close(u)? else { return Ok(()) };
        if self.outcome.is_some() {
            assert!(matches!(ws.close_with(code, &reason), Ok(())), "it was closed");
            return Ok(());
        }
        let outcome = to.closes(code, &reason, || ws.close_with(code, &reason));
        if matches!(outcome, Err(Error::Send(_))) {
            return Ok(());
        }
        self.discards = true;
        self.outcome = Some(match outcome {
            Ok(()) => Outcome::Closed,
            Err(Error::Protocol(error)) => Outcome::Failed(error),
            Err(Error::Timeout(operation)) => {
                assert!(operation == Operation::Close || !self.waits, "{operation:?}");
                to.is_aborted = true;
                Outcome::GaveUp
            }
            Err(Error::Io(_) | Error::SlowPeer) => Outcome::Lost,
            Err(error) => panic!("{error:?}"),
        });
        Ok(())
    }

    pub fn status(&self) -> Option<&CloseStatus> {
        match &self.ends {
            Ends::Whole(ws) => ws.close_status(),
            Ends::Half(receiver) => receiver.close_status(),
        }
    }

    /// The program got what the codec found, in order, and all of it if it received to the end.
    pub fn check(&self, expected: &Expected, is_aborted: bool) {
        let mut messages = expected.messages.iter();
        let mut partial = expected.partial.as_ref();
        for given in &self.given {
            match (given, messages.next()) {
                (Given::Whole(message), expected) => assert_eq!(Some(message), expected),
                (Given::Part { kind, data, is_whole }, Some(message)) => {
                    assert_eq!(*kind == MessageKind::Text, message.is_text());
                    assert!(message.as_bytes().starts_with(data), "not a part of the message");
                    assert!(!is_whole || data.len() == message.len(), "not all of the message");
                }
                (Given::Part { kind, data, is_whole }, None) => {
                    assert!(!is_whole, "the message has no end");
                    if let Some((expected_kind, expected)) = partial.take() {
                        assert_eq!(kind, expected_kind);
                        assert!(expected.starts_with(data), "not a part of the message");
                    } else {
                        // A broken rule or a Close frame ended it. The codec kept none of it.
                        assert!(expected.failure.is_some() || expected.close.is_some());
                        check_text(*kind, data);
                    }
                }
            }
        }
        let Some(outcome) = self.outcome else { return };
        if !self.discards && !is_aborted {
            assert_eq!(messages.next(), None, "a message was not given out");
        }
        match outcome {
            Outcome::Closed => assert!(expected.close.is_some(), "no Close frame came"),
            Outcome::Failed(error) => assert_eq!(Some(error), expected.failure),
            Outcome::Lost | Outcome::GaveUp if self.discards || is_aborted => {}
            Outcome::Lost | Outcome::GaveUp => {
                assert_eq!((&expected.close, expected.failure), (&None, None), "{outcome:?}");
            }
        }
    }
}

/// Reads as the script says. A step reads, changes the timeout, makes a call that sends, or
/// stops.
fn read_some(
    mut reader: MessageReader<'_>,
    u: &mut Unstructured<'_>,
    to: &mut Sending,
    wire: &Wire,
) -> (MessageKind, Vec<u8>, bool, Option<io::Error>) {
    let (kind, mut data) = (reader.kind(), Vec::new());
    let mut is_timed = false;
    let mut buffer = vec![0; 20_000];
    while !u.is_empty() {
        let Ok(step) = u.arbitrary::<u8>() else { break };
        wire.rearm();
        let len = match step {
            0..0xA0 => usize::from(step),
            0xA0..0xB0 => buffer.len(),
            0xB0..0xC0 => {
                is_timed = step & 1 == 0;
                reader.set_timeout(is_timed.then_some(Duration::ZERO));
                continue;
            }
            0xC0..0xF0 if to.act(step, u).is_ok() => continue,
            _ => break,
        };
        match reader.read(&mut buffer[..len]) {
            Ok(0) if len > 0 => return (kind, data, true, None),
            Ok(count) => data.extend_from_slice(&buffer[..count]),
            Err(error) => {
                let source = error.get_ref().and_then(|source| source.downcast_ref::<Error>());
                match source {
                    Some(Error::Timeout(Operation::Receive)) if is_timed => {}
                    // The peer does not read. The next read continues.
                    Some(Error::Timeout(Operation::Flush)) => {}
                    _ => return (kind, data, false, Some(error)),
                }
            }
        }
    }
    (kind, data, false, None)
}

/// A part of a text is UTF-8, except for a cut character at its end.
fn check_text(kind: MessageKind, data: &[u8]) {
    if kind == MessageKind::Text {
        let fault = core::str::from_utf8(data).err();
        assert!(fault.is_none_or(|fault| fault.error_len().is_none()), "{data:?}");
    }
}
