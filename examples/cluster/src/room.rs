//! A room, with its members on this node. Redis has the lines and the list of all members. The node
//! has only its own members, and the last line that they got.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use tightwire::{CloseCode, Hub, Member, Sender, SlowPolicy};

use crate::engine::Away;
use crate::store::{Keys, Place, Store};
use crate::words::{Line, LineId, Reply};

/// The close code for a connection that a new one of the same page replaces.
const REPLACED: u16 = 4001;

#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) keys: Keys,
    hub: Hub,
    /// A thread holds this while it passes on a line or adds a member, so a new member misses no
    /// line between the history and the next one. Locked before `present`.
    state: Mutex<State>,
    /// The list of members that was sent last. A thread that asks Redis for it holds this.
    present: Mutex<Vec<String>>,
}

#[derive(Debug, Default)]
struct State {
    /// The last line that the members got, once it is known.
    last: Option<LineId>,
    /// The last move that was read.
    moves: LineId,
    members: Vec<(Place, Sender)>,
}

/// How far the lines and the moves of a room have been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    pub(crate) last: LineId,
    pub(crate) moves: LineId,
}

impl Room {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            keys: Keys::new(name),
            hub: Hub::new(SlowPolicy::Disconnect),
            state: Mutex::default(),
            present: Mutex::default(),
        }
    }

    /// Adds a member who has a place, and sends the welcome. `after` is the last line that the
    /// member has, and `missed` whether lines after it may be lost.
    pub(crate) fn welcome(
        &self,
        store: &Store,
        node: &str,
        place: &Place,
        sender: &Sender,
        after: Option<LineId>,
        missed: bool,
    ) -> Result<Member, Away> {
        let mut state = self.lock();
        let last = match state.last {
            Some(last) => last,
            None => *state.last.insert(store.last(&self.keys)?),
        };
        let history = match after {
            Some(after) => store.between(&self.keys, after, last)?,
            None => store.latest(&self.keys, last)?,
        };
        let mut present = lock(&self.present);
        self.refresh(store, &mut present)?;
        let welcome = Reply::Welcome {
            server: "cluster",
            node,
            room: &self.name,
            name: &place.name,
            members: &present,
            history: &history,
            missed,
        };
        // The room must not wait for a client that does not read. A hub never does.
        let alone = Hub::new(SlowPolicy::Disconnect);
        let _alone = alone.join(sender.clone());
        alone.broadcast(welcome.to_json());
        state.members.push((place.clone(), sender.clone()));
        Ok(self.hub.join(sender.clone()))
    }

    pub(crate) fn forget(&self, place: &Place) {
        self.lock().members.retain(|(other, _)| other.connection != place.connection);
    }

    /// Returns where to continue reading, once a member has been welcomed.
    pub(crate) fn position(&self) -> Option<Position> {
        let state = self.lock();
        state.last.map(|last| Position { last, moves: state.moves })
    }

    /// Passes lines on to the members.
    pub(crate) fn tell(&self, lines: impl IntoIterator<Item = Line>) {
        let mut state = self.lock();
        for line in lines {
            if state.last.is_none_or(|last| last < line.number) {
                self.hub.broadcast(Reply::Line(&line).to_json());
                state.last = Some(line.number);
            }
        }
    }

    /// Notes that a member came or left, on any node.
    pub(crate) fn note_move(&self, store: &Store, number: LineId) {
        self.lock().moves = number;
        self.look(store);
    }

    /// Tells the members that they may have missed lines.
    pub(crate) fn tell_missed(&self) {
        self.hub.broadcast(Reply::Missed.to_json());
    }

    /// Renews the places of the members, and disconnects those who have lost theirs.
    pub(crate) fn stay(&self, store: &Store) {
        let places: Vec<_> = self.lock().members.iter().map(|(place, _)| place.clone()).collect();
        if places.is_empty() {
            return;
        }
        for (connection, is_own) in store.stay(&self.keys, &places).unwrap_or_default() {
            let sender = self.lock().members.iter().find_map(|(place, sender)| {
                (place.connection == connection).then(|| sender.clone())
            });
            // Closing can take a while, and the other places must be renewed soon.
            thread::spawn(move || sender.map(|sender| part(&sender, is_own)));
        }
        self.look(store);
    }

    /// Sends the list of members, if it has changed. If this fails, the next call makes up for it.
    fn look(&self, store: &Store) {
        let _ = self.refresh(store, &mut lock(&self.present));
    }

    fn refresh(&self, store: &Store, present: &mut Vec<String>) -> Result<(), Away> {
        let members = store.look(&self.keys)?;
        if members != *present {
            self.hub.broadcast(Reply::Members { members: &members }.to_json());
            *present = members;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn part(sender: &Sender, is_own: bool) {
    let (code, why) = if is_own {
        let code = CloseCode::new(REPLACED).unwrap_or(CloseCode::NORMAL);
        (code, "you came back on another connection")
    } else {
        (CloseCode::POLICY_VIOLATION, "somebody else has your name now")
    };
    // The connection is usually dead.
    let _ = sender.close_with(code, why);
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
