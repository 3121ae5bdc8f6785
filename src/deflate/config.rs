use super::DirectionParams;

/// What one end wishes of permessage-deflate, seen from that end.
///
/// The defaults compress well and cost memory: for a connection in use 273 KiB to send and
/// 47 KiB to receive, from the first compressed message on (`docs/compression.md` has the
/// figures). With many connections [`no_context_takeover`](Self::no_context_takeover) is the
/// better choice: nothing is kept between messages then.
///
/// Compressed data tells something about its content by its length. Where secrets go together
/// with what an attacker may choose, do not compress (RFC 7692 §8), or send them through
/// [`Sender::uncompressed`](crate::Sender::uncompressed).
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

/// The bits of the smallest window and of the largest (RFC 7692 §7.1.2).
pub(super) const MIN_WINDOW_BITS: u8 = 8;
pub(super) const MAX_WINDOW_BITS: u8 = 15;

impl Default for DeflateConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl DeflateConfig {
    /// The best compression that the peer agrees to.
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

    /// How hard to try, from 0 for not at all to 9; 4 by default, which comes within 7 percent of
    /// 9 in a third to two thirds of the time. Other values are taken as the nearest of these.
    pub const fn level(mut self, level: u8) -> Self {
        self.level = if level > 9 { 9 } else { level };
        self
    }

    /// Sends messages of fewer bytes as they are; 128 by default. One that is written piece by
    /// piece is always compressed, since nobody knows how long it will be.
    pub const fn min_len(mut self, len: usize) -> Self {
        self.min_len = len;
        self
    }

    /// Whether messages that are sent may refer to earlier ones (RFC 7692 §7.1.1); they may by
    /// default, unless the peer does not want it.
    pub const fn send_context_takeover(mut self, takeover: bool) -> Self {
        self.send_context_takeover = takeover;
        self
    }

    /// Whether messages that are received may refer to earlier ones; they may by default. A
    /// client that says no is connected to servers only that agree, or do not compress.
    pub const fn recv_context_takeover(mut self, takeover: bool) -> Self {
        self.recv_context_takeover = takeover;
        self
    }

    /// Lets messages refer to themselves only, both those sent and those received.
    pub const fn no_context_takeover(self) -> Self {
        self.send_context_takeover(false).recv_context_takeover(false)
    }

    /// How far back sent messages may refer: two to the power of this many bytes, 8 to 15; 15
    /// by default, unless the peer wants less. With 8, only runs of the same byte are
    /// compressed. Other values are taken as the nearest of these.
    pub const fn send_window_bits(mut self, bits: u8) -> Self {
        self.send_window_bits = window_bits(bits);
        self
    }

    /// How far back received messages may refer, as for
    /// [`send_window_bits`](Self::send_window_bits). A client is connected to servers only
    /// that agree, or do not compress. A server says so to clients that can be told, and lets
    /// others have their way. It spares the peer some memory, and this end none.
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
