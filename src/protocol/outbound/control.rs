//! Sending control frames, which may come between the fragments of a message (RFC 6455 §5.5).
//!
//! The calls of a program are checked against the state of the connection. The answers to the peer
//! ([`PendingControl`]) have rules of their own: a Pong may still follow our Close frame.

use super::{Outbound, Stage};
use crate::frame::{CloseCode, CloseFrame, FrameHeader, Opcode};
use crate::protocol::{PendingControl, Role, SendError};

impl Outbound {
    /// Encodes a Ping, which may also come between fragments (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// `Closed`, `ControlTooLong`, `NoMaskingKey`.
    pub fn encode_ping(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.control(Opcode::Ping, data, out)
    }

    /// Encodes a Pong that answers no Ping (RFC 6455 §5.5.3). The answers to Pings are in
    /// [`PendingControl`].
    ///
    /// # Errors
    ///
    /// `Closed`, `ControlTooLong`, `NoMaskingKey`.
    pub fn encode_pong(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.control(Opcode::Pong, data, out)
    }

    /// Encodes a Close frame, after which no message may be sent (RFC 6455 §5.5.1). A fragmented
    /// message that is not finished is abandoned.
    ///
    /// # Errors
    ///
    /// `Closed` if a Close frame was sent before, `ForbiddenCloseCode` for 1010 from a server,
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

    /// Encodes the pending control frames, a Close last. None is pending afterwards.
    ///
    /// # Errors
    ///
    /// `NoMaskingKey`, and `ControlTooLong` for a Ping or a Pong with more than 125 bytes. That
    /// frame is lost, and the frames after it stay pending. If a Close frame was pending, only a
    /// Close frame may be sent from then on.
    pub fn encode_pending(
        &mut self,
        pending_control: &mut PendingControl,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if pending_control.close.is_some() {
            self.stage = Stage::Over;
        }
        // After our own Close frame we must still answer a Ping. After the peer's we need not
        // (§5.5.2), and after both nothing may follow.
        let pong = pending_control
            .pong
            .take()
            .filter(|_| !(self.close_sent && pending_control.close.is_some()));
        if let Some(data) = pong {
            self.append_control(Opcode::Pong, &data, out)?;
        }
        let ping = pending_control.ping.take().filter(|_| !self.close_sent);
        if let Some(data) = ping {
            self.append_control(Opcode::Ping, &data, out)?;
        }
        if let Some(frame) = pending_control.close.take() {
            if !self.close_sent {
                // A server may repeat every code that a client may send, so 1010 is allowed here.
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
        self.append_control(Opcode::Close, &body, out)?;
        self.close_sent = true;
        self.stage = Stage::Over;
        Ok(())
    }

    fn control(&self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        if self.stage == Stage::Over {
            return Err(SendError::Closed);
        }
        self.append_control(opcode, payload, out)
    }

    fn append_control(
        &self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if payload.len() > FrameHeader::MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlTooLong { len: payload.len() });
        }
        self.append(FrameHeader::new(opcode, None, payload.len() as u64), payload, out)
    }
}
