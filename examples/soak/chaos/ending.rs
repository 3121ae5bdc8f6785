//! The ends of a pair.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tightwire::{Error, MessageKind, SendError};

use super::pair::{GIVE_UP, Pair};
use super::plan::{Ending, SIDES};

/// Begins the end of a connection. The receivers complete it.
pub(crate) fn bring_about(pair: &Arc<Pair>, ending: Ending) {
    if let Ending::PeerIsSlow(closer) = ending {
        fall_asleep(pair, 1 - closer);
    }
    if let Ending::CloserIsSlow(closer) = ending {
        fall_asleep(pair, closer);
    }
    pair.may_end.store(true, Ordering::SeqCst);
    match ending {
        Ending::Close(sides) | Ending::CloseAmidst(sides) => close_all(pair, sides),
        Ending::PeerIsSlow(side) | Ending::CloserIsSlow(side) => close(pair, side),
        Ending::Abort(side) => pair.ends[side].sender.abort(),
        Ending::Unfinished(side) => leave_unfinished(pair, side),
        Ending::CloseWhole(side) => {
            // `WebSocket::close` gives up if its Close frame meets the write timeout.
            pair.wire.set_calm(true);
            leave(pair, side);
        }
        Ending::Drop(side) => leave(pair, side),
    }
}

fn leave(pair: &Pair, side: usize) {
    pair.ends[side].leaves.store(true, Ordering::SeqCst);
    // The receiver may be waiting.
    pair.guide(1 - side, 10);
}

/// Makes a receiver sleep, as in a slow handler.
fn fall_asleep(pair: &Pair, side: usize) {
    pair.ends[side].naps.store(true, Ordering::SeqCst);
    if pair.guide(1 - side, 10).is_none() {
        return;
    }
    let start = Instant::now();
    while !pair.ends[side].is_napping.load(Ordering::SeqCst) && start.elapsed() < GIVE_UP {
        thread::sleep(Duration::from_millis(1));
    }
}

fn close_all(pair: &Arc<Pair>, sides: [bool; 2]) {
    let other = (sides[1]).then(|| {
        let shared = Arc::clone(pair);
        pair.notes.spawn("closer of the server".to_owned(), move || close(&shared, 1))
    });
    if sides[0] {
        close(pair, 0);
    }
    other.map(|thread| pair.notes.join(thread));
}

fn close(pair: &Pair, side: usize) {
    match pair.ends[side].sender.close() {
        // The peer may have been first.
        Ok(()) | Err(Error::Timeout(_) | Error::Send(SendError::Closed)) => {}
        // The hub or the peer may have ended the connection.
        Err(Error::Io(_) | Error::SlowPeer) if pair.plan.ending.is_amidst() => {}
        Err(error) => pair.violation("close fails", format!("{}: {error:#}", SIDES[side])),
    }
}

/// Begins a message and drops it: the connection is closed with 1011.
fn leave_unfinished(pair: &Pair, side: usize) {
    let mut writer = pair.ends[side].sender.writer(MessageKind::Binary);
    let start = Instant::now();
    while start.elapsed() < GIVE_UP {
        match writer.write(b"half a message").and_then(|_| writer.flush()) {
            // Another message is in progress.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            _ => return,
        }
    }
}
