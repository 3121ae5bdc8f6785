use std::io;

use super::message::{Template, control};

/// Reads the frames of a server piece by piece, and checks every byte.
#[derive(Default)]
pub struct Incoming {
    /// A header that has not arrived completely.
    header: Vec<u8>,
    /// The frame in progress.
    frame: Option<Frame>,
    /// The payload of the control frame in progress.
    control: Vec<u8>,
    /// How many bytes of the message in progress have arrived, once its first frame has begun.
    offset: Option<usize>,
    /// The number of the next message.
    pub number: u32,
    pub close_received: bool,
    pub pong_received: bool,
    /// The frames that answer Pings.
    pub pongs: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Frame {
    fin: bool,
    opcode: u8,
    left: usize,
}

impl Incoming {
    /// Takes bytes that have arrived. Returns how many messages they complete.
    pub fn take(&mut self, template: &Template, bytes: &[u8]) -> io::Result<usize> {
        let mut bytes = bytes;
        let mut messages = 0;
        loop {
            let Some(frame) = self.frame.take() else {
                let Some(frame) = self.begin(template, &mut bytes)? else { return Ok(messages) };
                self.frame = Some(frame);
                continue;
            };
            let (piece, rest) = bytes.split_at(frame.left.min(bytes.len()));
            bytes = rest;
            let left = frame.left - piece.len();
            if frame.opcode >= 8 {
                self.control.extend_from_slice(piece);
            } else if let Some(offset) = &mut self.offset {
                template.check(self.number, *offset, piece)?;
                *offset += piece.len();
            }
            if left > 0 {
                self.frame = Some(Frame { left, ..frame });
                return Ok(messages);
            }
            messages += usize::from(self.end(template, frame)?);
        }
    }

    fn begin(&mut self, template: &Template, bytes: &mut &[u8]) -> io::Result<Option<Frame>> {
        let decoded = if self.header.is_empty() { decode(bytes)? } else { None };
        let (frame, header_len) = match decoded {
            Some(decoded) => decoded,
            None => loop {
                let Some((&byte, rest)) = bytes.split_first() else { return Ok(None) };
                *bytes = rest;
                self.header.push(byte);
                if let Some((frame, _)) = decode(&self.header)? {
                    self.header.clear();
                    break (frame, 0);
                }
            },
        };
        *bytes = &bytes[header_len..];
        match (frame.opcode, self.offset) {
            (8..=10, _) if frame.fin && frame.left <= 125 => {}
            (0, Some(_)) => {}
            (opcode, None) if opcode == template.opcode() => self.offset = Some(0),
            (opcode, _) => return Err(io::Error::other(format!("unexpected opcode {opcode}"))),
        }
        Ok(Some(frame))
    }

    /// Ends a frame. Returns whether a message ends with it.
    fn end(&mut self, template: &Template, frame: Frame) -> io::Result<bool> {
        match frame.opcode {
            8 => self.close_received = true,
            9 => control(10, &self.control, &mut self.pongs),
            10 => self.pong_received = true,
            _ if !frame.fin => {}
            _ => {
                if self.offset.take() != Some(template.payload_len()) {
                    return Err(io::Error::other(format!("message {} is too short", self.number)));
                }
                self.number += 1;
                return Ok(true);
            }
        }
        self.control.clear();
        Ok(false)
    }
}

fn decode(bytes: &[u8]) -> io::Result<Option<(Frame, usize)>> {
    let &[first, second, ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 || second & 0x80 != 0 {
        return Err(io::Error::other("a frame that is masked, or has reserved bits"));
    }
    let (left, header_len) = match (second, bytes) {
        (126, &[_, _, a, b, ..]) => (usize::from(u16::from_be_bytes([a, b])), 4),
        (127, &[_, _, a, b, c, d, e, f, g, h, ..]) => {
            (u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize, 10)
        }
        (126 | 127, _) => return Ok(None),
        (len, _) => (usize::from(len), 2),
    };
    Ok(Some((Frame { fin: first & 0x80 != 0, opcode: first & 0x0F, left }, header_len)))
}
