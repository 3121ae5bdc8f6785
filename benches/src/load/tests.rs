//! Tests that the load detects a server that does not echo.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::engine::Engine;
use super::message::{Content, Template};
use crate::servers::upgrade;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    Honest,
    InFragments,
    AfterPing,
    LastByteChanged,
    FirstByteChanged,
    OneByteLess,
    OneByteMore,
    /// The first message, whichever was sent.
    Stale,
    Twice,
    WithOtherOpcode,
    WithReservedBit,
    Close,
    End,
}

fn start(answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || serve(stream.unwrap(), answer));
        }
    });
    address
}

fn serve(mut stream: TcpStream, answer: Answer) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    stream.write_all(&upgrade::response(&head))?;
    let mut first = None;
    loop {
        let (opcode, mut payload) = read_frame(&mut stream)?;
        match answer {
            Answer::Honest | Answer::InFragments | Answer::Twice | Answer::WithReservedBit => {}
            Answer::WithOtherOpcode => {}
            Answer::AfterPing => stream.write_all(&[0x89, 1, b'?'])?,
            Answer::LastByteChanged => *payload.last_mut().unwrap() ^= 1,
            Answer::FirstByteChanged => payload[0] ^= 1,
            Answer::OneByteLess => drop(payload.pop()),
            Answer::OneByteMore => payload.push(0),
            Answer::Stale => payload = first.get_or_insert(payload).clone(),
            Answer::Close => return stream.write_all(&[0x88, 2, 3, 232]),
            Answer::End => return Ok(()),
        }
        match answer {
            Answer::InFragments => {
                let (a, b) = payload.split_at(payload.len() / 3);
                stream.write_all(&[frame(opcode, a), frame(0x80, b)].concat())?;
            }
            Answer::WithOtherOpcode => stream.write_all(&frame(opcode ^ 0x83, &payload))?,
            Answer::WithReservedBit => stream.write_all(&frame(opcode | 0xC0, &payload))?,
            _ => stream.write_all(&frame(opcode | 0x80, &payload))?,
        }
        if answer == Answer::Twice {
            stream.write_all(&frame(opcode | 0x80, &payload))?;
        }
        if answer == Answer::AfterPing {
            assert_eq!(read_frame(&mut stream)?, (10, b"?".to_vec()));
        }
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = match payload.len() {
        len @ 0..126 => vec![first, len as u8],
        len => [&[first, 127][..], &(len as u64).to_be_bytes()].concat(),
    };
    frame.extend_from_slice(payload);
    frame
}

fn read_frame(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut start = [0; 2];
    stream.read_exact(&mut start)?;
    let mut len = [0; 8];
    match start[1] & 0x7F {
        126 => stream.read_exact(&mut len[6..])?,
        127 => stream.read_exact(&mut len)?,
        short => len[7] = short,
    }
    let mut key = [0; 4];
    stream.read_exact(&mut key)?;
    let mut payload = vec![0; u64::from_be_bytes(len) as usize];
    stream.read_exact(&mut payload)?;
    payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    Ok((start[0] & 0x0F, payload))
}

/// Exchanges some messages, or returns the error that the load found.
fn exchange(answer: Answer, content: Content, len: usize, depth: usize) -> io::Result<()> {
    let mut engine = Engine::new(start(answer), Template::new(content, len))?;
    engine.open(2)?;
    engine.sends_again = answer != Answer::AfterPing;
    engine.send_all(depth)?;
    let mut messages = 0;
    while messages < 2 * depth * if engine.sends_again { 10 } else { 1 } {
        engine.step()?;
        messages += engine.messages();
    }
    Ok(())
}

#[test]
fn an_honest_server_passes() {
    for content in [Content::Binary, Content::Ascii, Content::Mixed] {
        for (len, depth) in [(8, 1), (32, 64), (125, 3), (126, 2), (70_000, 2), (1 << 20, 1)] {
            exchange(Answer::Honest, content, len, depth).unwrap();
            exchange(Answer::InFragments, content, len, depth).unwrap();
        }
    }
    exchange(Answer::AfterPing, Content::Binary, 100, 1).unwrap();
}

#[test]
fn a_server_that_cheats_is_found_out() {
    let cases = [
        (Answer::LastByteChanged, "is not what was sent"),
        (Answer::FirstByteChanged, "is not what was sent"),
        (Answer::OneByteLess, "is too short"),
        (Answer::OneByteMore, "is too long"),
        (Answer::Stale, "message 1 is not what was sent"),
        (Answer::Twice, "is not what was sent"),
        (Answer::WithOtherOpcode, "unexpected opcode 1"),
        (Answer::WithReservedBit, "reserved bits"),
        (Answer::Close, "ended the connection"),
        (Answer::End, "ended the connection"),
    ];
    for (answer, complaint) in cases {
        for (len, depth) in [(32, 1), (125, 16), (70_000, 1)] {
            let error = exchange(answer, Content::Binary, len, depth).unwrap_err().to_string();
            let is_reset = error.contains("reset by peer") || error.contains("Broken pipe");
            let may_reset = matches!(answer, Answer::Close | Answer::End);
            assert!(
                error.contains(complaint) || (may_reset && is_reset),
                "{answer:?}, {len} bytes: {error}"
            );
        }
    }
}
