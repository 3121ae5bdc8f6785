//! The connections to Redis, and whether it is reachable.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Client, Connection, RedisError, RedisResult};

/// The timeout for connecting to Redis, and for each answer.
const ANSWER: Duration = Duration::from_secs(1);
/// The maximum number of commands that a node has in progress at once. Others wait.
const CONNECTIONS_MAX: usize = 16;

/// Redis, as one node sees it. While Redis is unreachable, each command fails at once, until
/// `probe` reaches it again.
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
    /// How many commands are in progress.
    taken: usize,
}

/// The error if Redis did not answer. It may still execute the command, or may have done so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Away;

/// The permission to run a command, until it is dropped.
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

    /// Runs a command, if Redis is reachable.
    pub(crate) fn ask<T>(
        &self,
        question: impl FnOnce(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, Away> {
        if self.is_up() { self.ask_anyway(question) } else { Err(Away) }
    }

    /// Checks whether Redis accepts a write. A Redis that is loading, full or a replica counts as
    /// unreachable.
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
            eprintln!("Redis is reachable");
        }
        Ok(())
    }

    /// Opens a separate connection, for commands that take longer.
    pub(crate) fn connect(&self, answer: Duration) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(ANSWER)?;
        connection.set_read_timeout(Some(answer))?;
        connection.set_write_timeout(Some(ANSWER))?;
        Ok(connection)
    }

    /// Returns how often Redis became reachable. A command of an earlier era proves nothing about
    /// the present one.
    pub(crate) fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    /// Notes that Redis is unreachable, because a command of this era got no answer.
    pub(crate) fn miss(&self, error: &RedisError, era: u64) {
        if era != self.era() {
            return;
        }
        // Idle connections would report the failure only when they are used.
        self.lock().idle.clear();
        if self.is_up.swap(false, Ordering::AcqRel) {
            eprintln!("Redis is unreachable: {error:#}");
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
                // The answer may still arrive on this connection.
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
