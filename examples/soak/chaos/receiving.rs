//! Receivers that read in fits and starts, with every call that receives.

use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tightwire::{
    CloseStatus, Error, Message, MessageKind, MessageReader, Operation, Receiver, WebSocket,
};

use super::findings::lock;
use super::message::{Arrivals, GUIDE, check, head};
use super::pair::{PONG, Pair};
use super::plan::{Ending, SIDES};
use crate::random::Random;

/// How long a slow handler sleeps.
const SLOW: Duration = Duration::from_secs(3);

/// Something that receives.
#[derive(Debug)]
pub(crate) enum Half {
    Whole(WebSocket),
    Split(Receiver),
}

/// How a receiver ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Without a Close frame it is 1006, as in the RFC.
    pub(crate) code: u16,
    pub(crate) error: Option<String>,
    pub(crate) arrivals: Arrivals,
}

/// A message, or the beginning of one that was not read to its end.
type Arrived = Result<(usize, u64), String>;

impl Half {
    fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message>, Error> {
        match self {
            Self::Whole(ws) => ws.recv_timeout(timeout),
            Self::Split(receiver) => receiver.recv_timeout(timeout),
        }
    }

    fn recv(&mut self) -> Result<Option<Message>, Error> {
        match self {
            Self::Whole(ws) => ws.recv(),
            Self::Split(receiver) => receiver.recv(),
        }
    }

    fn recv_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        match self {
            Self::Whole(ws) => ws.recv_reader(),
            Self::Split(receiver) => receiver.recv_reader(),
        }
    }

    fn code(&self) -> Option<u16> {
        let status = match self {
            Self::Whole(ws) => ws.close_status(),
            Self::Split(receiver) => receiver.close_status(),
        };
        status.map(CloseStatus::code)
    }
}

/// Receives until the end of the connection, or until the plan takes the receiver away.
pub(crate) fn receive(pair: &Pair, side: usize, mut half: Half, random: &mut Random) -> Ended {
    let own = &pair.ends[side];
    let (mut arrivals, mut error, mut next_pause) = (Arrivals::default(), None, Instant::now());
    while !own.leaves.load(Ordering::SeqCst) {
        match next(&mut half, random) {
            Ok(Some(arrived)) => {
                let noted = arrived.and_then(|(author, number)| {
                    arrivals.note(author, number)?;
                    Ok((author, number))
                });
                match noted {
                    Ok((GUIDE, number)) => be_busy(pair, side, number),
                    Ok(_) => {}
                    Err(wrong) => pair.violation("a message is not as it was sent", wrong),
                }
            }
            Ok(None) => break,
            Err(Error::Timeout(Operation::Receive | Operation::Flush)) => {}
            Err(Error::Protocol(wrong)) => {
                pair.violation("a peer is said to break the protocol", wrong);
            }
            Err(other) => {
                error.get_or_insert_with(|| other.to_string());
            }
        }
        if Instant::now() >= next_pause {
            thread::sleep(pair.plan.pause.mul_f64(random.below(100) as f64 / 100.0));
            next_pause = Instant::now() + Duration::from_millis(random.below(200) as u64);
        }
        if own.naps.swap(false, Ordering::SeqCst) {
            own.is_napping.store(true, Ordering::SeqCst);
            thread::sleep(SLOW);
        }
    }
    let code = leave(pair, side, half, &mut error);
    if error.is_some() && !pair.may_end.load(Ordering::SeqCst) {
        let example = format!("{}: {error:?}", SIDES[side]);
        pair.violation("a connection ends too early", example);
    }
    Ended { code, error, arrivals }
}

/// Closes a connection if the plan requires it, and drops it.
fn leave(pair: &Pair, side: usize, mut half: Half, error: &mut Option<String>) -> u16 {
    if let (Half::Whole(ws), Ending::CloseWhole(closer)) = (&mut half, pair.plan.ending) {
        if closer == side {
            if let Err(failure) = ws.close() {
                error.get_or_insert_with(|| failure.to_string());
            }
        }
    }
    half.code().unwrap_or(1006)
}

/// Receives a message with one of the calls.
fn next(half: &mut Half, random: &mut Random) -> Result<Option<Arrived>, Error> {
    let message = match random.below(10) {
        0..=6 => half.recv_timeout(Duration::from_millis(random.below(30) as u64)),
        7 => half.recv(),
        _ => return read(half, random),
    };
    Ok(message?.map(|message| check(&message)))
}

/// Reads a message in pieces, and not always to its end.
fn read(half: &mut Half, random: &mut Random) -> Result<Option<Arrived>, Error> {
    let Some(mut reader) = half.recv_reader()? else { return Ok(None) };
    let (kind, mut bytes) = (reader.kind(), Vec::new());
    reader.set_timeout(random.one_in(2).then_some(Duration::from_millis(3)));
    let gives_up = random.one_in(4);
    let mut piece = vec![0; 1 + random.below(20_000)];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => return Err(error.into()),
        }
        if gives_up && bytes.contains(&b'\n') {
            // The next receive skips the rest.
            let head = head(&bytes);
            return Ok(Some(head.map(|[author, number, _]| (author as usize, number))));
        }
    }
    Ok(Some(match kind {
        MessageKind::Binary => check(&Message::Binary(bytes)),
        MessageKind::Text => String::from_utf8(bytes)
            .map_err(|error| error.to_string())
            .and_then(|text| check(&Message::Text(text))),
    }))
}

/// Plays a handler that is busy until the Ping before its message is answered. The receiver has
/// seen that Ping, so the Pong must not wait for the next receive.
fn be_busy(pair: &Pair, side: usize, number: u64) {
    let (peer, start) = (&pair.ends[1 - side], Instant::now());
    let Some((_, ping)) = lock(&peer.ping).take_if(|(before, _)| *before == number) else { return };
    while peer.record.awaits(&ping) {
        if start.elapsed() > PONG {
            return pair.violation("a Pong waits for a busy handler", SIDES[side]);
        }
        thread::sleep(Duration::from_millis(1));
    }
}
