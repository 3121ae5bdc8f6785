use std::io;

/// The content of the messages of a scenario.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Content {
    Binary,
    /// Text of ASCII characters.
    Ascii,
    /// Text in several scripts, of characters of one to four bytes.
    Mixed,
}

/// All messages of a scenario. They differ only in the number with which each one begins.
pub struct Template {
    opcode: u8,
    payload: Vec<u8>,
    /// The masked frame of message 0, whose payload begins at `header_len`.
    frame: Vec<u8>,
    header_len: usize,
}

/// The length of the number, in hexadecimal digits, which are valid in text.
const NUMBER_LEN: usize = 8;

/// There is no attacker here, so one key is as good as another.
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

impl Template {
    pub fn new(content: Content, payload_len: usize) -> Self {
        assert!(payload_len >= NUMBER_LEN, "there is no room for the number");
        let opcode = if content == Content::Binary { 2 } else { 1 };
        let payload = [&digits(0)[..], &filler(content, payload_len - NUMBER_LEN)].concat();
        let mut frame = header(opcode, payload_len);
        let header_len = frame.len();
        frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
        Self { opcode, payload, frame, header_len }
    }

    /// Appends the part of the frame that differs between messages, and returns the rest, which is
    /// the same in all frames.
    pub fn head(&self, number: u32, out: &mut Vec<u8>) -> &[u8] {
        out.extend_from_slice(&self.frame[..self.header_len]);
        let mut digits = digits(number);
        for (digit, key) in digits.iter_mut().zip(KEY.iter().cycle()) {
            *digit ^= key;
        }
        out.extend_from_slice(&digits);
        self.tail(0)
    }

    /// Returns the part that is the same in all frames, without its first `from` bytes.
    pub fn tail(&self, from: usize) -> &[u8] {
        &self.frame[self.header_len + NUMBER_LEN + from..]
    }

    pub fn opcode(&self) -> u8 {
        self.opcode
    }

    pub fn payload_len(&self) -> usize {
        self.payload.len()
    }

    /// Checks that `piece` is the part of message `number` at `offset`.
    pub fn check(&self, number: u32, offset: usize, piece: &[u8]) -> io::Result<()> {
        let Some(expected) = self.payload.get(offset..offset + piece.len()) else {
            return Err(io::Error::other(format!("message {number} is too long")));
        };
        let own_len = NUMBER_LEN.saturating_sub(offset).min(piece.len());
        let own = digits(number);
        let own = own.get(offset..offset + own_len).unwrap_or_default();
        if piece[..own_len] != *own || piece[own_len..] != expected[own_len..] {
            return Err(io::Error::other(format!("message {number} is not what was sent")));
        }
        Ok(())
    }
}

/// Appends a masked control frame.
pub fn control(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.extend(header(opcode, payload.len()));
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
}

fn header(opcode: u8, payload_len: usize) -> Vec<u8> {
    let mut header = vec![0x80 | opcode];
    match payload_len {
        0..126 => header.push(0x80 | payload_len as u8),
        126..65_536 => {
            header.push(0x80 | 126);
            header.extend((payload_len as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend((payload_len as u64).to_be_bytes());
        }
    }
    header.extend(KEY);
    header
}

fn digits(number: u32) -> [u8; NUMBER_LEN] {
    let mut digits = [0; NUMBER_LEN];
    for (i, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (28 - 4 * i)) as usize & 0xF];
    }
    digits
}

fn filler(content: Content, len: usize) -> Vec<u8> {
    if content == Content::Binary {
        let mut state = 1u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        return (0..len).map(|_| byte()).collect();
    }
    let phrase = match content {
        Content::Mixed => "Grüße an die Welt, привет мир, こんにちは世界, 🦀 ",
        _ => "The quick brown fox jumps over the lazy dog. ",
    };
    let mut text = String::with_capacity(len);
    for character in phrase.chars().cycle() {
        if text.len() + character.len_utf8() > len {
            break;
        }
        text.push(character);
    }
    // The rest is too short for another character.
    while text.len() < len {
        text.push('.');
    }
    text.into_bytes()
}
