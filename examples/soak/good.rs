//! Clients that keep the rules, and check every byte that comes back.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;

use tightwire::{
    Client, CloseCode, ClosedBy, Message, MessageKind, MessageRef, Receiver, Sender, WebSocket,
};

use crate::Outcome;
use crate::random::Random;
use crate::server::{MAX_MESSAGE_LEN, PATIENCE};

fn connect(address: SocketAddr, random: &mut Random) -> Outcome<WebSocket> {
    let client = Client::new().fragment_len(*random.pick(&[100_000, 1 << 20]));
    #[cfg(feature = "deflate")]
    let client = match random.below(3) {
        0 => client.deflate(tightwire::deflate::DeflateConfig::new()),
        1 => client.deflate(tightwire::deflate::DeflateConfig::new().no_context_takeover()),
        _ => client,
    };
    Ok(client.connect(&format!("ws://{address}/"))?)
}

fn message(random: &mut Random) -> Message {
    let len = match random.below(100) {
        0 => random.below(MAX_MESSAGE_LEN - 3),
        1 => *random.pick(&[0, 125, 126, 65_535, 65_536]),
        2..=20 => random.below(20_000),
        _ => random.below(300),
    };
    if random.one_in(2) { random.text(len).into() } else { random.bytes(len).into() }
}

/// Sends messages one after the other, with all calls that send, and waits for each echo.
pub(crate) fn in_turn(address: SocketAddr, random: &mut Random) -> Outcome<()> {
    let mut ws = connect(address, random)?;
    for _ in 0..random.below(40) {
        let message = message(random);
        match random.below(8) {
            0 => {
                let mut writer = ws.writer(MessageRef::from(&message).kind());
                for part in message.as_bytes().chunks(random.below(10_000) + 1) {
                    writer.write_all(part)?;
                }
                writer.finish()?;
            }
            1 => {
                ws.ping(b"are you there?")?;
                ws.send(&message)?;
            }
            _ => ws.send(&message)?,
        }
        if random.one_in(8) {
            read_in_pieces(&mut ws, &message)?;
        } else {
            expect(&message, ws.recv_timeout(PATIENCE)?)?;
        }
    }
    ws.close_with(CloseCode::NORMAL, "that was all")?;
    check_end(ws.close_status().map(|status| (status.code(), status.closed_by())))
}

fn read_in_pieces(ws: &mut WebSocket, message: &Message) -> Outcome<()> {
    let mut reader = ws.recv_reader()?.ok_or("the server has closed")?;
    reader.set_timeout(Some(PATIENCE));
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let received = match reader.kind() {
        MessageKind::Text => Message::Text(String::from_utf8(bytes)?),
        MessageKind::Binary => Message::Binary(bytes),
    };
    expect(message, Some(received))
}

/// Sends in one thread and receives in another: no message may be lost, doubled or out of order.
pub(crate) fn at_once(address: SocketAddr, random: &mut Random) -> Outcome<()> {
    let (sender, receiver) = connect(address, random)?.split();
    let messages: Vec<Message> = (0..random.below(200)).map(|_| message(random)).collect();
    let is_fed = random.one_in(2);
    thread::scope(|scope| {
        let sending = scope.spawn(|| send_all(&sender, &messages, is_fed));
        let received = receive_all(receiver, &messages);
        sending.join().map_err(|_| "the sender panicked")??;
        received
    })
}

fn send_all(sender: &Sender, messages: &[Message], is_fed: bool) -> Result<(), tightwire::Error> {
    for message in messages {
        if is_fed { sender.feed(message) } else { sender.send(message) }?;
    }
    sender.flush()?;
    sender.close()
}

fn receive_all(mut receiver: Receiver, messages: &[Message]) -> Outcome<()> {
    for message in messages {
        expect(message, receiver.recv_timeout(PATIENCE)?)?;
    }
    if let Some(message) = receiver.recv()? {
        return Err(format!("a message of {} bytes too many", message.len()).into());
    }
    check_end(receiver.close_status().map(|status| (status.code(), status.closed_by())))
}

fn check_end(end: Option<(u16, ClosedBy)>) -> Outcome<()> {
    match end {
        Some((1000, ClosedBy::Us)) => Ok(()),
        other => Err(format!("it ended with {other:?}").into()),
    }
}

fn expect(sent: &Message, received: Option<Message>) -> Outcome<()> {
    match received {
        Some(received) if received == *sent => Ok(()),
        Some(received) => {
            Err(format!("{} bytes came back as {} others", sent.len(), received.len()).into())
        }
        None => Err("closed instead of echoed".into()),
    }
}
