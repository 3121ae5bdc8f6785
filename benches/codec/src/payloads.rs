//! The data: payloads, and the frames of many messages in one buffer.

use crate::by_hand;

pub struct Payload {
    pub name: &'static str,
    pub is_text: bool,
    pub bytes: Vec<u8>,
}

impl Payload {
    /// Returns how many messages make a pass: so many that their number does not matter, and so few
    /// that small ones stay in the second-level cache.
    pub fn count(&self) -> usize {
        match self.bytes.len() {
            0..4096 => 512,
            4096..0x10_0000 => 8,
            _ => 2,
        }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("text")
    }

    /// Returns the frames of a pass, as the peer of this role sends them.
    pub fn wire(&self, to_server: bool) -> Vec<u8> {
        let mut wire = Vec::new();
        for n in 0..self.count() as u32 {
            let key = n.wrapping_mul(0x9E37_79B9).to_ne_bytes();
            by_hand::encode(&self.bytes, self.is_text, to_server.then_some(key), &mut wire);
        }
        wire
    }
}

const ASCII: &str =
    r#"{"id":18446,"type":"quote","symbol":"XYZ","bid":101.25,"ask":101.27,"size":[300,1200]}, "#;
const MIXED: &str =
    "Grüße, Καλημέρα κόσμε, Доброе утро, こんにちは世界, 안녕하세요, مرحبا, 👋🌍 — hello; ";

fn repeat(text: &str, len: usize) -> Vec<u8> {
    let mut repeated = text.repeat(len / text.len());
    for c in text.chars() {
        if repeated.len() + c.len_utf8() <= len {
            repeated.push(c);
        }
    }
    while repeated.len() < len {
        repeated.push('.');
    }
    repeated.into_bytes()
}

pub fn all() -> Vec<Payload> {
    let text = |name, text, len| Payload { name, is_text: true, bytes: repeat(text, len) };
    vec![
        text("125 B text, ASCII", ASCII, 125),
        text("125 B text, mixed", MIXED, 125),
        text("1 KiB text, ASCII", ASCII, 1 << 10),
        text("1 KiB text, mixed", MIXED, 1 << 10),
        text("64 KiB text, ASCII", ASCII, 64 << 10),
        text("64 KiB text, mixed", MIXED, 64 << 10),
        Payload {
            name: "1 MiB binary",
            is_text: false,
            bytes: (0..1_u32 << 20).map(|n| (n.wrapping_mul(0x85EB_CA6B) >> 24) as u8).collect(),
        },
    ]
}
