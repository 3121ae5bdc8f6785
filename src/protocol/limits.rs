//! Limits on received messages (RFC 6455 §10.4).
//!
//! The limits that apply depend on how the caller receives a message. A whole message is buffered,
//! so its length, its frames and their number have limits. A message that is read in pieces is not
//! buffered, and only its total length has a limit.

/// Limits on the messages that a peer can make us buffer (RFC 6455 §10.4). A message over a limit
/// fails the connection with code 1009.
///
/// ```
/// use tightwire::{Acceptor, Limits};
///
/// let limits = Limits::new().max_message_len(64 << 10).max_fragments(100);
/// assert_eq!(limits.get_max_message_len(), 65_536);
/// let acceptor = Acceptor::new().limits(limits);
/// ```
///
/// A message that is read while it arrives is not buffered. Only
/// [`max_stream_len`](Self::max_stream_len) applies to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Limits {
    pub(super) max_message_len: usize,
    pub(super) max_frame_len: u64,
    pub(super) max_fragments: u32,
    pub(super) max_stream_len: u64,
}

impl Limits {
    /// Creates the default limits.
    pub const fn new() -> Self {
        Self {
            max_message_len: 16 << 20,
            max_frame_len: 16 << 20,
            max_fragments: 1 << 17,
            max_stream_len: 16 << 20,
        }
    }

    /// Sets the maximum length of a message, in bytes after decompression; 16 MiB by default.
    pub const fn max_message_len(mut self, bytes: usize) -> Self {
        self.max_message_len = bytes;
        self
    }

    /// Sets the maximum payload length of a frame, in bytes on the wire; 16 MiB by default.
    pub const fn max_frame_len(mut self, bytes: u64) -> Self {
        self.max_frame_len = bytes;
        self
    }

    /// Sets the maximum number of frames in a message, counting empty ones; 131,072 by default.
    pub const fn max_fragments(mut self, count: u32) -> Self {
        self.max_fragments = count;
        self
    }

    /// Sets the maximum length of a message that is read while it arrives
    /// ([`recv_reader`](crate::Receiver::recv_reader)), in bytes after decompression; 16 MiB by
    /// default.
    ///
    /// It replaces the other three limits, because such a message is never in memory as a whole.
    /// With `u64::MAX` there is no limit.
    pub const fn max_stream_len(mut self, bytes: u64) -> Self {
        self.max_stream_len = bytes;
        self
    }

    /// Returns the value of [`max_message_len`](Self::max_message_len), in bytes.
    #[must_use]
    pub const fn get_max_message_len(&self) -> usize {
        self.max_message_len
    }

    /// Returns the value of [`max_frame_len`](Self::max_frame_len), in bytes.
    #[must_use]
    pub const fn get_max_frame_len(&self) -> u64 {
        self.max_frame_len
    }

    /// Returns the value of [`max_fragments`](Self::max_fragments).
    #[must_use]
    pub const fn get_max_fragments(&self) -> u32 {
        self.max_fragments
    }

    /// Returns the value of [`max_stream_len`](Self::max_stream_len), in bytes.
    #[must_use]
    pub const fn get_max_stream_len(&self) -> u64 {
        self.max_stream_len
    }

    /// Returns the payload length, in bytes, below which a buffered message of one frame is within
    /// all limits.
    pub(super) const fn unfragmented_end(&self) -> u64 {
        let Self { max_message_len, max_frame_len, max_fragments, .. } = *self;
        if max_fragments == 0 {
            return 0;
        }
        let max_message_len = max_message_len as u64;
        let max_len = if max_frame_len < max_message_len { max_frame_len } else { max_message_len };
        max_len.saturating_add(1)
    }

    /// Returns the limits for a message that the caller receives in this way.
    pub(super) const fn of(&self, reading: Reading) -> MessageLimits {
        match reading {
            Reading::Whole => MessageLimits {
                max_len: self.max_message_len as u64,
                max_frame_len: self.max_frame_len,
                max_fragments: self.max_fragments,
            },
            Reading::Pieces => MessageLimits {
                max_len: self.max_stream_len,
                max_frame_len: u64::MAX,
                max_fragments: u32::MAX,
            },
        }
    }
}

/// The way in which the caller receives a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// As a whole, which must be buffered.
    Whole,
    /// In pieces, while it arrives.
    Pieces,
}

/// The limits that apply to one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageLimits {
    pub(super) max_len: u64,
    pub(super) max_frame_len: u64,
    pub(super) max_fragments: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
