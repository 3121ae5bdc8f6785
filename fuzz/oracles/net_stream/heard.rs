//! The peer that decodes what the library writes.

use tightwire::Message;
use tightwire::frame::CloseFrame;
use tightwire::protocol::{Event, Inbound};

/// The peer, and the messages that it has received.
pub struct Heard {
    inbound: Inbound,
    decoded: usize,
    /// How many messages and Pings it has received, and how many broadcasts.
    pub accepted: usize,
    pub broadcasts: usize,
    pub close: Option<Option<CloseFrame>>,
}

impl Heard {
    /// A peer that decodes what follows the `head_len` bytes of the opening handshake.
    pub const fn new(inbound: Inbound, head_len: usize) -> Self {
        Self { inbound, decoded: head_len, accepted: 0, broadcasts: 0, close: None }
    }

    /// Decodes the new bytes of `written`. Each event must be the next one that the library
    /// accepted.
    pub fn listen(&mut self, written: &[u8], accepted: &[Event], broadcasts: &[Message]) {
        let mut input = &written[self.decoded..];
        self.decoded = written.len();
        while let Some(event) = self.inbound.next_event(&mut input).expect("it keeps the rules") {
            match event {
                Event::Message(message) if message.as_bytes().first() == Some(&b'b') => {
                    let expected = broadcasts.get(self.broadcasts);
                    assert_eq!(Some(&message), expected, "not the next broadcast");
                    self.broadcasts += 1;
                }
                Event::Message(_) | Event::Ping(_) => {
                    assert_eq!(Some(&event), accepted.get(self.accepted), "not the next one");
                    self.accepted += 1;
                }
                Event::Pong(_) => {}
                Event::Close(frame) => self.close = Some(frame),
            }
        }
    }
}
