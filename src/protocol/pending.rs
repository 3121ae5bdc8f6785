use super::Event;
use crate::error::ProtocolError;
use crate::frame::CloseFrame;

/// What receiving has made us owe the peer: at most one Pong, one Ping and one Close frame.
///
/// It stands between [`Inbound`](super::Inbound) and [`Outbound`](super::Outbound) so that who
/// reads can note a duty without waiting for who writes.
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
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { pong: None, ping: None, close: None }
    }

    /// Notes what this event makes us owe: to a Ping the Pong with the same data (§5.5.3), to
    /// a Close a Close with the same code (§5.5.1).
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

    /// Notes a Ping: what a peer that is silent for long is owed (§5.5.2).
    pub fn record_ping(&mut self, data: &[u8]) {
        self.ping = Some(data.to_vec());
    }

    /// Notes a Close frame of our own, unless another one is owed (§7.1.2).
    pub fn record_close(&mut self, frame: CloseFrame) {
        self.close.get_or_insert(Some(frame));
    }

    /// Notes the Close frame that tells the peer how it broke the protocol (§7.1.7).
    pub fn record_failure(&mut self, error: ProtocolError) {
        self.close = Some(Some(error.into()));
    }

    /// Whether a Close frame is owed: the last thing to be said.
    pub(crate) const fn has_close(&self) -> bool {
        self.close.is_some()
    }

    /// Whether there is nothing to be said.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pong.is_none() && self.ping.is_none() && self.close.is_none()
    }
}
