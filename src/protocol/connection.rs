//! Both halves of a connection in one value, for programs that drive it from one thread.

use super::{Event, Inbound, Limits, Message, Outbound, PendingControl, State};
use crate::error::ProtocolError;

/// A connection after the opening handshake, without I/O. It combines both directions, and answers
/// Pings and the closing handshake by itself.
///
/// ```
/// use tightwire::protocol::{Connection, Event, Limits, Message, Outbound};
///
/// let mut server = Connection::new(Outbound::server(), Limits::default());
/// // What a client sent: "Hello", masked, then a Ping.
/// let mut input: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x89\x80\0\0\0\0";
/// let mut out = Vec::new();
/// let event = server.next_event(&mut input, &mut out)?;
/// assert_eq!(event, Some(Event::Message(Message::from("Hello"))));
/// assert_eq!(server.next_event(&mut input, &mut out)?, Some(Event::Ping(vec![])));
/// assert_eq!(out, [0x8A, 0x00], "the Pong that answers it");
/// assert_eq!(server.next_event(&mut input, &mut out)?, None, "all input is consumed");
/// # Ok::<(), tightwire::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    inbound: Inbound,
    outbound: Outbound,
    close_received: bool,
    failed: bool,
}

impl Connection {
    /// Creates a connection just after the opening handshake, in the role of `outbound`.
    #[must_use]
    pub const fn new(outbound: Outbound, limits: Limits) -> Self {
        let inbound = Inbound::new(outbound.role(), limits);
        Self { inbound, outbound, close_received: false, failed: false }
    }

    /// Consumes bytes from the front of `input` until an event is complete, and appends the answer
    /// to it to `out`: a Pong or a Close.
    ///
    /// `None` means that all of `input` is consumed. After a Close event or an error, write the
    /// bytes in `out`, then close TCP (RFC 6455 §7.1.1).
    ///
    /// # Errors
    ///
    /// The rule that the peer broke. The Close frame that reports it is in `out` already.
    pub fn next_event(
        &mut self,
        input: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event>, ProtocolError> {
        let outcome = self.inbound.next_event(input);
        // Most events are messages, which need no answer.
        if !matches!(outcome, Ok(None | Some(Event::Message(_)))) {
            self.answer(&outcome, out);
        }
        outcome
    }

    #[cold]
    fn answer(&mut self, outcome: &Result<Option<Event>, ProtocolError>, out: &mut Vec<u8>) {
        let mut pending_control = PendingControl::new();
        match outcome {
            Ok(Some(event)) => {
                self.close_received |= matches!(event, Event::Close(_));
                pending_control.record_event(event);
            }
            Ok(None) => {}
            Err(error) => {
                self.failed = true;
                pending_control.record_failure(*error);
            }
        }
        // Without a masking key no answer can be encoded. The next send reports that error, or
        // fails with `Closed` if the answer was a Close frame.
        let _ = self.outbound.encode_pending(&mut pending_control, out);
    }

    /// Keeps the memory of a message for a later one, like [`Inbound::reuse`].
    pub fn reuse(&mut self, message: Message) {
        self.inbound.reuse(message);
    }

    /// Returns the sending half.
    pub const fn outbound(&mut self) -> &mut Outbound {
        &mut self.outbound
    }

    /// Returns the state of the connection.
    #[must_use]
    pub const fn state(&self) -> State {
        match (self.outbound.close_sent(), self.close_received) {
            _ if self.failed => State::Closed,
            (false, false) => State::Open,
            (true, true) => State::Closed,
            _ => State::Closing,
        }
    }
}
