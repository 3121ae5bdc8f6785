use super::Event;
use crate::error::ProtocolError;
use crate::frame::CloseFrame;

/// The control frames that wait to be sent: at most one Pong, one Ping and one Close frame.
///
/// It stands between [`Inbound`](super::Inbound) and [`Outbound`](super::Outbound): the receiving
/// thread records an answer here without waiting for a thread that sends.
/// [`Outbound::encode_pending`](super::Outbound::encode_pending) turns it into bytes.
#[derive(Debug, Default)]
pub struct PendingControl {
    /// The application data of the latest Ping: only that one need be answered (§5.5.3), so
    /// that a flood of them costs no memory.
    pub(super) pong: Option<Vec<u8>>,
    /// The application data of a Ping of ours.
    pub(super) ping: Option<Vec<u8>>,
    /// The Close frame to send, whose body may be empty.
    pub(super) close: Option<Option<CloseFrame>>,
}

impl PendingControl {
    /// No control frames.
    #[must_use]
    pub const fn new() -> Self {
        Self { pong: None, ping: None, close: None }
    }

    /// Records the answer to this event: the Pong to a Ping, with the same data (§5.5.3), and the
    /// Close frame to a Close, with the same code (§5.5.1).
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

    /// Records a Ping of ours (§5.5.2).
    pub fn record_ping(&mut self, data: &[u8]) {
        self.ping = Some(data.to_vec());
    }

    /// Records a Close frame of ours, unless one waits already (§7.1.2).
    pub fn record_close(&mut self, frame: CloseFrame) {
        self.close.get_or_insert(Some(frame));
    }

    /// Records the Close frame that tells the peer how it broke the protocol (§7.1.7).
    pub fn record_failure(&mut self, error: ProtocolError) {
        self.close = Some(Some(error.into()));
    }

    /// Whether a Close frame waits, after which nothing else is sent.
    pub(crate) const fn has_close(&self) -> bool {
        self.close.is_some()
    }

    /// Whether no control frame waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pong.is_none() && self.ping.is_none() && self.close.is_none()
    }
}
