//! A message that the program sends while it writes it.

use tightwire::{Message, MessageKind, MessageWriter, Sender};

/// The writer, and the bytes that it took.
pub struct Writing {
    pub writer: MessageWriter,
    pub message: Message,
    /// Its last bytes may not be in a fragment yet.
    pub is_unflushed: bool,
    /// The writer certainly sent a fragment.
    pub has_begun: bool,
}

impl Writing {
    pub fn new(sender: &Sender, is_text: bool) -> Self {
        let (kind, message) = match is_text {
            true => (MessageKind::Text, Message::Text(String::new())),
            false => (MessageKind::Binary, Message::Binary(Vec::new())),
        };
        Self { writer: sender.writer(kind), message, is_unflushed: false, has_begun: false }
    }

    /// Adds the first `count` bytes of a part. Returns whether other text can follow, which it
    /// cannot where a character is cut.
    pub fn push(&mut self, part: &Message, count: usize) -> bool {
        let Some(bytes) = part.as_bytes().get(..count) else { panic!("more than there is") };
        self.is_unflushed |= count > 0;
        match &mut self.message {
            Message::Text(text) => match core::str::from_utf8(bytes) {
                Ok(bytes) => text.push_str(bytes),
                Err(_) => return false,
            },
            Message::Binary(data) => data.extend_from_slice(bytes),
        }
        true
    }
}
