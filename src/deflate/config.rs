//! The configuration of compression, as a program sets it.
//!
//! "Send" and "receive" are seen from the endpoint that has the configuration. The negotiation in
//! `params` translates them to "server" and "client", the words of RFC 7692.

use super::DirectionParams;

/// The configuration of permessage-deflate for one endpoint, seen from that endpoint.
///
/// The defaults compress well, and cost memory: from the first compressed message on, a connection
/// in use takes 273 KiB to send and 47 KiB to receive (see `docs/compression.md`). With many
/// connections [`no_context_takeover`](Self::no_context_takeover) is the better choice, because it
/// keeps nothing between messages.
///
/// The length of compressed data reveals something about its content. Where secrets are sent
/// together with data that an attacker can choose, do not compress them (RFC 7692 §8), or send them
/// through [`Sender::uncompressed`](crate::Sender::uncompressed).
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct DeflateConfig {
    pub(crate) level: u8,
    pub(crate) min_len: usize,
    pub(crate) send_context_takeover: bool,
    pub(crate) send_window_bits: u8,
    pub(crate) recv_context_takeover: bool,
    pub(crate) recv_window_bits: u8,
}

/// The bits of the smallest window (RFC 7692 §7.1.2).
pub(super) const MIN_WINDOW_BITS: u8 = 8;
/// The bits of the largest window (RFC 7692 §7.1.2).
pub(super) const MAX_WINDOW_BITS: u8 = 15;

impl Default for DeflateConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl DeflateConfig {
    /// Creates the default configuration: context takeover and the largest windows in both
    /// directions, as far as the peer agrees.
    pub const fn new() -> Self {
        Self {
            level: 4,
            min_len: 128,
            send_context_takeover: true,
            send_window_bits: MAX_WINDOW_BITS,
            recv_context_takeover: true,
            recv_window_bits: MAX_WINDOW_BITS,
        }
    }

    /// Sets the effort of compression, from 0 (none) to 9; 4 by default. A level above 9 counts
    /// as 9.
    ///
    /// Level 4 comes within 7 percent of level 9 in a third to two thirds of the time.
    pub const fn level(mut self, level: u8) -> Self {
        self.level = if level > 9 { 9 } else { level };
        self
    }

    /// Sets the length, in bytes, below which messages are sent uncompressed; 128 by default.
    ///
    /// A message that is written piece by piece is always compressed, because its length is not
    /// known in advance.
    pub const fn min_len(mut self, len: usize) -> Self {
        self.min_len = len;
        self
    }

    /// Sets whether sent messages may refer to earlier ones (RFC 7692 §7.1.1). By default they may,
    /// unless the peer refuses it.
    pub const fn send_context_takeover(mut self, takeover: bool) -> Self {
        self.send_context_takeover = takeover;
        self
    }

    /// Sets whether received messages may refer to earlier ones (RFC 7692 §7.1.1). By default they
    /// may.
    ///
    /// With `false`, a client connects only to servers that agree, or that do not compress.
    pub const fn recv_context_takeover(mut self, takeover: bool) -> Self {
        self.recv_context_takeover = takeover;
        self
    }

    /// Lets sent and received messages refer only to themselves.
    pub const fn no_context_takeover(self) -> Self {
        self.send_context_takeover(false).recv_context_takeover(false)
    }

    /// Sets how far back sent messages may refer: 2 to the power of `bits` bytes, 8 to 15. The
    /// default is 15, unless the peer asks for less (RFC 7692 §7.1.2).
    ///
    /// With 8, only runs of the same byte are compressed. Any other value counts as the nearest in
    /// the range.
    pub const fn send_window_bits(mut self, bits: u8) -> Self {
        self.send_window_bits = window_bits(bits);
        self
    }

    /// Sets how far back received messages may refer, in the unit of
    /// [`send_window_bits`](Self::send_window_bits).
    ///
    /// A client then connects only to servers that agree, or that do not compress. A server asks
    /// those clients for it that support the parameter, and accepts larger windows from others. A
    /// smaller window saves the peer some memory, and this endpoint none.
    pub const fn recv_window_bits(mut self, bits: u8) -> Self {
        self.recv_window_bits = window_bits(bits);
        self
    }

    pub(super) const fn send(&self) -> DirectionParams {
        let (context_takeover, window_bits) = (self.send_context_takeover, self.send_window_bits);
        DirectionParams { context_takeover, window_bits }
    }

    pub(super) const fn recv(&self) -> DirectionParams {
        let (context_takeover, window_bits) = (self.recv_context_takeover, self.recv_window_bits);
        DirectionParams { context_takeover, window_bits }
    }
}

const fn window_bits(bits: u8) -> u8 {
    match bits {
        0..MIN_WINDOW_BITS => MIN_WINDOW_BITS,
        MIN_WINDOW_BITS..=MAX_WINDOW_BITS => bits,
        _ => MAX_WINDOW_BITS,
    }
}
