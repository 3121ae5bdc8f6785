/// The type of a frame (RFC 6455 §5.2). The other ten values of the four bits are reserved.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message in progress (RFC 6455 §5.4).
    Continuation = 0x0,
    /// The first or only fragment of a text message (RFC 6455 §5.6).
    Text = 0x1,
    /// The first or only fragment of a binary message (RFC 6455 §5.6).
    Binary = 0x2,
    /// The start of the closing handshake, or the answer to it (RFC 6455 §5.5.1).
    Close = 0x8,
    /// A request for a Pong, to check that the peer is alive (RFC 6455 §5.5.2).
    Ping = 0x9,
    /// The answer to a Ping, or an unsolicited sign of life (RFC 6455 §5.5.3).
    Pong = 0xA,
}

impl Opcode {
    /// Returns the opcode with these four bits, or `None` if they are reserved.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Returns the four bits, in the low half of a byte.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// Returns whether this is a control frame: the top bit of the four is set (RFC 6455 §5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}
