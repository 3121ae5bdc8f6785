//! Checks of messages, fragments, Pings and Pongs.

use std::fmt::Debug;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use tightwire::{Message, MessageKind, WebSocket};

use super::{explain, plainly};
use crate::Failure;
use crate::echo::text;
use crate::peer::Role;
use crate::session::{Connection, Session};

/// Characters of one to four bytes, and one that ends strings in C.
pub(crate) const UNICODE: &str = "Grüße, 世界 🦀\0 a";

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn text_echo(session: &Session) -> Result<(), Failure> {
    plainly(session, |Connection { ws, .. }| {
        expect_messages(ws, &[text("Hello"), text(UNICODE), text("Hello again")])
    })
}

pub(crate) fn lengths(session: &Session) -> Result<(), Failure> {
    plainly(session, |Connection { ws, .. }| {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            expect_messages(ws, &[Message::Binary(bytes(len)), text("a".repeat(len))])?;
        }
        Ok(())
    })
}

pub(crate) fn one_mib(session: &Session) -> Result<(), Failure> {
    long(session, 1 << 20)
}

pub(crate) fn eight_mib(session: &Session) -> Result<(), Failure> {
    long(session, 8 << 20)
}

fn long(session: &Session, len: usize) -> Result<(), Failure> {
    plainly(session, |Connection { ws, .. }| {
        // Euro signs have three bytes, so buffers of the peer end inside of some.
        expect_messages(ws, &[Message::Binary(bytes(len)), text("€uro".repeat(len / 6))])
    })
}

pub(crate) fn fragments(session: &Session) -> Result<(), Failure> {
    plainly(session, |Connection { ws, .. }| {
        let (first, rest) = UNICODE.as_bytes().split_at(UNICODE.len() - 5);
        let (second, third) = rest.split_at(2);
        send_fragments(ws, first, second, third).map_err(|error| format!("sending: {error}"))?;
        expect("the echo", receive(ws)?, Some(text(UNICODE)))?;
        await_pong(ws)
    })
}

fn send_fragments(
    ws: &WebSocket,
    first: &[u8],
    second: &[u8],
    third: &[u8],
) -> std::io::Result<()> {
    let mut writer = ws.writer(MessageKind::Text);
    writer.write_all(first)?;
    writer.flush()?;
    ws.sender().measure_latency()?;
    writer.write_all(second)?;
    writer.flush()?;
    writer.write_all(third)?;
    Ok(writer.finish()?)
}

/// `latency` is set by a Pong with the payload of our Ping, and by no other.
pub(crate) fn ping(session: &Session) -> Result<(), Failure> {
    plainly(session, |Connection { ws, .. }| {
        ws.sender().measure_latency().map_err(explain("a Ping"))?;
        await_pong(ws)?;
        // The longest one there is: as many bytes come back, after a header and maybe a mask.
        let before = ws.counters();
        ws.ping(&[b'x'; 125]).map_err(explain("a Ping"))?;
        let begin = Instant::now();
        loop {
            let counters = ws.counters();
            let sent = counters.bytes_sent - before.bytes_sent;
            let received = counters.bytes_received - before.bytes_received;
            if received >= 127 {
                let mask = other_mask(sent, 127)?;
                return expect("the bytes of the Pong", received, 127 + mask);
            }
            await_more(ws, begin, "a Pong with 125 bytes")?;
        }
    })
}

fn await_pong(ws: &mut WebSocket) -> Result<(), Failure> {
    let begin = Instant::now();
    while ws.latency().is_none() {
        await_more(ws, begin, "a Pong with the payload of the Ping")?;
    }
    Ok(())
}

fn await_more(ws: &mut WebSocket, begin: Instant, what: &str) -> Result<(), Failure> {
    match ws.recv_timeout(Duration::from_millis(20)) {
        Err(error) if error.is_fatal() => Err(format!("instead of {what}: {error:#}")),
        Err(_) if begin.elapsed() < Duration::from_secs(5) => Ok(()),
        Err(_) => Err(format!("there is no {what} after five seconds")),
        Ok(message) => Err(format!("instead of {what}: {message:?}")),
    }
}

/// The length of the masks in the peer's frames, if ours took `sent` bytes and `plain` without one.
fn other_mask(sent: u64, plain: u64) -> Result<u64, Failure> {
    match sent.checked_sub(plain) {
        Some(0) => Ok(4),
        Some(4) => Ok(0),
        _ => Err(format!("{sent} bytes were sent in place of {plain}, with or without a mask")),
    }
}

/// The peer's Ping and our Pong are seen as bytes that no message accounts for.
pub(crate) fn peer_pings(session: &Session) -> Result<(), Failure> {
    plainly(session, |Connection { ws, .. }| {
        let before = ws.counters();
        expect_messages(ws, &[text("before")])?;
        let echo = ws.counters();
        ws.send("!ping").map_err(explain("sending"))?;
        expect_messages(ws, &[text("after!")])?;
        let one = echo.bytes_received - before.bytes_received;
        let begin = Instant::now();
        while ws.counters().bytes_received - echo.bytes_received == one {
            await_more(ws, begin, "a Ping")?;
        }
        let after = ws.counters();
        let ping = (after.bytes_received - echo.bytes_received).saturating_sub(one);
        let one = echo.bytes_sent - before.bytes_sent;
        // "!ping" has one byte less than the other messages.
        let pong = (after.bytes_sent - echo.bytes_sent).saturating_sub(one + one - 1);
        // One of the two has a mask.
        let (masked, plain) =
            if session.role == Role::Client { (ping, pong) } else { (pong, ping) };
        if plain >= 2 && masked == plain + 4 {
            return Ok(());
        }
        Err(format!("a Ping of {ping} bytes and a Pong of {pong}"))
    })
}

pub(crate) fn peer_fragments(session: &Session) -> Result<(), Failure> {
    plainly(session, |Connection { ws, .. }| {
        let before = ws.counters().bytes_received;
        ws.send("!fragments").map_err(explain("sending"))?;
        expect("the message", receive(ws)?, Some(text("one two three")))?;
        let bytes = ws.counters().bytes_received - before;
        let header = if session.role == Role::Client { 6 } else { 2 };
        // Some write an empty frame at the end.
        let frames = bytes.saturating_sub(13) / header;
        if frames >= 3 { Ok(()) } else { Err(format!("{frames} frames, not three")) }
    })
}

pub(crate) fn pipeline(session: &Session) -> Result<(), Failure> {
    plainly(session, |Connection { ws, .. }| {
        let messages: Vec<Message> =
            (0..1000)
                .map(|n| {
                    if n % 2 == 0 {
                        text(format!("message {n}"))
                    } else {
                        Message::Binary(bytes(n))
                    }
                })
                .collect();
        expect_messages(ws, &messages)
    })
}

/// Sends messages, and receives their echoes at the same time: a peer may echo while it reads.
pub(crate) fn expect_messages(ws: &mut WebSocket, messages: &[Message]) -> Result<(), Failure> {
    let sender = ws.sender();
    thread::scope(|scope| {
        let sending = scope.spawn(move || {
            messages
                .iter()
                .try_for_each(|message| sender.feed(message))
                .and_then(|()| sender.flush())
        });
        let received = messages.iter().enumerate().try_for_each(|(index, message)| {
            let what = format!("echo {index}");
            expect(&what, receive(ws)?.as_ref(), Some(message))
        });
        if received.is_err() {
            ws.sender().abort();
        }
        let sent = sending.join().map_err(|_| "the sender panicked")?;
        received.and_then(|()| sent.map_err(explain("sending")))
    })
}

pub(crate) fn receive(ws: &mut WebSocket) -> Result<Option<Message>, Failure> {
    let message = ws.recv_timeout(PATIENCE).map_err(explain("receiving"))?;
    match (&message, ws.close_status()) {
        (None, Some(status)) => {
            Err(format!("the peer closed with {} {:?}", status.code(), status.reason()))
        }
        _ => Ok(message),
    }
}

/// Bytes that repeat late.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
}

pub(crate) fn expect<T: Debug + PartialEq>(what: &str, got: T, wanted: T) -> Result<(), Failure> {
    if got == wanted {
        return Ok(());
    }
    let brief = |value: &T| {
        let shown = format!("{value:?}");
        let len = shown.chars().count();
        if len < 200 {
            shown
        } else {
            format!("{}... ({len} long)", shown.chars().take(100).collect::<String>())
        }
    };
    Err(format!("{what} is {}, not {}", brief(&got), brief(&wanted)))
}
