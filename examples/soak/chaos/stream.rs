//! A stream that moves few bytes at a time and has a tiny window. The standard library cannot set
//! the size of socket buffers, and a writer would rarely fill the default ones.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tightwire::Stream;

use crate::random::Random;

/// The longest time for which a read waits for more.
const HOLD_MAX: Duration = Duration::from_millis(100);

/// The limits of both directions of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many bytes may be on their way in one direction.
    pub(crate) window: usize,
    pub(crate) read_max: usize,
    pub(crate) write_max: usize,
    /// One of this many writes is refused or interrupted; one of this many reads is late or
    /// interrupted.
    pub(crate) trouble_one_in: usize,
}

/// The state that both ends of a connection share.
#[derive(Debug)]
pub(crate) struct Wire {
    limits: Limits,
    /// By the side that writes.
    flows: [Mutex<Flow>; 2],
    changed: [Condvar; 2],
}

#[derive(Debug)]
struct Flow {
    on_their_way: usize,
    /// The limits do not hold for now.
    is_calm: bool,
    /// A read that has got something waits for more.
    is_held: bool,
    /// One end has shut this direction down, so the stream below must see every call.
    is_over: bool,
}

impl Wire {
    /// Creates a wire whose limits do not hold before [`Self::set_calm`] ends the calm.
    pub(crate) fn new(limits: Limits) -> Self {
        let flow = || {
            let (is_held, is_over) = (false, false);
            Mutex::new(Flow { on_their_way: 0, is_calm: true, is_held, is_over })
        };
        Self { limits, flows: [flow(), flow()], changed: Default::default() }
    }

    /// Collects what `side` writes until the hold ends, so that the peer reads it all at once.
    pub(crate) fn set_held(&self, side: usize, is_held: bool) {
        self.lock(side).is_held = is_held;
        self.changed[side].notify_all();
    }

    /// Waits for the end of a hold, and returns whether there was one.
    fn wait_for_more(&self, side: usize) -> bool {
        let is_held = |flow: &mut Flow| flow.is_held && !flow.is_over;
        let mut flow = self.lock(side);
        let was_held = is_held(&mut flow);
        drop(self.changed[side].wait_timeout_while(flow, HOLD_MAX, is_held));
        was_held
    }

    pub(crate) fn set_calm(&self, is_calm: bool) {
        for side in [0, 1] {
            self.lock(side).is_calm = is_calm;
            self.changed[side].notify_all();
        }
    }

    fn lock(&self, side: usize) -> MutexGuard<'_, Flow> {
        self.flows[side].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_calm(&self, side: usize) -> bool {
        let flow = self.lock(side);
        flow.is_calm || flow.is_over
    }

    /// Waits for room in the window, and takes up to `wanted` bytes of it; `None` is a timeout.
    fn take(&self, side: usize, wanted: usize, timeout: Option<Duration>) -> Option<usize> {
        let end = timeout.map(|timeout| Instant::now() + timeout);
        let mut flow = self.lock(side);
        loop {
            let room = match flow.is_calm || flow.is_over {
                true => wanted,
                false => self.limits.window.saturating_sub(flow.on_their_way).min(wanted),
            };
            if room > 0 || wanted == 0 {
                flow.on_their_way += room;
                return Some(room);
            }
            let left = end.map_or(Duration::from_secs(1), |end| {
                end.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return None;
            }
            let waited = self.changed[side].wait_timeout(flow, left);
            flow = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn give_back(&self, side: usize, count: usize) {
        let mut flow = self.lock(side);
        flow.on_their_way = flow.on_their_way.saturating_sub(count);
        drop(flow);
        self.changed[side].notify_all();
    }

    fn end(&self, side: usize) {
        self.lock(side).is_over = true;
        self.changed[side].notify_all();
    }
}

/// One end of a connection with such a wire.
#[derive(Debug)]
pub(crate) struct Rough {
    stream: Arc<dyn Stream>,
    wire: Arc<Wire>,
    side: usize,
    reading: Mutex<Random>,
    writing: Mutex<Random>,
    write_timeout: Mutex<Option<Duration>>,
}

impl Rough {
    pub(crate) fn new(
        stream: Arc<dyn Stream>,
        wire: &Arc<Wire>,
        side: usize,
        random: &mut Random,
    ) -> Self {
        Self {
            stream,
            wire: Arc::clone(wire),
            side,
            reading: Mutex::new(random.fork()),
            writing: Mutex::new(random.fork()),
            write_timeout: Mutex::default(),
        }
    }

    /// Returns whether this call meets trouble, and which of two kinds.
    fn trouble(&self, random: &Mutex<Random>) -> Option<bool> {
        let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
        random.one_in(self.wire.limits.trouble_one_in).then(|| random.one_in(2))
    }
}

impl Stream for Rough {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let peer = 1 - self.side;
        let mut most = buffer.len();
        if !self.wire.is_calm(peer) {
            match self.trouble(&self.reading) {
                Some(true) => return Err(io::ErrorKind::Interrupted.into()),
                Some(false) => thread::sleep(Duration::from_millis(1)),
                None => {}
            }
            most = most.min(self.wire.limits.read_max);
        }
        let mut count = self.stream.read(&mut buffer[..most])?;
        if count > 0 && count < most && self.wire.wait_for_more(peer) {
            // A failure appears again in the next read.
            count += self.stream.read(&mut buffer[count..most]).unwrap_or(0);
        }
        self.wire.give_back(peer, count);
        Ok(count)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let mut most = buffer.len();
        if !self.wire.is_calm(self.side) {
            match self.trouble(&self.writing) {
                Some(true) => return Err(io::ErrorKind::Interrupted.into()),
                Some(false) => return Err(io::ErrorKind::WouldBlock.into()),
                None => {}
            }
            most = most.min(self.wire.limits.write_max);
        }
        let timeout = *self.write_timeout.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.wire.take(self.side, most, timeout).ok_or(io::ErrorKind::WouldBlock)?;
        let outcome = self.stream.write(&buffer[..room]);
        self.wire.give_back(self.side, room - outcome.as_ref().map_or(0, |count| *count));
        outcome
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }

    fn max_read_timeout(&self) -> Option<Duration> {
        self.stream.max_read_timeout()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        *self.write_timeout.lock().unwrap_or_else(PoisonError::into_inner) = timeout;
        self.stream.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let outcome = self.stream.shutdown(how);
        if how != Shutdown::Read {
            self.wire.end(self.side);
        }
        if how != Shutdown::Write {
            self.wire.end(1 - self.side);
        }
        outcome
    }

    fn prepare(&self) -> io::Result<()> {
        self.stream.prepare()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl Drop for Rough {
    fn drop(&mut self) {
        self.wire.end(self.side);
        self.wire.end(1 - self.side);
    }
}
