//! One connection: it joins a room, and talks.

use std::time::{Duration, Instant};

use tightwire::{CloseCode, Error, HandlerResult, Message, Operation, WebSocket};

use crate::room::{Rooms, Seat};
use crate::words::{Refusal, Reply, Request};

/// How long a client may be connected without joining a room.
const JOIN_WITHIN: Duration = Duration::from_secs(10);
/// How often to check for a new latency to show.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A member may send this many messages at once, and then one in each `ONE_IN`.
const AT_ONCE: u32 = 20;
const ONE_IN: Duration = Duration::from_millis(500);

/// The next input from the peer.
enum Heard {
    Request(Request),
    Silence,
    Nonsense(CloseCode, &'static str),
    End,
}

pub(crate) fn serve(rooms: &Rooms, ws: &mut WebSocket) -> HandlerResult {
    match hear(ws, JOIN_WITHIN)? {
        Heard::Request(Request::Join { room, name, session }) => {
            match rooms.enter(ws.sender(), &room, &name, &session) {
                Ok(seat) => return talk(ws, &seat),
                Err(why) => tell(ws, &Reply::Refused { key: None, why }),
            }
        }
        Heard::Request(Request::Say { .. }) | Heard::Silence => {
            part(ws, CloseCode::POLICY_VIOLATION, "join a room first");
        }
        Heard::Nonsense(code, why) => part(ws, code, why),
        Heard::End => {}
    }
    Ok(())
}

fn talk(ws: &mut WebSocket, seat: &Seat) -> HandlerResult {
    let mut pace = Pace::new();
    let mut shown = None;
    loop {
        match hear(ws, LOOK_EVERY)? {
            Heard::Request(Request::Say { key, text }) => {
                if let Err(why) = pace.step().and_then(|()| seat.say(&key, &text)) {
                    tell(ws, &Reply::Refused { key: Some(&key), why });
                }
            }
            Heard::Request(Request::Join { .. }) => {
                part(ws, CloseCode::POLICY_VIOLATION, "one room per connection");
                return Ok(());
            }
            Heard::Silence => {}
            Heard::Nonsense(code, why) => {
                part(ws, code, why);
                return Ok(());
            }
            Heard::End => return Ok(()),
        }
        if ws.latency() != shown {
            shown = ws.latency();
            let millis = shown.unwrap_or_default().as_secs_f64() * 1e3;
            tell(ws, &Reply::Latency { millis });
        }
    }
}

/// Sends a reply. If this fails, the next receive fails too, and ends the connection.
fn tell(ws: &WebSocket, reply: &Reply<'_>) {
    let _ = ws.send(reply.to_json());
}

/// Closes the connection. Errors do not matter, because the client is sent away in any case.
fn part(ws: &mut WebSocket, code: CloseCode, why: &str) {
    let _ = ws.close_with(code, why);
}

/// Waits up to `patience` for a request. In a chat, a broken connection is a normal end: people
/// close their laptops.
fn hear(ws: &mut WebSocket, patience: Duration) -> Result<Heard, Error> {
    match ws.recv_timeout(patience) {
        Ok(Some(Message::Text(text))) => Ok(match serde_json::from_str(&text) {
            Ok(request) => Heard::Request(request),
            Err(_) => Heard::Nonsense(CloseCode::POLICY_VIOLATION, "that is not a request"),
        }),
        Ok(Some(Message::Binary(_))) => {
            Ok(Heard::Nonsense(CloseCode::UNSUPPORTED_DATA, "only text messages are supported"))
        }
        Ok(None) => Ok(Heard::End),
        Err(Error::Timeout(Operation::Receive)) => Ok(Heard::Silence),
        Err(Error::Io(_) | Error::Timeout(_)) => Ok(Heard::End),
        Err(error) => Err(error),
    }
}

/// Keeps one member from flooding the others.
struct Pace {
    /// How many messages may be sent now.
    left: u32,
    /// When `left` last grew.
    since: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { left: AT_ONCE, since: Instant::now() }
    }

    fn step(&mut self) -> Result<(), Refusal> {
        let earned = self.since.elapsed().as_millis() / ONE_IN.as_millis();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(AT_ONCE).min(AT_ONCE);
            self.left = (self.left + earned).min(AT_ONCE);
            self.since = Instant::now();
        }
        self.left = self.left.checked_sub(1).ok_or("That was too much at once; wait a little.")?;
        Ok(())
    }
}
