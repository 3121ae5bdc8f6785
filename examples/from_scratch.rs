//! A WebSocket echo server from scratch: `std`, SHA-1 and base64, without tightwire.
//!
//! The guide builds it piece by piece, in the sections "Build it" of chapters 1 to 7. Chapter 7
//! lists the missing parts.
//!
//! ```text
//! cargo run --example from_scratch [ADDR]
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The maximum number of bytes that a message may have.
const MAX_LEN: usize = 16 << 20;

/// A rule that the client broke: the code and the reason for our Close frame.
#[derive(Debug, PartialEq)]
struct Violation(u16, &'static str);

/// A frame, or a message as if it had come in one frame.
struct Frame {
    fin: bool,
    opcode: u8,
    payload: Vec<u8>,
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    serve(&listener);
    Ok(())
}

/// Serves each connection in a thread of its own.
pub(crate) fn serve(listener: &TcpListener) {
    for stream in listener.incoming() {
        let spawn = |stream| thread::Builder::new().spawn(move || serve_connection(&stream));
        if let Err(error) = stream.and_then(spawn) {
            eprintln!("cannot serve a connection: {error}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Serves one connection, from the opening handshake to the end of TCP.
fn serve_connection(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    match handshake_response(&read_head(&mut reader)?) {
        Some(response) => {
            stream.write_all(response.as_bytes())?;
            echo(&mut reader, stream)?;
        }
        None => stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?,
    }
    end_tcp(stream, reader)
}

/// Reads up to the empty line that ends a head, or 16 KiB.
fn read_head(reader: &mut impl BufRead) -> io::Result<String> {
    let mut head = Vec::new();
    let mut reader = reader.take(16 << 10);
    while !head.ends_with(b"\r\n\r\n") && reader.read_until(b'\n', &mut head)? > 0 {}
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The response to an opening handshake (§4.2.2), or `None` if the request is not a valid one.
fn handshake_response(head: &str) -> Option<String> {
    let (request_line, fields) = head.strip_suffix("\r\n\r\n")?.split_once("\r\n")?;
    let value = |name: &str| {
        let mut fields = fields.split("\r\n").filter_map(|line| line.split_once(':'));
        fields.find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1.trim())
    };
    let lists = |name, wanted: &str| {
        let mut items = value(name).unwrap_or_default().split(',');
        items.any(|item| item.trim().eq_ignore_ascii_case(wanted))
    };
    let key = value("Sec-WebSocket-Key").filter(|key| key.len() == 24)?; // 16 bytes in base64
    let is_valid = request_line.starts_with("GET ")
        && request_line.ends_with(" HTTP/1.1")
        && value("Host").is_some()
        && lists("Upgrade", "websocket")
        && lists("Connection", "Upgrade")
        && value("Sec-WebSocket-Version") == Some("13");
    is_valid.then(|| {
        let accept = accept_value(key);
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
    })
}

/// The value of `Sec-WebSocket-Accept` that answers this key.
fn accept_value(key: &str) -> String {
    STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")))
}

/// Sends every message back, up to the closing handshake or the first violation.
fn echo(reader: &mut impl BufRead, mut writer: impl Write) -> io::Result<()> {
    let (mut buffer, mut message) = (Vec::new(), None);
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let len = bytes.len();
        buffer.extend_from_slice(bytes);
        reader.consume(len);

        let mut out = Vec::new();
        let outcome = handle_frames(&mut buffer, &mut message, &mut out);
        let is_over = outcome.unwrap_or_else(|Violation(code, reason)| {
            let body = [&code.to_be_bytes(), reason.as_bytes()].concat();
            out.extend(encode_frame(CLOSE, &body));
            true
        });
        writer.write_all(&out)?;
        if is_over {
            return Ok(());
        }
    }
}

/// Handles the frames that have arrived completely. Returns whether a Close frame was among them.
fn handle_frames(
    buffer: &mut Vec<u8>,
    message: &mut Option<Frame>,
    out: &mut Vec<u8>,
) -> Result<bool, Violation> {
    while let Some((header, header_len)) = decode_header(buffer)? {
        let Some(frame) = take_frame(buffer, &header, header_len) else { break };
        if frame.opcode >= CLOSE {
            if handle_control(&frame, out)? {
                return Ok(true);
            }
        } else if let Some(message) = assemble(message, frame)? {
            check_text(&message)?;
            out.extend(encode_frame(message.opcode, &message.payload));
        }
    }
    Ok(false)
}

/// The fields that stand before the payload of a frame (§5.2).
struct Header {
    fin: bool,
    opcode: u8,
    len: usize,
    key: [u8; 4],
}

/// Reads the header at the start of `bytes`. Returns its length too, or `None` if it is incomplete.
fn decode_header(bytes: &[u8]) -> Result<Option<(Header, usize)>, Violation> {
    let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
    let (fin, opcode, short_len) = (first & 0x80 != 0, first & 0x0F, second & 0x7F);
    if first & 0x70 != 0 || !matches!(opcode, 0..=2 | CLOSE..=PONG) {
        return Err(Violation(1002, "reserved bit or opcode"));
    }
    if second & 0x80 == 0 {
        return Err(Violation(1002, "frame without a mask"));
    }
    if opcode >= CLOSE && (!fin || short_len > 125) {
        return Err(Violation(1002, "fragmented or long control frame"));
    }
    let long_len = match short_len {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some((long, rest)) = rest.split_at_checked(long_len) else { return Ok(None) };
    let Some(&key) = rest.first_chunk() else { return Ok(None) };
    let long = long.iter().fold(0, |len, byte| len << 8 | u64::from(*byte)); // big-endian
    let (len, is_valid) = match short_len {
        126 => (long, long > 125),
        127 => (long, long > 0xFFFF && long >> 63 == 0),
        _ => (short_len.into(), true),
    };
    if !is_valid {
        return Err(Violation(1002, "length not in its shortest form, or too large"));
    }
    if len > MAX_LEN as u64 {
        return Err(Violation(1009, "frame of more than 16 MiB"));
    }
    Ok(Some((Header { fin, opcode, len: len as usize, key }, 2 + long_len + 4)))
}

/// Takes the frame with this header out of `buffer`, unmasked, once all of it has arrived.
fn take_frame(buffer: &mut Vec<u8>, header: &Header, header_len: usize) -> Option<Frame> {
    let end = header_len + header.len;
    let mut payload = buffer.get(header_len..end)?.to_vec();
    buffer.drain(..end);
    unmask(header.key, &mut payload);
    Some(Frame { fin: header.fin, opcode: header.opcode, payload })
}

/// Masks or unmasks, which is the same operation (§5.3).
fn unmask(key: [u8; 4], payload: &mut [u8]) {
    for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Adds a frame to the message in progress. Returns the message if the frame is its last (§5.4).
fn assemble(message: &mut Option<Frame>, frame: Frame) -> Result<Option<Frame>, Violation> {
    let fin = frame.fin;
    match (&mut *message, frame.opcode) {
        (Some(begun), CONTINUATION) if begun.payload.len() + frame.payload.len() > MAX_LEN => {
            return Err(Violation(1009, "message of more than 16 MiB"));
        }
        (Some(begun), CONTINUATION) => begun.payload.extend(frame.payload),
        (Some(_), _) => return Err(Violation(1002, "message inside another")),
        (None, CONTINUATION) => return Err(Violation(1002, "continuation of nothing")),
        (None, _) => *message = Some(frame),
    }
    Ok(if fin { message.take() } else { None })
}

/// A whole frame from a server, so without a mask (§5.1).
fn encode_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ 0..126 => frame.push(len as u8),
        len @ 126..0x1_0000 => frame.extend([126, (len >> 8) as u8, len as u8]),
        len => {
            frame.push(127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// Answers a control frame (§5.5), and returns whether it is a Close frame.
fn handle_control(frame: &Frame, out: &mut Vec<u8>) -> Result<bool, Violation> {
    match frame.opcode {
        PING => out.extend(encode_frame(PONG, &frame.payload)),
        CLOSE => out.extend(encode_frame(CLOSE, close_answer(&frame.payload)?)),
        _ => {} // A Pong needs no answer.
    }
    Ok(frame.opcode == CLOSE)
}

/// Text must be UTF-8, as a message and not frame by frame (§5.6).
fn check_text(message: &Frame) -> Result<(), Violation> {
    if message.opcode == TEXT && std::str::from_utf8(&message.payload).is_err() {
        return Err(Violation(1007, "text that is not UTF-8"));
    }
    Ok(())
}

/// The body of the Close frame that answers this one: its code, without the reason (§5.5.1).
fn close_answer(body: &[u8]) -> Result<&[u8], Violation> {
    let Some((code, reason)) = body.split_first_chunk::<2>() else {
        return if body.is_empty() { Ok(body) } else { Err(Violation(1002, "half a close code")) };
    };
    if !matches!(u16::from_be_bytes(*code), 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation(1002, "close code that must not be sent"));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Violation(1007, "close reason that is not UTF-8"));
    }
    Ok(code)
}

/// Ends our direction of TCP and reads the other to its end. Closing a socket with unread bytes
/// would reset the connection, and the client might lose our Close frame (§7.1.1).
fn end_tcp(stream: &TcpStream, reader: impl Read) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    io::copy(&mut reader.take(4 << 20), &mut io::sink())?;
    Ok(())
}
