use super::{Event, Inbound, Limits, Message, Outbound, PendingControl, State};
use crate::error::ProtocolError;

/// Both directions of a connection, and what one makes us owe the other: all of WebSocket
/// after the opening handshake, without I/O.
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
/// assert_eq!(server.next_event(&mut input, &mut out)?, None, "all is eaten");
/// # Ok::<(), tightwire::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    /// What the peer sends.
    inbound: Inbound,
    /// What we send.
    outbound: Outbound,
    close_received: bool,
    failed: bool,
}

impl Connection {
    /// A connection just after the opening handshake, of the role that `outbound` has.
    #[must_use]
    pub const fn new(outbound: Outbound, limits: Limits) -> Self {
        let inbound = Inbound::new(outbound.role(), limits);
        Self { inbound, outbound, close_received: false, failed: false }
    }

    /// Eats from the front of `input` until an event is complete, and appends to `out` what it
    /// makes us answer: a Pong, or a Close.
    ///
    /// `None` means that `input` is used up. After a Close event or an error, write what is in
    /// `out`, then end TCP (§7.1.1).
    ///
    /// # Errors
    ///
    /// The rule that the peer broke. The Close frame that says so is in `out` already.
    pub fn next_event(
        &mut self,
        input: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event>, ProtocolError> {
        let outcome = self.inbound.next_event(input);
        // Most events call for no answer.
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
        // Without a masking key nothing can be answered. The next send reports it, or, where a
        // Close went unanswered, is refused.
        let _ = self.outbound.encode_pending(&mut pending_control, out);
    }

    /// Takes back the memory of a message, as [`Inbound::reuse`] does.
    pub fn reuse(&mut self, message: Message) {
        self.inbound.reuse(message);
    }

    /// The side that sends.
    pub const fn outbound(&mut self) -> &mut Outbound {
        &mut self.outbound
    }

    /// How far the connection is from its end.
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
