//! The two threads of a node that serve no connection: one reads the new lines of its rooms, the
//! other renews the places of its members.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redis::streams::{StreamKey, StreamReadReply};
use redis::{Connection, RedisResult};

use crate::engine::millis;
use crate::room::{Position, Room};
use crate::rooms::Rooms;
use crate::store::{PLACE, has, line, wake_key};
use crate::words::LineId;

/// How long Redis waits for a new entry before it answers that there is none.
const BLOCK: Duration = Duration::from_secs(1);
/// How long we wait for that answer. Without one, Redis is unreachable.
const ANSWER: Duration = Duration::from_secs(3);
/// The maximum number of lines of a room that are read at once.
const LINES: usize = 100;

/// How often the places of members are renewed: several times before they expire.
const STAY_EVERY: Duration = Duration::from_secs(1);
/// How often to try Redis while it is unreachable.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Passes new lines on to the members of all rooms, and never returns. After an outage of Redis, it
/// continues after the last line.
pub(crate) fn read(rooms: &Rooms) {
    loop {
        let engine = rooms.store().engine();
        let era = engine.era();
        let Err(error) = read_on(rooms);
        engine.miss(&error, era);
        thread::sleep(LOOK_EVERY);
    }
}

/// Renews the places of all members, or tries to reach Redis, and never returns.
pub(crate) fn stay(rooms: &Rooms) {
    let (node, engine) = (rooms.id(), rooms.store().engine());
    loop {
        if engine.probe(node, PLACE).is_ok() {
            rooms.all().iter().for_each(|room| room.stay(rooms.store()));
            thread::sleep(STAY_EVERY);
        } else {
            thread::sleep(LOOK_EVERY);
        }
    }
}

fn read_on(rooms: &Rooms) -> RedisResult<Infallible> {
    let mut connection = rooms.store().engine().connect(ANSWER)?;
    for room in rooms.all() {
        look_back(&mut connection, &room)?;
    }
    let wake = wake_key(rooms.id());
    let mut woken = LineId::default();
    loop {
        let open: Vec<_> =
            rooms.all().into_iter().filter_map(|room| Some((room.position()?, room))).collect();
        for stream in wait(&mut connection, &wake, woken, &open)? {
            if stream.key == wake {
                woken = last(&stream).unwrap_or(woken);
            } else {
                hand_on(rooms, &open, &stream);
            }
        }
    }
}

/// Tells the members that they may have missed lines, if Redis no longer has the last line that
/// they got.
fn look_back(connection: &mut Connection, room: &Room) -> RedisResult<()> {
    let last = room.position().map(|position| position.last).unwrap_or_default();
    if !last.is_none() && !has(connection, &room.keys, last)? {
        room.tell_missed();
    }
    Ok(())
}

/// Waits for a new line in a room, for a member that comes or leaves, or for a new room.
fn wait(
    connection: &mut Connection,
    wake: &str,
    woken: LineId,
    open: &[(Position, Arc<Room>)],
) -> RedisResult<Vec<StreamKey>> {
    let mut command = redis::cmd("XREAD");
    command.arg("COUNT").arg(LINES).arg("BLOCK").arg(millis(BLOCK)).arg("STREAMS").arg(wake);
    for (_, room) in open {
        command.arg(&room.keys.said).arg(&room.keys.moves);
    }
    command.arg(woken.to_string());
    for (position, _) in open {
        command.arg(position.last.to_string()).arg(position.moves.to_string());
    }
    let reply: Option<StreamReadReply> = command.query(connection)?;
    Ok(reply.map(|reply| reply.keys).unwrap_or_default())
}

fn hand_on(rooms: &Rooms, open: &[(Position, Arc<Room>)], stream: &StreamKey) {
    for (_, room) in open {
        if stream.key == room.keys.said {
            room.tell(stream.ids.iter().filter_map(line));
        } else if stream.key == room.keys.moves {
            if let Some(number) = last(stream) {
                room.note_move(rooms.store(), number);
            }
        }
    }
}

fn last(stream: &StreamKey) -> Option<LineId> {
    stream.ids.last().and_then(|entry| LineId::parse(&entry.id))
}
