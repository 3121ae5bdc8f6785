//! Control frames: they may stand between the frames of a message (§5.5).

use super::{Outbound, Stage};
use crate::frame::{CloseCode, CloseFrame, FrameHeader, Opcode};
use crate::protocol::{PendingControl, Role, SendError};

impl Outbound {
    /// Sends a Ping, also between the fragments of a message (§5.5.2).
    ///
    /// # Errors
    ///
    /// `Closed`, `ControlTooLong`, `NoMaskingKey`.
    pub fn encode_ping(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.control(Opcode::Ping, data, out)
    }

    /// Sends a Pong that answers nothing (§5.5.3). Those that do are in [`PendingControl`].
    ///
    /// # Errors
    ///
    /// `Closed`, `ControlTooLong`, `NoMaskingKey`.
    pub fn encode_pong(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.control(Opcode::Pong, data, out)
    }

    /// Sends a Close frame, and with it the last thing that may be sent (§5.5.1). A fragmented
    /// message that is not finished is abandoned.
    ///
    /// # Errors
    ///
    /// `Closed` if one was sent before, `ForbiddenCloseCode` for 1010 from a server,
    /// `NoMaskingKey`.
    pub fn encode_close(
        &mut self,
        frame: Option<&CloseFrame>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let code = frame.map(CloseFrame::code);
        if code == Some(CloseCode::MANDATORY_EXTENSION) && self.role() == Role::Server {
            return Err(SendError::ForbiddenCloseCode(CloseCode::MANDATORY_EXTENSION));
        }
        self.close_unchecked(frame, out)
    }

    /// Says what is owed, a Close last. Nothing is owed afterwards.
    ///
    /// # Errors
    ///
    /// `NoMaskingKey`: then the rest stays unsaid, and if that is a Close frame, nothing but one
    /// may be sent any more.
    pub fn encode_pending(
        &mut self,
        pending_control: &mut PendingControl,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if pending_control.close.is_some() {
            self.stage = Stage::Over;
        }
        // Our own Close does not free us from answering, one received does (§5.5.2). If both
        // have passed, nothing may follow.
        let pong = pending_control
            .pong
            .take()
            .filter(|_| !(self.close_sent && pending_control.close.is_some()));
        if let Some(data) = pong {
            self.control_unchecked(Opcode::Pong, &data, out)?;
        }
        let ping = pending_control.ping.take().filter(|_| !self.close_sent);
        if let Some(data) = ping {
            self.control_unchecked(Opcode::Ping, &data, out)?;
        }
        if let Some(frame) = pending_control.close.take() {
            if !self.close_sent {
                // What a client may say, its server may repeat: here 1010 passes.
                self.close_unchecked(frame.as_ref(), out)?;
            }
        }
        Ok(())
    }

    fn close_unchecked(
        &mut self,
        frame: Option<&CloseFrame>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if self.close_sent {
            return Err(SendError::Closed);
        }
        let mut body = Vec::new();
        if let Some(frame) = frame {
            frame.encode(&mut body);
        }
        self.control_unchecked(Opcode::Close, &body, out)?;
        self.close_sent = true;
        self.stage = Stage::Over;
        Ok(())
    }

    fn control(&self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        if self.stage == Stage::Over {
            return Err(SendError::Closed);
        }
        if payload.len() > FrameHeader::MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlTooLong { len: payload.len() });
        }
        self.control_unchecked(opcode, payload, out)
    }

    fn control_unchecked(
        &self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.append(FrameHeader::new(opcode, None, payload.len() as u64), payload, out)
    }
}
