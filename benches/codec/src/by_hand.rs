//! The least code that does the job, as a standard for libraries.
//!
//! It has no fragments, no control frames, no limits and no state: each message is one frame, which
//! is complete in the input. It is safe, and otherwise as fast as simple code can be.

use std::str;

#[derive(Debug)]
pub enum Message {
    Text(String),
    Binary(Vec<u8>),
}

/// A message that is still in the read buffer.
#[derive(Debug)]
#[expect(dead_code, reason = "nobody reads what a bench decodes")]
pub enum Borrowed<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

struct Header {
    is_text: bool,
    key: Option<[u8; 4]>,
    header_len: usize,
    payload_len: usize,
}

fn header(input: &[u8], masked: bool) -> Option<Header> {
    let &[first, second, ref rest @ ..] = input else { return None };
    let is_text = match first {
        0x81 => true,
        0x82 => false,
        _ => return None,
    };
    if (second & 0x80 != 0) != masked {
        return None;
    }
    let (payload_len, len_len) = match second & 0x7F {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
        127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 8),
        len => (usize::from(len), 0),
    };
    let key = if masked { Some(*rest.get(len_len..)?.first_chunk()?) } else { None };
    let header_len = 2 + len_len + if masked { 4 } else { 0 };
    Some(Header { is_text, key, header_len, payload_len })
}

/// Takes a message from the input, and copies it.
pub fn decode(input: &mut &[u8], masked: bool) -> Option<Message> {
    let Header { is_text, key, header_len, payload_len } = header(input, masked)?;
    let (payload, rest) = input.get(header_len..)?.split_at_checked(payload_len)?;
    *input = rest;
    own(payload.to_vec(), is_text, key)
}

/// Like [`decode`], but into the memory of an earlier message.
pub fn decode_into(input: &mut &[u8], masked: bool, last: Message) -> Option<Message> {
    let Header { is_text, key, header_len, payload_len } = header(input, masked)?;
    let (payload, rest) = input.get(header_len..)?.split_at_checked(payload_len)?;
    *input = rest;
    let mut data = match last {
        Message::Text(text) => text.into_bytes(),
        Message::Binary(data) => data,
    };
    data.clear();
    data.extend_from_slice(payload);
    own(data, is_text, key)
}

fn own(mut data: Vec<u8>, is_text: bool, key: Option<[u8; 4]>) -> Option<Message> {
    if let Some(key) = key {
        mask(&mut data, key);
    }
    if is_text {
        String::from_utf8(data).ok().map(Message::Text)
    } else {
        Some(Message::Binary(data))
    }
}

/// Takes a message from the input, unmasks it in place, and lends it.
pub fn decode_borrowed<'a>(input: &mut &'a mut [u8], masked: bool) -> Option<Borrowed<'a>> {
    let Header { is_text, key, header_len, payload_len } = header(input, masked)?;
    let (_, rest) = std::mem::take(input).split_at_mut_checked(header_len)?;
    let (payload, rest) = rest.split_at_mut_checked(payload_len)?;
    *input = rest;
    if let Some(key) = key {
        mask(payload, key);
    }
    if is_text {
        str::from_utf8(payload).ok().map(Borrowed::Text)
    } else {
        Some(Borrowed::Binary(payload))
    }
}

/// Appends the frame of a message.
pub fn encode(payload: &[u8], is_text: bool, key: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let masked = if key.is_some() { 0x80 } else { 0 };
    out.push(if is_text { 0x81 } else { 0x82 });
    match payload.len() {
        len @ 0..126 => out.push(masked | len as u8),
        len @ 126..0x1_0000 => {
            out.push(masked | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(masked | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if let Some(key) = key {
        out.extend_from_slice(&key);
    }
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        mask(&mut out[start..], key);
    }
}

/// Masks words of eight bytes.
pub fn mask(data: &mut [u8], [a, b, c, d]: [u8; 4]) {
    let key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = data.chunks_exact_mut(8);
    for word in &mut words {
        if let Some(word) = word.first_chunk_mut() {
            *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip([a, b, c, d].iter().cycle()) {
        *byte ^= key;
    }
}
