use crate::frame::{CloseCode, CloseFrame};

/// How a connection ended (§7.1.4 to §7.1.6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CloseStatus {
    code: u16,
    reason: String,
    closed_by: ClosedBy,
    clean: bool,
}

/// Which end closed a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ClosedBy {
    /// Our Close frame was the first.
    Us,
    /// The peer's Close frame was the first.
    Peer,
    /// The peer sent no Close frame: the connection failed or was lost.
    Nobody,
}

impl CloseStatus {
    /// Returns _The WebSocket Connection Close Code_ (§7.1.5): the code of the peer's Close frame,
    /// 1005 if that frame had no code, or 1006 if there was no Close frame.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// Returns the code of the peer's Close frame. `None` if the peer sent no Close frame, or one
    /// without a code.
    #[must_use]
    pub const fn close_code(&self) -> Option<CloseCode> {
        CloseCode::new(self.code)
    }

    /// Returns whether it may help to connect again, after a pause and with backoff (§7.2.3).
    ///
    /// This is so if the peer is going away, restarts, is overloaded or has a fault (1001, 1011 to
    /// 1014), or if the connection was lost (1006). Codes of your own protocol, 3000 and above,
    /// count as final.
    #[must_use]
    pub const fn may_retry(&self) -> bool {
        matches!(self.code, 1001 | 1006 | 1011..=1014)
    }

    /// Returns _The WebSocket Connection Close Reason_ (§7.1.6): the reason in the peer's Close
    /// frame, or an empty string.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns which end closed the connection.
    #[must_use]
    pub const fn closed_by(&self) -> ClosedBy {
        self.closed_by
    }

    /// Returns whether the closing handshake was completed (§7.1.4).
    #[must_use]
    pub const fn was_clean(&self) -> bool {
        self.clean
    }

    pub(super) fn received(frame: Option<CloseFrame>, closed_by: ClosedBy, clean: bool) -> Self {
        let (code, reason) = match frame {
            Some(frame) => (frame.code().get(), frame.reason().to_owned()),
            None => (1005, String::new()),
        };
        Self { code, reason, closed_by, clean }
    }

    pub(super) const fn abnormal() -> Self {
        Self { code: 1006, reason: String::new(), closed_by: ClosedBy::Nobody, clean: false }
    }
}
