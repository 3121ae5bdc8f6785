//! The rooms, with their members and lines.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tightwire::{CloseCode, Hub, Member, Sender, SlowPolicy};

use crate::words::{Line, Refusal, Reply, check_key, check_name, check_text};

const ROOMS_MAX: usize = 100;
const MEMBERS_MAX: usize = 100;
/// The number of latest lines that a new member receives.
const HISTORY_MAX: usize = 50;

/// The close code for a connection that a new one of the same page replaces.
const REPLACED: u16 = 4001;

/// All rooms.
#[derive(Debug)]
pub(crate) struct Rooms {
    /// Identifies this run of the server.
    server: String,
    rooms: Mutex<BTreeMap<String, Arc<Room>>>,
}

/// A room. A thread that changes it, or broadcasts in it, holds `state`. So all members receive all
/// lines in one order, and a new member misses none between the history and the next line.
#[derive(Debug)]
struct Room {
    name: String,
    hub: Hub,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    members: Vec<Entry>,
    history: VecDeque<Line>,
    next_number: u64,
    next_id: u64,
    /// When a member last left, or the room was created.
    left_at: Instant,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    name: String,
    session: String,
    sender: Sender,
}

/// The place of a connection in a room, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    room: Arc<Room>,
    id: u64,
    name: String,
    session: String,
    _member: Member,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { server: millis_since_1970().to_string(), rooms: Mutex::default() }
    }
}

impl Rooms {
    /// Takes a place in a room, and sends the welcome. If the same page is in the room already, it
    /// has lost its other connection, and this one replaces that.
    pub(crate) fn enter(
        &self,
        sender: Sender,
        room: &str,
        name: &str,
        session: &str,
    ) -> Result<Seat, Refusal> {
        let (name, session) = (check_name(name)?, check_key(session)?);
        let room = self.find(check_name(room)?)?;
        let mut state = room.lock();
        let replaced = state.make_place(name, session)?;
        let id = state.next_id;
        state.next_id += 1;
        let (name, session) = (name.to_owned(), session.to_owned());
        let entry =
            Entry { id, name: name.clone(), session: session.clone(), sender: sender.clone() };
        state.members.push(entry);
        let member = room.hub.join(sender.clone());
        let welcome = Reply::Welcome {
            server: &self.server,
            room: &room.name,
            name: &name,
            members: state.names(),
            history: state.history.iter().collect(),
        };
        // The room must not wait for a client that does not read. A hub never does.
        let alone = Hub::new(SlowPolicy::Disconnect);
        let _alone = alone.join(sender);
        alone.broadcast(welcome.to_json());
        room.announce(&state);
        drop(state);
        if let Some(Entry { sender, .. }) = replaced {
            let code = CloseCode::new(REPLACED).unwrap_or(CloseCode::NORMAL);
            // The old connection is usually dead.
            let _ = sender.close_with(code, "you came back on another connection");
        }
        Ok(Seat { room, id, name, session, _member: member })
    }

    /// Returns the room with this name, and creates it if necessary.
    fn find(&self, name: &str) -> Result<Arc<Room>, Refusal> {
        let mut rooms = lock(&self.rooms);
        if let Some(room) = rooms.get(name) {
            return Ok(Arc::clone(room));
        }
        if rooms.len() >= ROOMS_MAX {
            // A room to which no other reference exists has no members, and none is entering.
            let empty = rooms.values().filter(|room| Arc::strong_count(room) == 1);
            let oldest = empty.min_by_key(|room| room.lock().left_at);
            let name = oldest.ok_or("There are too many rooms.")?.name.clone();
            rooms.remove(&name);
        }
        let room = Arc::new(Room::new(name));
        rooms.insert(name.to_owned(), Arc::clone(&room));
        Ok(room)
    }
}

impl Room {
    fn new(name: &str) -> Self {
        let state = State {
            members: Vec::new(),
            history: VecDeque::new(),
            next_number: 0,
            next_id: 0,
            left_at: Instant::now(),
        };
        let hub = Hub::new(SlowPolicy::Disconnect);
        Self { name: name.to_owned(), hub, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn announce(&self, state: &State) {
        self.hub.broadcast(Reply::Members { members: state.names() }.to_json());
    }
}

impl State {
    /// Checks that a page can enter, and removes the entry of a page that comes back.
    fn make_place(&mut self, name: &str, session: &str) -> Result<Option<Entry>, Refusal> {
        let is_same = |entry: &Entry| entry.session == session;
        let name = name.to_lowercase();
        if self.members.iter().any(|entry| entry.name.to_lowercase() == name && !is_same(entry)) {
            return Err("Somebody in that room has that name already.");
        }
        let replaced = self.members.iter().position(is_same);
        if replaced.is_none() && self.members.len() >= MEMBERS_MAX {
            return Err("That room is full.");
        }
        Ok(replaced.map(|n| self.members.remove(n)))
    }

    fn names(&self) -> Vec<&str> {
        self.members.iter().map(|entry| entry.name.as_str()).collect()
    }
}

impl Seat {
    /// Sends a line to all members of the room, including the speaker.
    pub(crate) fn say(&self, key: &str, text: &str) -> Result<(), Refusal> {
        let (key, text) = (check_key(key)?, check_text(text)?);
        let mut state = self.room.lock();
        // The page sent it again, because its connection broke before the line came back.
        if state.history.iter().any(|line| line.key == key && line.session == self.session) {
            return Ok(());
        }
        let line = Line {
            number: state.next_number,
            name: self.name.clone(),
            text: text.to_owned(),
            key: key.to_owned(),
            at: millis_since_1970(),
            session: self.session.clone(),
        };
        state.next_number += 1;
        self.room.hub.broadcast(Reply::Line(&line).to_json());
        if state.history.len() == HISTORY_MAX {
            state.history.pop_front();
        }
        state.history.push_back(line);
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        let before = state.members.len();
        state.members.retain(|entry| entry.id != self.id);
        // If the page came back, its new connection has removed this entry already.
        if state.members.len() < before {
            state.left_at = Instant::now();
            self.room.announce(&state);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis_since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
