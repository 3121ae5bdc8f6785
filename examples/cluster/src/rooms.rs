//! The rooms in which this node has members, and their places.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tightwire::{Member, Sender, WebSocket};

use crate::engine::Away;
use crate::room::{Room, lock};
use crate::store::{Place, Store};
use crate::words::{LineId, Refusal, Reply, check_key, check_name, check_text};

/// The maximum number of rooms on one node.
const ROOMS_MAX: usize = 100;

#[derive(Debug)]
pub(crate) struct Rooms {
    /// Identifies this run of this node.
    id: String,
    node: String,
    store: Store,
    next_connection: AtomicU64,
    /// Each room, with the number of members that are in it or about to enter.
    open: Mutex<BTreeMap<String, (Arc<Room>, usize)>>,
}

/// A request to enter a room.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) room: &'a str,
    pub(crate) name: &'a str,
    pub(crate) session: &'a str,
    pub(crate) after: Option<&'a str>,
}

/// The reason why a client cannot enter a room.
#[derive(Debug)]
pub(crate) enum NotIn {
    Refused(String),
    /// Redis is unreachable.
    Away,
    Wire(tightwire::Error),
}

/// The reason why a message was not added.
#[derive(Debug)]
pub(crate) enum NotSaid {
    Refused(Refusal),
    /// The client must send the message again, and those that follow it.
    Delayed(Refusal),
}

/// A reference to a room, which stays open until this is dropped.
#[derive(Debug)]
struct Visit {
    rooms: Arc<Rooms>,
    room: Arc<Room>,
}

/// The place of a connection in a room, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    visit: Visit,
    place: Place,
    member: Option<Member>,
    /// The key of a delayed message. No other message is accepted before it comes again, because
    /// that one would overtake it.
    held: Option<String>,
}

impl Rooms {
    pub(crate) fn new(id: String, node: String, store: Store) -> Self {
        let (next_connection, open) = (AtomicU64::new(0), Mutex::default());
        Self { id, node, store, next_connection, open }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn all(&self) -> Vec<Arc<Room>> {
        lock(&self.open).values().map(|(room, _)| Arc::clone(room)).collect()
    }

    /// Takes a place in a room, and sends the lines that were missed and a welcome.
    pub(crate) fn enter(
        self: &Arc<Self>,
        ws: &WebSocket,
        entry: &Entry<'_>,
    ) -> Result<Seat, NotIn> {
        let (name, session) = (check_name(entry.name)?, check_key(entry.session)?);
        let visit = self.visit(check_name(entry.room)?)?;
        let after = entry.after.and_then(LineId::parse).filter(|after| !after.is_none());
        let number = self.next_connection.fetch_add(1, Ordering::Relaxed);
        let place = Place {
            connection: format!("{}-{number}", self.id),
            session: session.to_owned(),
            name: name.to_owned(),
            lower: name.to_lowercase(),
        };
        self.store.enter(&visit.room.keys, &place)?.map_err(|why| NotIn::Refused(why.into()))?;
        let mut seat = Seat { visit, place, member: None, held: None };
        let (after, missed) = seat.catch_up(ws, after)?;
        seat.sit_down(&ws.sender(), after, missed)?;
        Ok(seat)
    }

    /// Returns the room with this name, and opens it if necessary.
    fn visit(self: &Arc<Self>, name: &str) -> Result<Visit, Refusal> {
        let mut open = lock(&self.open);
        if !open.contains_key(name) && open.len() >= ROOMS_MAX {
            return Err("There are too many rooms here.");
        }
        let new = || (Arc::new(Room::new(name)), 0);
        let (room, visits) = open.entry(name.to_owned()).or_insert_with(new);
        *visits += 1;
        Ok(Visit { rooms: Arc::clone(self), room: Arc::clone(room) })
    }
}

impl Seat {
    /// Sends a line to all in the room, on all nodes. The speaker receives it as the others do.
    pub(crate) fn say(
        &mut self,
        pace: impl FnOnce() -> Result<(), Refusal>,
        key: &str,
        text: &str,
    ) -> Result<LineId, NotSaid> {
        let text = check_key(key).and_then(|_| check_text(text)).map_err(NotSaid::Refused)?;
        if self.held.as_ref().is_some_and(|held| held != key) {
            return Err(NotSaid::Delayed("An earlier message must be sent again first."));
        }
        let store = &self.visit.rooms.store;
        let said = pace().and_then(|()| {
            let said = store.say(&self.visit.room.keys, &self.place, key, text);
            said.map_err(|Away| "The message store is unreachable.")
        });
        self.held = if said.is_ok() { None } else { Some(key.to_owned()) };
        said.map_err(NotSaid::Delayed)
    }

    /// Sends the lines since then in pages, except the last page. The other members need not wait
    /// for this.
    fn catch_up(
        &self,
        ws: &WebSocket,
        after: Option<LineId>,
    ) -> Result<(Option<LineId>, bool), NotIn> {
        let (store, keys) = (&self.visit.rooms.store, &self.visit.room.keys);
        let Some(mut after) = after else { return Ok((None, false)) };
        let missed = !store.has(keys, after)?;
        loop {
            let page = store.page(keys, after)?;
            let Some(last) = page.lines.last().filter(|_| !page.is_last) else { break };
            after = last.number;
            ws.send(Reply::History { lines: &page.lines }.to_json()).map_err(NotIn::Wire)?;
        }
        Ok((Some(after), missed))
    }

    fn sit_down(
        &mut self,
        sender: &Sender,
        after: Option<LineId>,
        missed: bool,
    ) -> Result<(), Away> {
        let Visit { rooms, room } = &self.visit;
        let is_new = room.position().is_none();
        let (store, node) = (&rooms.store, &rooms.node);
        self.member = Some(room.welcome(store, node, &self.place, sender, after, missed)?);
        if is_new {
            // If Redis has become unreachable, the reader looks again when it is back.
            let _ = store.wake(&rooms.id);
        }
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.member = None;
        let Visit { rooms, room } = &self.visit;
        room.forget(&self.place);
        // If Redis is unreachable, the place expires.
        let _ = rooms.store.leave(&room.keys, &self.place);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut open = lock(&self.rooms.open);
        if let Some((_, visits)) = open.get_mut(&self.room.name) {
            *visits -= 1;
            if *visits == 0 {
                open.remove(&self.room.name);
            }
        }
    }
}

impl From<Refusal> for NotIn {
    fn from(why: Refusal) -> Self {
        Self::Refused(why.to_owned())
    }
}

impl From<Away> for NotIn {
    fn from(_: Away) -> Self {
        Self::Away
    }
}

impl fmt::Display for NotIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Away => f.write_str("the message store is unreachable"),
            Self::Wire(error) => error.fmt(f),
        }
    }
}
