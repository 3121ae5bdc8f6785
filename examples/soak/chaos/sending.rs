//! Threads that send, with every call that sends.

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tightwire::{Error, Message, MessageRef, Operation, PreparedMessage, SendError, Sender};

use super::findings::add;
use super::message::{HUB, make};
use super::pair::{GIVE_UP, Pair};
use crate::random::Random;

/// The result of a call that sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    Accepted,
    /// The call may be repeated.
    Refused,
    /// The connection is at its end.
    Over,
}

/// Sends messages until the pair must be quiet or the connection ends.
pub(crate) fn send(pair: &Pair, side: usize, author: usize, random: &mut Random) {
    let sender = &pair.ends[side].sender;
    while !pair.is_quiet.load(Ordering::SeqCst) {
        let number = pair.ends[side].sent[author].load(Ordering::SeqCst) + 1;
        let message = make(author, number, pair.len(random));
        let outcome = match random.below(12) {
            0 => stream(sender, &message, random),
            1..=3 => sender.feed(&message),
            4 => sender.send_prepared(&PreparedMessage::new(&message)),
            5 => sender.uncompressed().send(&message),
            _ => sender.send(&message),
        };
        if pair.note_sent(side, author, outcome) == Fate::Over {
            return;
        }
        if random.one_in(4) && matches!(pair.ping(side), Err(Fate::Over)) {
            return;
        }
        if random.one_in(3) {
            thread::sleep(Duration::from_millis(random.below(10) as u64));
        }
    }
}

/// Sends a message with a writer. A writer that times out keeps its place.
fn stream(sender: &Sender, message: &Message, random: &mut Random) -> Result<(), Error> {
    let mut writer = sender.writer(MessageRef::from(message).kind());
    let mut bytes = message.as_bytes();
    while !bytes.is_empty() {
        let piece = &bytes[..bytes.len().min(1 + random.below(40_000))];
        match writer.write(piece) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => return Err(closed(error)),
        }
    }
    // A refused end would close the connection.
    while let Err(error) = sender.flush() {
        if !matches!(error, Error::Timeout(_)) {
            return Err(error);
        }
    }
    writer.finish()
}

/// The error of a writer, as that of a sender.
pub(crate) fn closed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe if error.raw_os_error().is_none() => SendError::Closed.into(),
        _ => error.into(),
    }
}

/// Broadcasts to both ends, sometimes in storms.
pub(crate) fn broadcast(pair: &Pair, which: usize, random: &mut Random) {
    let mut number = 0;
    while !pair.is_quiet.load(Ordering::SeqCst) {
        for _ in 0..if random.one_in(10) { 30 } else { 1 } {
            number += 1;
            let message = make(HUB + which, number, pair.len(random) / 8);
            let report = if random.one_in(2) {
                pair.hub.broadcast(&message)
            } else {
                pair.hub.broadcast_prepared(&PreparedMessage::new(&message))
            };
            add(&pair.notes.broadcasts, report.delivered);
        }
        thread::sleep(Duration::from_millis(random.below(6) as u64));
    }
}

/// Writes everything that was accepted, however many write timeouts that takes.
pub(crate) fn flush(pair: &Pair, side: usize) {
    let start = Instant::now();
    loop {
        match pair.ends[side].sender.flush() {
            Ok(()) => return,
            Err(Error::Timeout(Operation::Flush)) if start.elapsed() < GIVE_UP => {}
            Err(error) => return pair.violation("messages cannot be flushed", error),
        }
    }
}
