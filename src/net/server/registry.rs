//! All connections of a server, and the shutdown, which must reach each of them exactly once.
//!
//! A connection goes through phases: reading the request, answering it, open, over. Each step is
//! taken under the lock of the table, and so are the steps of a shutdown. If the shutdown comes
//! first, the connection finds that it must not answer, or must not start to serve. If the
//! connection comes first, the shutdown finds a sender to close it with. Nothing is written under
//! the lock.
//!
//! A shutdown waits up to three times. It waits a moment for clients that were refused, then until
//! the deadline for all connections to close, and, after the rest is aborted, a second for handlers
//! to notice. One deadline bounds the first two waits.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::rejector::{self, RejectReason};
use super::report::{OpenConnection, ShutdownReport};
use super::table::{Ending, Entry, Phase, Table, Transport};
use crate::frame::CloseCode;
use crate::net::deadline::{Deadline, Wait};
use crate::net::{Counters, Sender, handshake_io};

/// All connections of a server, and whether it is shutting down.
#[derive(Debug, Default)]
pub(super) struct Registry {
    table: Mutex<Table>,
    /// Notified when a shutdown begins, when its deadline moves, or when it has less left to wait
    /// for.
    changed: Condvar,
}

/// How long a shutdown waits for the handlers of connections that were cut.
pub(super) const GRACE: Duration = Duration::from_secs(1);

impl Registry {
    /// Records that this thread accepts connections, until the guard is dropped. Returns `None` if
    /// the server was shut down already.
    pub(super) fn begin_accepting(self: &Arc<Self>, transport: Transport) -> Option<Accepting> {
        let mut table = self.lock();
        if table.stop.is_some() {
            return None;
        }
        table.accepting = Some(thread::current().id());
        table.transport = transport;
        Some(Accepting { registry: Arc::clone(self) })
    }

    /// Gives a new connection a place, if one is free.
    pub(super) fn admit(
        self: &Arc<Self>,
        stream: &Arc<TcpStream>,
        peer_addr: SocketAddr,
        max_connections: usize,
    ) -> Result<ConnectionGuard, RejectReason> {
        let mut table = self.lock();
        if table.stop.is_some() {
            return Err(RejectReason::Stopping);
        }
        if table.entries.len() >= max_connections {
            return Err(RejectReason::Full);
        }
        table.last_id += 1;
        let id = table.last_id;
        let stream = Arc::clone(stream);
        let phase = Phase::Reading;
        let entry = Entry { peer_addr, stream, thread: None, phase, waits: false, sender: None };
        table.entries.insert(id, entry);
        Ok(ConnectionGuard { registry: Arc::clone(self), id, peer_addr, ending: Ending::Unclean })
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stop.is_some()
    }

    /// Returns the number of connections, without one whose request this thread answers.
    pub(super) fn len(&self) -> usize {
        let table = self.lock();
        let caller = Some(thread::current().id());
        let is_answered =
            |entry: &&Entry| entry.thread == caller && matches!(entry.phase, Phase::Reading);
        let own = table.entries.values().filter(is_answered).count();
        table.entries.len() - own
    }

    /// Returns the sums over all connections, present and past.
    pub(super) fn counters(&self) -> Counters {
        let table = self.lock();
        table.entries.values().fold(table.gone, |sum, entry| sum + entry.counters())
    }

    pub(super) fn open_connections(&self) -> Vec<OpenConnection> {
        let open = |(id, entry): (&u64, &Entry)| {
            Some(OpenConnection::new(*id, entry.peer_addr, entry.open()?.clone()))
        };
        self.lock().entries.iter().filter_map(open).collect()
    }

    /// Waits for this long, or until a shutdown begins.
    pub(super) fn pause(&self, pause: Duration) {
        let is_running = |table: &mut Table| table.stop.is_none();
        drop(self.changed.wait_timeout_while(self.lock(), pause, is_running));
    }

    /// Begins the shutdown, or brings its deadline forward. Clients in the opening handshake get
    /// 503, and open connections a Close frame.
    pub(super) fn begin_shutdown(&self, deadline: Deadline) {
        let mut table = self.lock();
        let is_first = table.stop.is_none();
        table.stop = Some(table.stop.map_or(deadline, |earlier| earlier.earlier(deadline)));
        let (asking, open) = if is_first { table.begin_goodbye() } else { Default::default() };
        let transport = table.transport;
        self.changed.notify_all();
        // The lock is released, because the following calls write, if never for long.
        drop(table);
        for stream in asking {
            match transport {
                Transport::Tcp => rejector::answer(&stream, RejectReason::Stopping),
                // This wakes the thread of the connection, which sends the 503 through TLS. The
                // client may be gone.
                Transport::Tls => {
                    let _ = stream.shutdown(Shutdown::Read);
                }
            }
        }
        for sender in open {
            sender.close_soon(CloseCode::GOING_AWAY, Wait::Never);
        }
    }

    /// Waits until all connections are over, and cuts the rest at the deadline.
    pub(super) fn wind_down(&self) -> ShutdownReport {
        let patience = Deadline::after(Some(handshake_io::PATIENCE));
        let mut table = self.lock();
        let own = table.begin_waiting(thread::current().id());
        if own.is_some() {
            // Other handlers that wait here need not wait for this one.
            self.changed.notify_all();
        }
        let mut is_over;
        (table, is_over) = self.wait(table, own, |stop| stop.earlier(patience));
        if !is_over {
            table.abort_refused();
            (table, is_over) = self.wait(table, own, |stop| stop);
        }
        if !is_over {
            table.abort_all();
            let grace = Deadline::after(Some(GRACE));
            (table, _) = self.wait(table, own, |_| grace);
        }
        table.report_for(own)
    }

    /// Waits until nothing is left to wait for, or until the deadline. Returns `true` in the first
    /// case.
    fn wait<'a>(
        &'a self,
        mut table: MutexGuard<'a, Table>,
        own: Option<u64>,
        until: impl Fn(Deadline) -> Deadline,
    ) -> (MutexGuard<'a, Table>, bool) {
        // Another call may bring the deadline forward, so it is read again each time.
        let is_over = |table: &Table| until(table.stop.unwrap_or_else(Deadline::never)).is_over();
        loop {
            if table.left_for(own) == 0 {
                return (table, true);
            }
            if is_over(&table) {
                return (table, false);
            }
            let end = until(table.stop.unwrap_or_else(Deadline::never));
            // A deadline that is brought forward comes with a notification.
            let waited = self.changed.wait_timeout(table, end.left().unwrap_or(Duration::MAX));
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until no thread accepts, for `patience` at most. Returns whether that is so.
    pub(super) fn wait_for_accepting(&self, patience: Duration) -> bool {
        let caller = thread::current().id();
        let accepts = |table: &mut Table| table.accepting.is_some_and(|thread| thread != caller);
        match self.changed.wait_timeout_while(self.lock(), patience, accepts) {
            Ok((_, result)) => !result.timed_out(),
            Err(poisoned) => !poisoned.into_inner().1.timed_out(),
        }
    }

    /// Removes a connection, which also closes its socket.
    fn remove(&self, id: u64, ending: Ending) {
        let mut table = self.lock();
        let Some(entry) = table.entries.remove(&id) else { return };
        table.waiting -= usize::from(entry.waits);
        table.gone += entry.counters();
        // Senders may outlive the handler, but the connection must not. A connection that never had
        // a thread is still to be answered by the accepting thread.
        if !matches!(entry.phase, Phase::Reading | Phase::Refused) {
            let _ = entry.stream.shutdown(Shutdown::Both);
        }
        if table.stop.is_some() {
            table.count(&entry, ending);
            // The socket is closed before the threads that wait for the end are notified.
            drop(entry);
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the server as accepting until this is dropped.
#[derive(Debug)]
pub(super) struct Accepting {
    registry: Arc<Registry>,
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.registry.lock().accepting = None;
        self.registry.changed.notify_all();
    }
}

/// The place of a connection in the registry. Dropping it ends the connection, however its handler
/// ended.
#[derive(Debug)]
pub(super) struct ConnectionGuard {
    registry: Arc<Registry>,
    id: u64,
    peer_addr: SocketAddr,
    ending: Ending,
}

impl ConnectionGuard {
    /// Records that this thread serves the connection.
    pub(super) fn begin(&self) {
        self.update(|entry, _| entry.thread = Some(thread::current().id()));
    }

    pub(super) const fn peer_addr(&self) -> SocketAddr {
        self.peer_addr
    }

    /// Returns whether this thread decides how to answer the handshake. If not, the shutdown has
    /// decided: 503.
    pub(super) fn may_answer(&self) -> bool {
        self.update(|entry, _| {
            let may_answer = matches!(entry.phase, Phase::Reading);
            if may_answer {
                entry.phase = Phase::Answering;
            }
            may_answer
        })
        .unwrap_or(false)
    }

    /// Records that the handshake is complete. Returns whether the connection should be served.
    pub(super) fn open(&self, sender: Sender) -> bool {
        self.update(|entry, is_stopping| {
            let is_answered = matches!(entry.phase, Phase::Answering);
            if is_answered {
                entry.phase = Phase::Open;
                entry.sender = Some(sender);
            }
            is_answered && !is_stopping
        })
        .unwrap_or(false)
    }

    /// Records that the closing handshake was completed.
    pub(super) const fn note_clean(&mut self) {
        self.ending = Ending::Clean;
    }

    fn update<T>(&self, update: impl FnOnce(&mut Entry, bool) -> T) -> Option<T> {
        let mut table = self.registry.lock();
        let is_stopping = table.stop.is_some();
        table.entries.get_mut(&self.id).map(|entry| update(entry, is_stopping))
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.registry.remove(self.id, self.ending);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::handshake::Negotiated;
    use crate::net::{Acceptor, State, Stream, Timeouts, WebSocket};

    /// A peer that reads or does not read. It counts the writes that may wait for it.
    #[derive(Debug, Default)]
    struct Peer {
        reads: bool,
        writes: AtomicUsize,
    }

    impl Stream for Peer {
        fn read(&self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn write(&self, buffer: &[u8]) -> io::Result<usize> {
            self.writes.fetch_add(1, Ordering::SeqCst);
            self.try_write(buffer)
        }

        fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
            if self.reads { Ok(buffer.len()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        }

        fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn shutdown(&self, _: Shutdown) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_shutdown_waits_for_no_peer_that_does_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tcp = Arc::new(TcpStream::connect(address).unwrap());
        let registry = Arc::new(Registry::default());
        let timeouts = Timeouts { write: Duration::from_millis(1), ..Timeouts::default() };
        let acceptor = Acceptor::new().timeouts(timeouts);
        let open = |peer: Peer| -> (Arc<Peer>, WebSocket, ConnectionGuard) {
            let peer = Arc::new(peer);
            let stream = Arc::clone(&peer);
            let ws = acceptor.from_upgraded(stream, Negotiated::default(), Vec::new()).unwrap();
            let _ = ws.sender().send("Hello");
            let guard = registry.admit(&tcp, address, 2).unwrap();
            assert!(guard.may_answer() && guard.open(ws.sender()));
            (peer, ws, guard)
        };
        let all = [Peer::default(), Peer { reads: true, ..Peer::default() }].map(open);
        let count = |peer: &Peer| peer.writes.load(Ordering::SeqCst);
        let before = all.each_ref().map(|(peer, ..)| count(peer));
        registry.begin_shutdown(Deadline::after(Some(Duration::ZERO)));
        assert_eq!(all.each_ref().map(|(peer, ..)| count(peer)), before);
        // If the flusher holds the writer at this moment, it sends the Close frame.
        let end = Instant::now() + Duration::from_secs(20);
        while all.iter().any(|(_, ws, _)| ws.state() == State::Open) {
            assert!(Instant::now() < end, "a Close frame was left");
            thread::yield_now();
        }
    }
}
