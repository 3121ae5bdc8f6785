use super::Event;
use crate::error::ProtocolError;
use crate::frame::CloseFrame;

/// The control frames that wait to be sent: at most one Pong, one Ping and one Close frame.
///
/// They stand between [`Inbound`](super::Inbound) and [`Outbound`](super::Outbound). The receiving
/// thread records an answer here without waiting for a thread that sends.
/// [`Outbound::encode_pending`](super::Outbound::encode_pending) turns them into bytes.
#[derive(Debug, Default)]
pub struct PendingControl {
    /// The application data of the latest Ping. Earlier Pings need no answer (§5.5.3), so a flood
    /// of them costs no memory.
    pub(super) pong: Option<Vec<u8>>,
    /// The application data of a Ping of ours.
    pub(super) ping: Option<Vec<u8>>,
    /// The Close frame to send, whose body may be empty.
    pub(super) close: Option<Option<CloseFrame>>,
}

impl PendingControl {
    /// Creates a value with no control frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { pong: None, ping: None, close: None }
    }

    /// Records the answer to an event: to a Ping, the Pong with the same data (RFC 6455 §5.5.3),
    /// and to a Close, the Close frame with the same code (RFC 6455 §5.5.1).
    pub fn record_event(&mut self, event: &Event) {
        match event {
            Event::Ping(data) => self.pong = Some(data.clone()),
            Event::Close(frame) => {
                let echo = frame.as_ref().map(|frame| CloseFrame::from(frame.code()));
                self.close = Some(echo);
            }
            Event::Message(_) | Event::Pong(_) => {}
        }
    }

    /// Records a Ping of ours (RFC 6455 §5.5.2). At most 125 bytes of data can be sent.
    pub fn record_ping(&mut self, data: &[u8]) {
        self.ping = Some(data.to_vec());
    }

    /// Records a Close frame of ours, unless one is pending already (RFC 6455 §7.1.2).
    pub fn record_close(&mut self, frame: CloseFrame) {
        self.close.get_or_insert(Some(frame));
    }

    /// Records the Close frame that reports a violation to the peer (RFC 6455 §7.1.7).
    pub fn record_failure(&mut self, error: ProtocolError) {
        self.close = Some(Some(error.into()));
    }

    /// Returns whether a Close frame is pending. Nothing is sent after it.
    pub(crate) const fn has_close(&self) -> bool {
        self.close.is_some()
    }

    /// Returns whether no control frame is pending.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pong.is_none() && self.ping.is_none() && self.close.is_none()
    }
}
