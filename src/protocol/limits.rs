/// What a peer may make us hold (§10.4). A message over a limit fails the connection with 1009.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes in a message, those of a compressed one counted as they come out; 16 MiB
    /// by default.
    pub max_message_len: usize,
    /// The most bytes in the payload of one frame; 16 MiB by default.
    pub max_frame_len: u64,
    /// The most frames in a message, empty ones among them; 131,072 by default.
    pub max_fragments: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_message_len: 16 << 20, max_frame_len: 16 << 20, max_fragments: 1 << 17 }
    }
}
