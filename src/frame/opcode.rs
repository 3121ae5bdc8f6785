/// What a frame is (§5.2). The ten other values of the four bits are reserved.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message in progress (§5.4).
    Continuation = 0x0,
    /// The first or only fragment of a text message (§5.6).
    Text = 0x1,
    /// The first or only fragment of a binary message (§5.6).
    Binary = 0x2,
    /// The start or the answer of the closing handshake (§5.5.1).
    Close = 0x8,
    /// A question whether the peer is there (§5.5.2).
    Ping = 0x9,
    /// The answer to a Ping, or an unsolicited sign of life (§5.5.3).
    Pong = 0xA,
}

impl Opcode {
    /// The opcode of these four bits, or `None` if they are reserved.
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

    /// The four bits, as the low half of a byte.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// Whether this is a control frame: the top bit of the four is set (§5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}
