//! A client on a plain socket, which can break rules that our own client keeps.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::Outcome;
use crate::server::PATIENCE;

pub(crate) const REQUEST: &str = "GET / HTTP/1.1\r\n\
    Host: localhost\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

#[derive(Debug)]
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Connects, and completes the opening handshake.
    pub(crate) fn upgraded(address: SocketAddr) -> Outcome<Self> {
        let mut raw = Self::connect(address)?;
        raw.0.write_all(REQUEST.as_bytes())?;
        match raw.read_status()? {
            101 => Ok(raw),
            status => Err(format!("a valid request is answered with {status}").into()),
        }
    }

    /// Reads the head of a response, and returns its status.
    pub(crate) fn read_status(&mut self) -> Outcome<u16> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head)?;
        Ok(head.split(' ').nth(1).ok_or("there is no status")?.parse()?)
    }

    /// Reads a frame of the server. Returns its first byte and its payload.
    pub(crate) fn read_frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut start = [0; 2];
        self.0.read_exact(&mut start)?;
        let len_len = match start[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut len = [0; 8];
        self.0.read_exact(&mut len[8 - len_len..])?;
        let len = if len_len == 0 { start[1].into() } else { u64::from_be_bytes(len) };
        let mut payload = vec![0; len as usize];
        self.0.read_exact(&mut payload)?;
        Ok((start[0], payload))
    }

    /// Reads frames up to a Close frame, and returns its code, or 1005 if it has none.
    pub(crate) fn read_close(&mut self) -> io::Result<u16> {
        loop {
            if let (0x88, body) = self.read_frame()? {
                return Ok(body.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code)));
            }
        }
    }

    /// Reads the frames of a message, and skips Pings and Pongs.
    pub(crate) fn read_message(&mut self) -> Outcome<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            let (first, payload) = self.read_frame()?;
            match first & 0x0F {
                0..=2 => message.extend(payload),
                8 => return Err(format!("closed: {}", String::from_utf8_lossy(&payload)).into()),
                _ => continue,
            }
            if first & 0x80 != 0 {
                return Ok(message);
            }
        }
    }

    /// Reads until the peer ends or resets the connection.
    pub(crate) fn read_to_end(&mut self) -> Outcome<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err("the server does not end the connection".into());
                }
                Err(_) => return Ok(()),
            }
        }
    }
}

/// Encodes a frame as a client sends it.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | len as u8),
        len @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}
