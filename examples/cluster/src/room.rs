//! A room, as far as this node has members in it. What was said and who is there is in Redis; here
//! is only who of them is to be told, and how far they have been.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use tightwire::{CloseCode, Hub, Member, Sender, SlowPolicy};

use crate::engine::Away;
use crate::store::{Keys, Place, Store};
use crate::words::{Line, LineId, Reply};

/// Closes a connection whose page has come back on another one.
const REPLACED: u16 = 4001;

#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) keys: Keys,
    hub: Hub,
    /// Whoever tells the members a line, or adds one to them, holds this, so nobody misses
    /// anything between the history and the next line. It goes before `present`.
    state: Mutex<State>,
    /// Whom the members believe to be here. Who asks Redis about it holds this.
    present: Mutex<Vec<String>>,
}

#[derive(Debug, Default)]
struct State {
    /// The last line that the members were told, once that is known.
    last: Option<LineId>,
    /// The last move that was seen.
    moves: LineId,
    members: Vec<(Place, Sender)>,
}

/// How far a room has been read: its lines, and its moves.
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

    /// Lets somebody in who has a place, and welcomes who it is. `after` is the last line that
    /// has been seen, `missed` whether others may be gone.
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
        // Nobody in the room is to wait for one that does not read, and a hub does not.
        let alone = Hub::new(SlowPolicy::Disconnect);
        let _alone = alone.join(sender.clone());
        alone.broadcast(welcome.to_json());
        state.members.push((place.clone(), sender.clone()));
        Ok(self.hub.join(sender.clone()))
    }

    pub(crate) fn forget(&self, place: &Place) {
        self.lock().members.retain(|(other, _)| other.connection != place.connection);
    }

    /// Where to read on, once somebody has been welcomed.
    pub(crate) fn position(&self) -> Option<Position> {
        let state = self.lock();
        state.last.map(|last| Position { last, moves: state.moves })
    }

    /// Tells the members what was said.
    pub(crate) fn tell(&self, lines: impl IntoIterator<Item = Line>) {
        let mut state = self.lock();
        for line in lines {
            if state.last.is_none_or(|last| last < line.number) {
                self.hub.broadcast(Reply::Line(&line).to_json());
                state.last = Some(line.number);
            }
        }
    }

    /// Somebody came or left, on whichever node.
    pub(crate) fn note_move(&self, store: &Store, number: LineId) {
        self.lock().moves = number;
        self.look(store);
    }

    /// Tells the members that lines may be gone that they have not seen.
    pub(crate) fn tell_missed(&self) {
        self.hub.broadcast(Reply::Missed.to_json());
    }

    /// Keeps the places of the members, and parts with those who have lost theirs.
    pub(crate) fn stay(&self, store: &Store) {
        let places: Vec<_> = self.lock().members.iter().map(|(place, _)| place.clone()).collect();
        if places.is_empty() {
            return;
        }
        for (connection, is_own) in store.stay(&self.keys, &places).unwrap_or_default() {
            let sender = self.lock().members.iter().find_map(|(place, sender)| {
                (place.connection == connection).then(|| sender.clone())
            });
            // It may take its time, and the other places have none.
            thread::spawn(move || sender.map(|sender| part(&sender, is_own)));
        }
        self.look(store);
    }

    /// Tells the members who is here, if that has changed. The next look makes good for one that
    /// fails.
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
        (CloseCode::POLICY_VIOLATION, "somebody else has your name by now")
    };
    // Most often nobody is there any more.
    let _ = sender.close_with(code, why);
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
