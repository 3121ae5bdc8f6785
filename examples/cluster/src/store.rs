//! The data of a room in Redis, and the commands for it:
//!
//! | key | content |
//! | --- | --- |
//! | `chat:said:ROOM` | the lines: a stream |
//! | `chat:key:ROOM:SESSION:KEY` | the number of the line that was sent with this key |
//! | `chat:here:ROOM` | names in lower case, by the time when their places expire: a sorted set |
//! | `chat:holders:ROOM` | the connection that has the place of each name: a hash |
//! | `chat:moves:ROOM` | the last time that a member came or left: a stream of one entry |
//! | `chat:wake:NODE` | wakes the reader of a node: a stream of one entry |

use std::time::Duration;

use redis::streams::{StreamId, StreamRangeReply};
use redis::{Connection, RedisResult, Script};

use crate::engine::{Away, Engine, millis};
use crate::words::{Line, LineId};

/// How long a place lasts that its node does not renew.
pub(crate) const PLACE: Duration = Duration::from_secs(5);
/// The number of latest lines that a new member receives.
const HISTORY_MAX: usize = 50;
/// The number of lines in a page for a member who comes back.
const PAGE: usize = 50;
/// About this many lines of a room are kept, until `LINES` after the last one.
const LINES_MAX: usize = 1_000;
const LINES: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the key of a message is kept. A message that is sent again later may appear twice.
const KEY: Duration = Duration::from_secs(60 * 60);
const MEMBERS_MAX: usize = 100;

/// The keys of a room in Redis.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) said: String,
    pub(crate) moves: String,
    here: String,
    holders: String,
    key: String,
}

/// A connection in a room, as the scripts identify it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Unique among the connections of all nodes.
    pub(crate) connection: String,
    pub(crate) session: String,
    pub(crate) name: String,
    pub(crate) lower: String,
}

/// The scripts. Redis executes each of them as a whole or not at all.
#[derive(Debug)]
pub(crate) struct Store {
    engine: Engine,
    say: Script,
    enter: Script,
    stay: Script,
    leave: Script,
    look: Script,
}

/// Lines that follow another one.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) lines: Vec<Line>,
    pub(crate) is_last: bool,
}

impl Keys {
    pub(crate) fn new(room: &str) -> Self {
        let key = |of: &str| format!("chat:{of}:{room}");
        Self {
            said: key("said"),
            moves: key("moves"),
            here: key("here"),
            holders: key("holders"),
            key: key("key"),
        }
    }
}

impl Store {
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            engine,
            say: Script::new(include_str!("scripts/say.lua")),
            enter: Script::new(include_str!("scripts/enter.lua")),
            stay: Script::new(include_str!("scripts/stay.lua")),
            leave: Script::new(include_str!("scripts/leave.lua")),
            look: Script::new(include_str!("scripts/look.lua")),
        }
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Adds a line, once for each key of a session, and returns its number.
    pub(crate) fn say(
        &self,
        keys: &Keys,
        place: &Place,
        key: &str,
        text: &str,
    ) -> Result<LineId, Away> {
        let mut say = self.say.key(&keys.said);
        say.key(format!("{}:{}:{key}", keys.key, place.session));
        say.arg(LINES_MAX).arg(LINES.as_secs()).arg(KEY.as_secs());
        say.arg(&place.name).arg(text).arg(key);
        let id: String = self.engine.ask(|connection| say.invoke(connection))?;
        LineId::parse(&id).ok_or(Away)
    }

    /// Takes a place, or returns the reason why there is none.
    pub(crate) fn enter(&self, keys: &Keys, place: &Place) -> Result<Result<(), &str>, Away> {
        let mut enter = self.enter.key(&keys.here);
        enter.key(&keys.holders).key(&keys.moves);
        enter.arg(millis(PLACE)).arg(MEMBERS_MAX);
        enter.arg(&place.lower).arg(&place.connection).arg(&place.session).arg(&place.name);
        let answer: String = self.engine.ask(|connection| enter.invoke(connection))?;
        Ok(match answer.as_str() {
            "taken" => Err("Somebody in that room has that name already."),
            "full" => Err("That room is full."),
            _ => Ok(()),
        })
    }

    /// Renews the places of connections. Returns the connections that have lost theirs, each with
    /// whether a connection of the same session has it now.
    pub(crate) fn stay(&self, keys: &Keys, places: &[Place]) -> Result<Vec<(String, bool)>, Away> {
        let mut stay = self.stay.key(&keys.here);
        stay.key(&keys.holders).arg(millis(PLACE));
        for place in places {
            stay.arg(&place.lower).arg(&place.connection).arg(&place.session).arg(&place.name);
        }
        let lost: Vec<String> = self.engine.ask(|connection| stay.invoke(connection))?;
        Ok(lost.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1] == "replaced")).collect())
    }

    pub(crate) fn leave(&self, keys: &Keys, place: &Place) -> Result<(), Away> {
        let mut leave = self.leave.key(&keys.here);
        leave.key(&keys.holders).key(&keys.moves).arg(&place.lower).arg(&place.connection);
        self.engine.ask(|connection| leave.invoke(connection))
    }

    /// Returns the names of the members.
    pub(crate) fn look(&self, keys: &Keys) -> Result<Vec<String>, Away> {
        let mut look = self.look.key(&keys.here);
        look.key(&keys.holders);
        self.engine.ask(|connection| look.invoke(connection))
    }

    /// Returns the lines that follow this one, up to a page, including those that this node has not
    /// read yet.
    pub(crate) fn page(&self, keys: &Keys, after: LineId) -> Result<Page, Away> {
        let lines = self.range(keys, &format!("({after}"), "+", Some(PAGE))?;
        Ok(Page { is_last: lines.len() < PAGE, lines })
    }

    /// Returns all lines after `after`, up to and including `last`.
    pub(crate) fn between(
        &self,
        keys: &Keys,
        after: LineId,
        last: LineId,
    ) -> Result<Vec<Line>, Away> {
        // For Redis, an end before the start makes an empty range.
        self.range(keys, &format!("({after}"), &last.to_string(), None)
    }

    /// Returns the latest lines, up to and including this one.
    pub(crate) fn latest(&self, keys: &Keys, last: LineId) -> Result<Vec<Line>, Away> {
        let reply: StreamRangeReply = self.engine.ask(|connection| {
            let mut command = redis::cmd("XREVRANGE");
            command.arg(&keys.said).arg(last.to_string()).arg("-");
            command.arg("COUNT").arg(HISTORY_MAX).query(connection)
        })?;
        Ok(reply.ids.iter().rev().filter_map(line).collect())
    }

    /// Returns the number of the last line.
    pub(crate) fn last(&self, keys: &Keys) -> Result<LineId, Away> {
        let reply: StreamRangeReply = self.engine.ask(|connection| {
            let mut command = redis::cmd("XREVRANGE");
            command.arg(&keys.said).arg("+").arg("-").arg("COUNT").arg(1).query(connection)
        })?;
        Ok(reply.ids.first().and_then(|entry| LineId::parse(&entry.id)).unwrap_or_default())
    }

    /// Returns whether this line is still kept, and so are all that follow it.
    pub(crate) fn has(&self, keys: &Keys, line: LineId) -> Result<bool, Away> {
        self.engine.ask(|connection| has(connection, keys, line))
    }

    /// Wakes the reader of a node, so that it looks for new rooms.
    pub(crate) fn wake(&self, node: &str) -> Result<(), Away> {
        self.engine.ask(|connection| {
            let key = wake_key(node);
            let mut both = redis::pipe();
            both.cmd("XADD").arg(&key).arg("MAXLEN").arg(1).arg("*").arg("room").arg("new");
            both.ignore().cmd("EXPIRE").arg(&key).arg(60).ignore();
            both.query(connection)
        })
    }

    fn range(
        &self,
        keys: &Keys,
        first: &str,
        last: &str,
        count: Option<usize>,
    ) -> Result<Vec<Line>, Away> {
        let reply: StreamRangeReply = self.engine.ask(|connection| {
            let mut command = redis::cmd("XRANGE");
            command.arg(&keys.said).arg(first).arg(last);
            if let Some(count) = count {
                command.arg("COUNT").arg(count);
            }
            command.query(connection)
        })?;
        Ok(reply.ids.iter().filter_map(line).collect())
    }
}

pub(crate) fn has(connection: &mut Connection, keys: &Keys, line: LineId) -> RedisResult<bool> {
    let line = line.to_string();
    let reply: StreamRangeReply =
        redis::cmd("XRANGE").arg(&keys.said).arg(&line).arg(&line).query(connection)?;
    Ok(!reply.ids.is_empty())
}

pub(crate) fn wake_key(node: &str) -> String {
    format!("chat:wake:{node}")
}

/// Decodes an entry of the stream, if it is a line.
pub(crate) fn line(entry: &StreamId) -> Option<Line> {
    let number = LineId::parse(&entry.id)?;
    let (name, text, key) = (entry.get("name")?, entry.get("text")?, entry.get("key")?);
    Some(Line { number, name, text, key, at: number.millis })
}
