//! The registry's data on each connection, and the counts of the shutdown report.
//!
//! A handler may shut its own server down. It then waits for all connections except its own and
//! those of other handlers that do the same, because each would wait for the other. These
//! connections are counted in a separate report.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::ThreadId;

use super::report::ShutdownReport;
use crate::net::deadline::Deadline;
use crate::net::{Counters, Sender};

/// The data of a [`Registry`](super::registry::Registry) on the connections of its server.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) entries: BTreeMap<u64, Entry>,
    pub(super) last_id: u64,
    /// The thread that accepts, as long as one does.
    pub(super) accepting: Option<ThreadId>,
    pub(super) transport: Transport,
    /// The deadline of the shutdown, once one has begun.
    pub(super) stop: Option<Deadline>,
    /// The number of entries with `waits`.
    pub(super) waiting: usize,
    /// The sums of the counters of connections that have ended.
    pub(super) gone: Counters,
    /// How connections ended, except those whose handlers asked for the shutdown.
    report: ShutdownReport,
    /// How the connections ended whose handlers asked for the shutdown.
    report_of_waiting: ShutdownReport,
}

/// The transport of a server's connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Transport {
    #[default]
    Tcp,
    /// TLS on TCP: only the thread of a connection can write to its client.
    Tls,
}

/// How a connection of a server ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// With a complete closing handshake (§7.1.4).
    Clean,
    Unclean,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) peer_addr: SocketAddr,
    pub(super) stream: Arc<TcpStream>,
    pub(super) thread: Option<ThreadId>,
    pub(super) phase: Phase,
    /// Whether its handler has asked for the shutdown, and waits for the other connections.
    pub(super) waits: bool,
    /// A sender for the connection, once its opening handshake is complete.
    pub(super) sender: Option<Sender>,
}

impl Entry {
    /// Returns how many messages and bytes were sent and received so far.
    pub(super) fn counters(&self) -> Counters {
        self.sender.as_ref().map_or_else(Counters::default, Sender::counters)
    }

    /// Returns the sender of a connection whose handler is running, unless it was aborted.
    pub(super) fn open(&self) -> Option<&Sender> {
        self.sender.as_ref().filter(|_| matches!(self.phase, Phase::Open))
    }
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The request is being read, and no thread has written yet.
    Reading,
    /// The thread of the connection answers the request.
    Answering,
    /// The shutdown has answered the request, or has made its thread answer.
    Refused,
    Open,
    Aborted,
}

impl Table {
    /// Returns the connections that the shutdown must write to: streams whose handshake no thread
    /// has answered, and senders of open connections.
    pub(super) fn begin_goodbye(&mut self) -> (Vec<Arc<TcpStream>>, Vec<Sender>) {
        let (mut asking, mut open) = (Vec::new(), Vec::new());
        for entry in self.entries.values_mut() {
            match entry.phase {
                Phase::Reading => {
                    entry.phase = Phase::Refused;
                    asking.push(Arc::clone(&entry.stream));
                }
                Phase::Open => open.extend(entry.sender.clone()),
                // The thread of the connection will see the shutdown itself.
                Phase::Answering | Phase::Refused | Phase::Aborted => {}
            }
        }
        (asking, open)
    }

    /// If this is the thread of a connection, records that its handler waits, and returns the
    /// connection's number.
    pub(super) fn begin_waiting(&mut self, caller: ThreadId) -> Option<u64> {
        let own = |(_, entry): &(&u64, &mut Entry)| entry.thread == Some(caller);
        let (&id, entry) = self.entries.iter_mut().find(own)?;
        if !entry.waits {
            entry.waits = true;
            self.waiting += 1;
        }
        Some(id)
    }

    /// Returns how many connections the caller must still wait for. `own` is the caller's
    /// connection, if it is a handler. Such a handler waits neither for itself nor for another
    /// handler that has shut the server down: each would wait for the other.
    pub(super) fn left_for(&self, own: Option<u64>) -> usize {
        let exempt = if own.is_some() { self.waiting } else { 0 };
        self.entries.len().saturating_sub(exempt)
    }

    /// Counts a connection that is over, by how it ended.
    pub(super) fn count(&mut self, entry: &Entry, ending: Ending) {
        let report = if entry.waits { &mut self.report_of_waiting } else { &mut self.report };
        match entry.phase {
            Phase::Refused => report.refused += 1,
            Phase::Aborted => {}
            _ => match ending {
                Ending::Clean => report.closed += 1,
                Ending::Unclean => report.failed += 1,
            },
        }
    }

    /// Returns the report for a caller with this connection, or with none. The report for a handler
    /// leaves out its own connection, and those of other handlers that asked for the shutdown.
    pub(super) fn report_for(&self, own: Option<u64>) -> ShutdownReport {
        let (others, waiting) = (self.report, self.report_of_waiting);
        let running = self.left_for(own);
        if own.is_some() {
            return ShutdownReport { running, ..others };
        }
        ShutdownReport {
            closed: others.closed + waiting.closed,
            failed: others.failed + waiting.failed,
            refused: others.refused + waiting.refused,
            aborted: others.aborted + waiting.aborted,
            running,
        }
    }

    pub(super) fn abort_refused(&self) {
        for entry in self.entries.values() {
            if matches!(entry.phase, Phase::Refused) {
                let _ = entry.stream.shutdown(Shutdown::Both);
            }
        }
    }

    pub(super) fn abort_all(&mut self) {
        for entry in self.entries.values_mut() {
            // This wakes a thread that is blocked in the stream.
            let _ = entry.stream.shutdown(Shutdown::Both);
            if !matches!(entry.phase, Phase::Refused | Phase::Aborted) {
                entry.phase = Phase::Aborted;
                let report =
                    if entry.waits { &mut self.report_of_waiting } else { &mut self.report };
                report.aborted += 1;
            }
        }
    }
}
