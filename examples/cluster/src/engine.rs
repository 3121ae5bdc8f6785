//! The connections to Redis, and whether it is there.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Client, Connection, RedisError, RedisResult};

/// How long Redis may take to answer, and to be connected to.
const ANSWER: Duration = Duration::from_secs(1);
/// As many questions may be with Redis at once; others wait for their turn.
const CONNECTIONS_MAX: usize = 16;

/// Redis, as one node sees it. While it is away nobody waits for it: each question fails at once,
/// until the `probe` finds it again.
#[derive(Debug)]
pub(crate) struct Engine {
    client: Client,
    is_up: AtomicBool,
    era: AtomicU64,
    desk: Mutex<Desk>,
    freed: Condvar,
}

#[derive(Default)]
struct Desk {
    idle: Vec<Connection>,
    /// How many questions are with Redis.
    taken: usize,
}

/// Redis gave no answer. What was asked of it may be done all the same, now or later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Away;

/// The right to ask, until it is dropped.
struct Turn<'a> {
    engine: &'a Engine,
    connection: Option<Connection>,
}

impl Engine {
    pub(crate) fn new(url: &str) -> RedisResult<Self> {
        Ok(Self {
            client: Client::open(url)?,
            is_up: AtomicBool::new(false),
            era: AtomicU64::new(0),
            desk: Mutex::default(),
            freed: Condvar::new(),
        })
    }

    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// Asks Redis, if it is there.
    pub(crate) fn ask<T>(
        &self,
        question: impl FnOnce(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, Away> {
        if self.is_up() { self.ask_anyway(question) } else { Err(Away) }
    }

    /// Sees whether Redis takes what is written: one that is loading, full, or a replica, is as
    /// good as away.
    pub(crate) fn probe(&self, node: &str, lifetime: Duration) -> Result<(), Away> {
        self.ask_anyway(|connection| {
            redis::cmd("SET")
                .arg(format!("chat:node:{node}"))
                .arg("up")
                .arg("PX")
                .arg(millis(lifetime))
                .query::<()>(connection)
        })?;
        if !self.is_up.swap(true, Ordering::AcqRel) {
            self.era.fetch_add(1, Ordering::AcqRel);
            eprintln!("Redis is there");
        }
        Ok(())
    }

    /// A connection of one's own, for questions that take longer.
    pub(crate) fn connect(&self, answer: Duration) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(ANSWER)?;
        connection.set_read_timeout(Some(answer))?;
        connection.set_write_timeout(Some(ANSWER))?;
        Ok(connection)
    }

    /// How often Redis was found again. What was asked before that says nothing about after.
    pub(crate) fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    /// Notes that Redis is away, as an answer did not come to what was asked in that era.
    pub(crate) fn miss(&self, error: &RedisError, era: u64) {
        if era != self.era() {
            return;
        }
        // Connections that were idle while Redis went say so only when they are used.
        self.lock().idle.clear();
        if self.is_up.swap(false, Ordering::AcqRel) {
            eprintln!("Redis is away: {error:#}");
        }
    }

    fn ask_anyway<T>(
        &self,
        question: impl FnOnce(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, Away> {
        let era = self.era();
        let mut turn = self.take_turn()?;
        match turn.connection().and_then(question) {
            Ok(answer) => Ok(answer),
            Err(error) => {
                // An answer may still be on its way in it.
                turn.connection = None;
                self.miss(&error, era);
                Err(Away)
            }
        }
    }

    fn take_turn(&self) -> Result<Turn<'_>, Away> {
        let is_full = |desk: &mut Desk| desk.taken >= CONNECTIONS_MAX;
        let waited = self.freed.wait_timeout_while(self.lock(), ANSWER, is_full);
        let (mut desk, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(Away);
        }
        desk.taken += 1;
        Ok(Turn { engine: self, connection: desk.idle.pop() })
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    fn connection(&mut self) -> RedisResult<&mut Connection> {
        if self.connection.is_none() {
            self.connection = Some(self.engine.connect(ANSWER)?);
        }
        Ok(self.connection.as_mut().expect("it was made"))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut desk = self.engine.lock();
        desk.idle.extend(self.connection.take());
        desk.taken -= 1;
        drop(desk);
        self.engine.freed.notify_one();
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("taken", &self.taken).finish_non_exhaustive()
    }
}
