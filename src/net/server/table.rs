//! What the registry knows of each connection, and the counts of the shutdown report.
//!
//! A handler may shut its own server down. It then waits for all connections except its own and
//! those of other handlers that do the same, because each would wait for the other. These are
//! counted in a report of their own.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::ThreadId;

use super::report::ShutdownReport;
use crate::net::deadline::Deadline;
use crate::net::{Counters, Sender};

/// What a [`Registry`](super::registry::Registry) knows of the connections of its server.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) entries: BTreeMap<u64, Entry>,
    pub(super) last_id: u64,
    /// The thread that accepts, while one does.
    pub(super) accepting: Option<ThreadId>,
    pub(super) transport: Transport,
    /// The end of the shutdown, once there is one.
    pub(super) stop: Option<Deadline>,
    /// How many entries have `waits`.
    pub(super) waiting: usize,
    /// The counts of connections that are gone.
    pub(super) gone: Counters,
    /// What became of the connections, except those whose handlers asked for the shutdown.
    report: ShutdownReport,
    /// What became of those.
    report_of_waiting: ShutdownReport,
}

/// What carries the connections of a server.
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
    /// Its handler has asked for the shutdown, and waits for the others.
    pub(super) waits: bool,
    /// The connection, once its opening handshake is over.
    pub(super) sender: Option<Sender>,
}

impl Entry {
    /// What has passed over the connection so far.
    pub(super) fn counters(&self) -> Counters {
        self.sender.as_ref().map_or_else(Counters::default, Sender::counters)
    }

    /// The connection whose handler runs, unless it was aborted.
    pub(super) fn open(&self) -> Option<&Sender> {
        self.sender.as_ref().filter(|_| matches!(self.phase, Phase::Open))
    }
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The request is being read: nobody has written yet.
    Reading,
    /// The thread of the connection answers the request.
    Answering,
    /// The shutdown has answered the request, or had it answered.
    Refused,
    Open,
    Aborted,
}

impl Table {
    /// Whom the shutdown has to speak to: handshakes that nobody has answered, and connections.
    pub(super) fn begin_goodbye(&mut self) -> (Vec<Arc<TcpStream>>, Vec<Sender>) {
        let (mut asking, mut open) = (Vec::new(), Vec::new());
        for entry in self.entries.values_mut() {
            match entry.phase {
                Phase::Reading => {
                    entry.phase = Phase::Refused;
                    asking.push(Arc::clone(&entry.stream));
                }
                Phase::Open => open.extend(entry.sender.clone()),
                // It will see that it comes too late.
                Phase::Answering | Phase::Refused | Phase::Aborted => {}
            }
        }
        (asking, open)
    }

    /// If this is the thread of a connection, notes that its handler waits, and returns its id.
    pub(super) fn begin_waiting(&mut self, caller: ThreadId) -> Option<u64> {
        let own = |(_, entry): &(&u64, &mut Entry)| entry.thread == Some(caller);
        let (&id, entry) = self.entries.iter_mut().find(own)?;
        if !entry.waits {
            entry.waits = true;
            self.waiting += 1;
        }
        Some(id)
    }

    /// How many connections the handler of `own` has to wait for, or who has none. A handler
    /// that shuts the server down waits neither for itself nor for another one that has done
    /// so: each would wait for the other.
    pub(super) fn left_for(&self, own: Option<u64>) -> usize {
        let exempt = if own.is_some() { self.waiting } else { 0 };
        self.entries.len().saturating_sub(exempt)
    }

    /// Counts what became of a connection that is over.
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

    /// The report for a caller whose own connection this is, or for one that has none. The first
    /// does not hear of its own, nor of those of other handlers that have asked.
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
            // This wakes whoever is blocked in it.
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
