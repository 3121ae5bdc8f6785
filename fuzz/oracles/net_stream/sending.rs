//! The calls that send, and their expected results: the peer receives each accepted message once,
//! complete and in order.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use tightwire::frame::{CloseCode, CloseFrame};
use tightwire::protocol::{Event, Inbound};
use tightwire::{
    Error, Hub, Member, Message, Operation, PreparedMessage, SendError, Sender, SlowPolicy, State,
};

use super::super::frames::any_bytes;
use super::heard::Heard;
use super::wire::Wire;
use super::writing::Writing;

/// After this many bytes, messages are short.
const MAX_TOTAL: usize = 200_000;

/// The sending half of a connection.
pub struct Sending {
    sender: Sender,
    wire: Wire,
    /// Calls wait until the peer reads, so none returns `Timeout`.
    waits: bool,
    hub: Hub,
    _member: Member,
    writing: Option<Writing>,
    /// The writer may have sent a fragment.
    may_have_begun: bool,
    /// Long messages go out in short fragments.
    is_cut: bool,
    /// Each message has a number.
    count: u32,
    /// The length of all messages.
    total: usize,
    /// Messages and Pings that the library accepted, in order.
    accepted: Vec<Event>,
    /// Messages that it accepted from the hub. Others may overtake them.
    broadcasts: Vec<Message>,
    /// The connection ended inside a message of a writer. Broadcasts may have waited for its end.
    is_interrupted: bool,
    /// The Close frame of the program.
    pub close: Option<CloseFrame>,
    /// The program, or its hub, ended the connection at once.
    pub is_aborted: bool,
    peer: Heard,
}

impl Sending {
    /// `peer` decodes what follows the `head_len` bytes of the opening handshake.
    pub fn new(
        sender: Sender,
        wire: Wire,
        waits: bool,
        is_cut: bool,
        policy: u8,
        peer: Inbound,
        head_len: usize,
    ) -> Self {
        let hub = Hub::new(match policy % 3 {
            0 => SlowPolicy::Disconnect,
            1 => SlowPolicy::Drop,
            _ => SlowPolicy::Wait(Duration::ZERO),
        });
        Self {
            _member: hub.join(sender.clone()),
            sender,
            wire,
            waits,
            is_cut,
            hub,
            writing: None,
            may_have_begun: false,
            count: 0,
            total: 0,
            accepted: Vec::new(),
            broadcasts: Vec::new(),
            is_interrupted: false,
            close: None,
            is_aborted: false,
            peer: Heard::new(peer, head_len),
        }
    }

    /// Makes one call, which the low bits of `first` select.
    pub fn act(&mut self, first: u8, u: &mut Unstructured<'_>) -> Result<()> {
        self.wire.rearm();
        let sender = match first & 0x40 {
            0 => self.sender.clone(),
            _ => self.sender.uncompressed(),
        };
        // A message would wait for the end of the one in progress, which this thread must end.
        let must_not_begin = self.waits && self.may_have_begun;
        let was_open = sender.state() == State::Open;
        match first % 16 {
            0..6 if must_not_begin => {}
            kind @ 0..6 => {
                let message = self.any_message(u, b's')?;
                let outcome = match kind {
                    0 | 1 => sender.send(&message),
                    2 | 3 => sender.feed(&message),
                    _ => sender.send_prepared(&PreparedMessage::new(&message)),
                };
                let is_fed = matches!(kind, 2 | 3);
                self.note(Event::Message(message), outcome, was_open, is_fed);
            }
            6 => {
                let data = any_bytes(u)?;
                let outcome = sender.ping(&data);
                if data.len() > 125 && was_open {
                    // The library may look for room first.
                    let is_refusal =
                        matches!(outcome, Err(Error::Send(_) | Error::Io(_) | Error::SlowPeer));
                    let has_no_room = matches!(outcome, Err(Error::Timeout(Operation::Queue)));
                    assert!(is_refusal || has_no_room, "{outcome:?}");
                } else {
                    self.note(Event::Ping(data), outcome, was_open, false);
                }
            }
            7 => self.flush(&sender),
            8 => {
                let message = self.any_message(u, b'b')?;
                self.broadcast(message, was_open);
            }
            9..13 => self.write(&sender, u)?,
            13 | 14 => self.close(&sender, u)?,
            // Rarely, because little happens after it.
            _ if u.arbitrary::<u8>()? >= 0xF0 => {
                sender.abort();
                self.is_aborted = true;
                assert_eq!(sender.state(), State::Closed);
            }
            _ => {}
        }
        self.listen();
        Ok(())
    }

    /// A message that begins with its tag and number, unless it is shorter than those. One for
    /// the hub is not.
    fn any_message(&mut self, u: &mut Unstructured<'_>, tag: u8) -> Result<Message> {
        let choice: u16 = u.arbitrary()?;
        let len = match choice & 0xFF {
            few @ 0..200 => usize::from(few),
            more @ 200..253 => usize::from(more) * 20,
            _ if self.total > MAX_TOTAL => 200,
            // Longer than the library's write buffer, but not in thousands of fragments.
            _ if self.is_cut => 8000,
            _ => 66_000,
        };
        self.count += 1;
        self.total += len;
        let len = if tag == b'b' { len + 9 } else { len };
        let mut text = format!("{}{:08}", char::from(tag), self.count);
        let filler = if choice & 0x100 == 0 { "a" } else { "aé€🦀" };
        text.push_str(&filler.repeat(len / filler.len()));
        let end = (0..=len).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
        let is_text = choice & 0x200 == 0;
        Ok(if is_text { Message::Text(text) } else { Message::Binary(text.into_bytes()) })
    }

    /// Notes the outcome for a message or Ping. `Ok` and `Timeout(Flush)` mean that the library
    /// accepted it; after `Io` the peer may have it or not.
    fn note(
        &mut self,
        event: Event,
        outcome: core::result::Result<(), Error>,
        was_open: bool,
        is_fed: bool,
    ) {
        let is_accepted = match &outcome {
            Ok(()) | Err(Error::Timeout(Operation::Flush) | Error::Io(_) | Error::SlowPeer) => true,
            Err(Error::Timeout(Operation::Queue)) => false,
            Err(Error::Send(SendError::Closed)) => {
                assert_ne!(self.sender.state(), State::Open, "an open connection is closed");
                false
            }
            Err(error) => panic!("{error:?} for {event:?}"),
        };
        if !was_open {
            let is_accepted = matches!(outcome, Ok(()) | Err(Error::Timeout(Operation::Flush)));
            assert!(!is_accepted, "accepted after the end: {event:?}");
        }
        self.check_cause(&outcome);
        if is_accepted {
            self.accepted.push(event);
        }
        if outcome.is_ok() && !is_fed {
            self.check_all_out();
        }
    }

    /// Some errors can come only from the stream.
    fn check_cause(&self, outcome: &core::result::Result<(), Error>) {
        match outcome {
            Err(Error::Timeout(_)) => assert!(!self.waits, "{outcome:?}, but there was time"),
            Err(Error::Io(_) | Error::SlowPeer) => {
                let is_broken = self.wire.state().broken.is_some();
                assert!(is_broken || self.is_aborted, "{outcome:?}, but no write failed");
            }
            _ => {}
        }
    }

    /// Checks that the peer has all that the library accepted.
    fn check_all_out(&mut self) {
        self.listen();
        // The library may continue with a broadcast that waited.
        let is_behind = self.peer.broadcasts < self.broadcasts.len();
        assert!(self.wire.state().took_all() || is_behind, "something waits after Ok");
        assert_eq!(self.peer.accepted, self.accepted.len(), "not all is out after Ok");
    }

    fn flush(&mut self, sender: &Sender) {
        let outcome = sender.flush();
        self.check_cause(&outcome);
        match outcome {
            Ok(()) => self.check_all_out(),
            Err(Error::Timeout(Operation::Flush) | Error::Io(_) | Error::SlowPeer) => {}
            Err(Error::Send(SendError::Closed)) => assert_ne!(sender.state(), State::Open),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn broadcast(&mut self, message: Message, was_open: bool) {
        let report = self.hub.broadcast(&message);
        match (report.delivered, report.dropped, report.disconnected) {
            (1, 0, 0) => {
                assert!(was_open, "a broadcast to a connection that is closed");
                self.broadcasts.push(message);
            }
            (0, 1, 0) => {}
            (0, 0, 1) => self.is_aborted = true,
            (0, 0, 0) => assert_ne!(self.sender.state(), State::Open),
            _ => panic!("{report:?}"),
        }
        if self.waits && self.wire.state().took_all() && !self.may_have_begun && was_open {
            assert_eq!(report.dropped + report.disconnected, 0, "nothing was in the way");
        }
    }

    /// Begins a message that is sent in pieces, continues it, or ends it.
    fn write(&mut self, sender: &Sender, u: &mut Unstructured<'_>) -> Result<()> {
        let was_open = sender.state() == State::Open;
        let choice: u8 = u.arbitrary()?;
        let Some(mut writing) = self.writing.take() else {
            self.writing = Some(Writing::new(sender, choice & 1 == 0));
            return Ok(());
        };
        match choice % 8 {
            0..4 => {
                let part = self.any_message(u, b's')?;
                match writing.writer.write(part.as_bytes()) {
                    Ok(count) if !writing.push(&part, count) => {
                        self.drop_writer(writing);
                        return Ok(());
                    }
                    Ok(_) => {}
                    Err(error) => self.check_io(&error),
                }
                self.may_have_begun |= writing.message.len() > 32_000;
            }
            4 | 5 => match writing.writer.flush() {
                Ok(()) => {
                    writing.has_begun |= writing.is_unflushed;
                    writing.is_unflushed = false;
                    self.may_have_begun |= writing.has_begun;
                }
                Err(error) => self.check_io(&error),
            },
            6 => {
                let outcome = writing.writer.finish();
                if !matches!(outcome, Ok(()) | Err(Error::Timeout(Operation::Flush))) {
                    self.note_close_by_writer(was_open, writing.has_begun);
                }
                self.may_have_begun = false;
                self.note(Event::Message(writing.message), outcome, was_open, false);
                return Ok(());
            }
            _ => {
                self.drop_writer(writing);
                return Ok(());
            }
        }
        self.writing = Some(writing);
        Ok(())
    }

    /// A writer refused bytes, or could not send a fragment.
    fn check_io(&self, error: &std::io::Error) {
        match error.kind() {
            ErrorKind::TimedOut => assert!(!self.waits, "{error:?}, but there was time"),
            _ => assert_ne!(self.sender.state(), State::Open, "{error:?}"),
        }
    }

    fn drop_writer(&mut self, writing: Writing) {
        let was_open = self.sender.state() == State::Open;
        drop(writing.writer);
        self.note_close_by_writer(was_open, writing.has_begun);
        self.may_have_begun = false;
    }

    /// A writer that is dropped unfinished must close the connection if it sent a fragment.
    fn note_close_by_writer(&mut self, was_open: bool, has_begun: bool) {
        let is_open = self.sender.state() == State::Open;
        assert!(!is_open || !has_begun, "the peer may take a part of a message for the whole");
        self.is_interrupted |= !was_open && self.may_have_begun;
        if was_open && !is_open {
            self.close.get_or_insert_with(|| CloseCode::INTERNAL_ERROR.into());
        }
    }

    fn close(&mut self, sender: &Sender, u: &mut Unstructured<'_>) -> Result<()> {
        let Some((code, reason)) = any_close(u)? else { return Ok(()) };
        let outcome = sender.close_with(code, &reason);
        self.record_close(code, &reason, &outcome);
        Ok(())
    }

    /// Notes the outcome of an attempt to close.
    fn record_close(
        &mut self,
        code: CloseCode,
        reason: &str,
        outcome: &core::result::Result<(), Error>,
    ) {
        self.check_cause(outcome);
        match outcome {
            Ok(()) | Err(Error::Timeout(Operation::Flush) | Error::Io(_) | Error::SlowPeer) => {
                assert_eq!(self.close, None, "closed twice");
                self.close = CloseFrame::new(code, reason).ok();
                assert!(self.close.is_some(), "the reason is too long");
                assert_ne!(self.sender.state(), State::Open);
            }
            Err(Error::Send(SendError::Closed)) => assert_ne!(self.sender.state(), State::Open),
            Err(Error::Send(SendError::ReasonTooLong(_))) => assert!(reason.len() > 123),
            Err(Error::Send(SendError::ForbiddenCloseCode(code))) => assert_eq!(code.get(), 1010),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Runs `close`, which closes the connection and waits for its end.
    pub fn closes(
        &mut self,
        code: CloseCode,
        reason: &str,
        close: impl FnOnce() -> core::result::Result<(), Error>,
    ) -> core::result::Result<(), Error> {
        let was_open = self.sender.state() == State::Open;
        let outcome = close();
        if let Err(Error::Send(_)) = outcome {
            self.record_close(code, reason, &outcome);
        } else if was_open {
            self.close = CloseFrame::new(code, reason).ok();
            assert!(self.close.is_some(), "the reason is too long");
        }
        self.listen();
        outcome
    }

    /// Ends a message that is still in progress.
    pub fn end(&mut self) {
        self.wire.rearm();
        if let Some(writing) = self.writing.take() {
            self.drop_writer(writing);
        }
        self.listen();
    }

    /// Has the peer decode the bytes that are new.
    pub fn listen(&mut self) {
        self.peer.listen(&self.wire.state().written, &self.accepted, &self.broadcasts);
    }

    /// Returns the Close frame that the peer received.
    pub const fn close_heard(&self) -> Option<&Option<CloseFrame>> {
        self.peer.close.as_ref()
    }

    /// Checks that the peer has all that the library accepted. A Close frame ends the broadcasts.
    pub fn check_complete(&self) {
        assert_eq!(self.peer.accepted, self.accepted.len(), "a message was lost");
        if self.peer.close.is_none() && !self.is_interrupted {
            assert_eq!(self.peer.broadcasts, self.broadcasts.len(), "a broadcast was lost");
        }
    }
}

/// A code that may be sent, and a reason, which may be too long.
pub fn any_close(u: &mut Unstructured<'_>) -> Result<Option<(CloseCode, String)>> {
    let number = 1000 + u16::from(u.arbitrary::<u8>()?) % 16;
    let reason = String::from_utf8_lossy(&any_bytes(u)?).into_owned();
    Ok(CloseCode::new(number).map(|code| (code, reason)))
}
