//! Sends messages to a server on loopback, so that `run` can count the server's instructions.
//!
//! ```text
//! load ADDRESS DEPTH LEN COUNT
//! ```

use std::env;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, depth, len, count] = arguments.as_slice() else {
        return Err("ADDRESS DEPTH LEN COUNT".into());
    };
    let (depth, len, count) =
        (depth.parse::<usize>()?, len.parse::<u8>()?, count.parse::<usize>()?);
    let mut stream = TcpStream::connect(address.as_str())?;
    stream.set_nodelay(true)?;
    stream.write_all(REQUEST)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    // The payload is zero, so that its masked form is the key.
    let mut question = vec![0x82, 0x80 | len];
    question.extend([1, 2, 3, 4].iter().cycle().take(4 + usize::from(len)));
    let mut answer = vec![0x82, len];
    answer.resize(2 + usize::from(len), 0);
    let (questions, answers) = (question.repeat(depth), answer.repeat(depth));
    let mut received = vec![0; answers.len()];
    for _ in 0..count / depth {
        stream.write_all(&questions)?;
        stream.read_exact(&mut received)?;
        if received != answers {
            return Err("an answer is wrong".into());
        }
    }
    Ok(())
}
