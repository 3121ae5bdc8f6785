//! Clients that are slow, broken, vanishing or malicious. They must not harm the others, and must
//! learn which kind of rule they broke.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::random::Random;
use crate::raw::{REQUEST, Raw, masked};
use crate::server::{HANDSHAKE, MAX_FRAGMENTS, MAX_MESSAGE_LEN, PATIENCE};

const MOMENT: Duration = Duration::from_millis(1);

/// Sends a message byte by byte, which must be echoed like any other.
pub(crate) fn write_slowly(address: SocketAddr, random: &mut Random) -> Outcome<()> {
    let mut raw = Raw::connect(address)?;
    let payload = random.bytes(200);
    let mut bytes = REQUEST.as_bytes().to_vec();
    bytes.extend(masked(0x89, b"ping"));
    bytes.extend(masked(0x02, &payload[..90]));
    bytes.extend(masked(0x80, &payload[90..]));
    for byte in &bytes {
        raw.0.write_all(&[*byte])?;
        thread::sleep(MOMENT);
    }
    if raw.read_status()? != 101 || raw.read_message()? != payload {
        return Err("a message that was written slowly came back changed".into());
    }
    close(&mut raw)
}

/// Reads an echo late, which must wait, and be complete.
pub(crate) fn read_slowly(address: SocketAddr, random: &mut Random) -> Outcome<()> {
    let mut raw = Raw::upgraded(address)?;
    let payload = random.bytes(MAX_MESSAGE_LEN);
    raw.0.write_all(&masked(0x82, &payload))?;
    thread::sleep(Duration::from_millis(random.below(300) as u64));
    if raw.read_message()? != payload {
        return Err("a message that was read slowly came back changed".into());
    }
    close(&mut raw)
}

fn close(raw: &mut Raw) -> Outcome<()> {
    raw.0.write_all(&masked(0x88, &1000_u16.to_be_bytes()))?;
    match raw.read_close()? {
        1000 => raw.read_to_end(),
        code => Err(format!("Close 1000 is answered with {code}").into()),
    }
}

/// Breaks a rule. The server must close with the right code.
pub(crate) fn break_a_rule(address: SocketAddr, random: &mut Random) -> Outcome<()> {
    let huge = [&[0x82, 0xff][..], &(1_u64 << 40).to_be_bytes(), b"keys"].concat();
    let signed = [&[0x82, 0xff][..], &(1_u64 << 63).to_be_bytes(), b"keys"].concat();
    let cases = [
        ("not masked", vec![0x81, 0x01, b'a'], 1002),
        ("reserved bit", masked(0xA1, b""), 1002),
        ("reserved opcode", masked(0x83, b""), 1002),
        ("continuation of nothing", masked(0x80, b""), 1002),
        ("message inside another", [masked(0x01, b""), masked(0x81, b"")].concat(), 1002),
        ("Ping in fragments", masked(0x09, b""), 1002),
        ("Ping too long", masked(0x89, &[0; 126]), 1002),
        ("length not minimal", vec![0x82, 0xfe, 0, 5, 1, 2, 3, 4], 1002),
        ("Close of one byte", masked(0x88, b"a"), 1002),
        ("Close 1006", masked(0x88, &1006_u16.to_be_bytes()), 1002),
        ("not UTF-8", masked(0x81, b"\xC3\x28"), 1007),
        ("character cut", masked(0x81, b"\xE8\xAA"), 1007),
        ("highest bit of a length", signed, 1002),
        ("huge length", huge, 1009),
    ];
    let (name, bytes, code) = random.pick(&cases);
    let mut raw = Raw::upgraded(address)?;
    raw.0.write_all(bytes)?;
    match raw.read_close()? {
        told if told == *code => raw.read_to_end(),
        told => Err(format!("{name}: {told} instead of {code}").into()),
    }
}

/// Sends an invalid request. The server must answer with the right status.
pub(crate) fn break_the_handshake(address: SocketAddr, random: &mut Random) -> Outcome<()> {
    let with = |from: &str, to: &str| REQUEST.replacen(from, to, 1);
    let cases = [
        ("POST", with("GET", "POST"), 405),
        ("HTTP/1.0", with("HTTP/1.1", "HTTP/1.0"), 505),
        ("no upgrade", with("Upgrade: websocket\r\n", ""), 426),
        ("version 12", with("Version: 13", "Version: 12"), 426),
        ("short key", with("dGhl", ""), 400),
        ("no host", with("Host: localhost\r\n", ""), 400),
        ("not HTTP", "hello\r\n\r\n".into(), 400),
        ("too much", with("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(20_000))), 431),
    ];
    let (name, request, status) = random.pick(&cases);
    let mut raw = Raw::connect(address)?;
    raw.0.write_all(request.as_bytes())?;
    match raw.read_status()? {
        told if told == *status => raw.read_to_end(),
        told => Err(format!("{name}: {told} instead of {status}").into()),
    }
}

/// Disconnects at some point, in one way or another.
pub(crate) fn vanish(address: SocketAddr, random: &mut Random) -> Outcome<()> {
    if random.one_in(4) {
        let mut raw = Raw::connect(address)?;
        raw.0.write_all(&REQUEST.as_bytes()[..random.below(REQUEST.len())])?;
        return Ok(());
    }
    let mut raw = Raw::upgraded(address)?;
    let len = random.below(100_000);
    let frame = masked(0x82, &random.bytes(len));
    let cut = if random.one_in(2) { frame.len() } else { random.below(frame.len()) };
    raw.0.write_all(&frame[..cut])?;
    match random.below(3) {
        // The echo is unread, so the system resets the connection.
        0 => thread::sleep(MOMENT),
        1 => {
            raw.0.shutdown(Shutdown::Write)?;
            raw.read_to_end()?;
        }
        _ => {}
    }
    Ok(())
}

/// Floods the server without reading. The server must close with 1009 after too many fragments. In
/// the other cases it must survive.
pub(crate) fn flood(address: SocketAddr, random: &mut Random) -> Outcome<()> {
    let mut raw = Raw::upgraded(address)?;
    match random.below(3) {
        0 => {
            let frame = if random.one_in(2) { masked(0x00, b"") } else { masked(0x00, b"x") };
            raw.0.write_all(&masked(0x02, b""))?;
            // The server may close before all of this has arrived.
            let _ = raw.0.write_all(&frame.repeat(MAX_FRAGMENTS as usize * 4));
            told_too_big(&mut raw)
        }
        1 => write_until_cut(&mut raw, &masked(0x89, &[0x61; 125]).repeat(500)),
        _ => write_until_cut(&mut raw, &masked(0x82, &random.bytes(100_000))),
    }
}

fn told_too_big(raw: &mut Raw) -> Outcome<()> {
    match raw.read_close()? {
        1009 => raw.read_to_end(),
        code => Err(format!("{code} instead of 1009").into()),
    }
}

/// Writes until the server takes no more, or for a second. Then the socket is dropped.
fn write_until_cut(raw: &mut Raw, bytes: &[u8]) -> Outcome<()> {
    raw.0.set_write_timeout(Some(Duration::from_secs(1)))?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        match raw.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            outcome => outcome?,
        };
    }
    Ok(())
}

/// Sends a head that does not end in time, byte by byte or not at all. The answer must be 408.
pub(crate) fn drip_a_head(address: SocketAddr, random: &mut Random) -> Outcome<()> {
    let mut raw = Raw::connect(address)?;
    let is_silent = random.one_in(2);
    raw.0.write_all(b"GET / HTTP/1.1\r\nX: ")?;
    let start = Instant::now();
    while start.elapsed() < HANDSHAKE + PATIENCE {
        raw.0.set_read_timeout(Some(Duration::from_millis(20)))?;
        match raw.0.peek(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => {
                outcome?;
                break;
            }
        }
        if !is_silent {
            raw.0.write_all(b"x")?;
        }
    }
    raw.0.set_read_timeout(Some(PATIENCE))?;
    match raw.read_status()? {
        408 => raw.read_to_end(),
        status => Err(format!("{status} instead of 408").into()),
    }
}

/// Sends a message that is longer than the limit, with compression a decompression bomb. The server
/// must close with 1009.
pub(crate) fn explode(address: SocketAddr, random: &mut Random) -> Outcome<()> {
    let client = tightwire::Client::new();
    #[cfg(feature = "deflate")]
    let client = client.deflate(tightwire::deflate::DeflateConfig::new());
    let mut ws = client.connect(&format!("ws://{address}/"))?;
    let bomb = vec![0_u8; MAX_MESSAGE_LEN * (random.below(8) + 1) + 1];
    // The server may close before all of it has arrived.
    let _ = ws.send(&bomb);
    while ws.recv()?.is_some() {}
    match ws.close_status().map(tightwire::CloseStatus::code) {
        Some(1009) => Ok(()),
        other => Err(format!("a bomb ended with {other:?}").into()),
    }
}
