//! The state that the two halves of a connection share, and the order in which they use it.
//!
//! ```text
//!   receiver, broadcaster                sender
//!   ─────────────────────                ──────
//!   lock slot, post, flag, unlock        lock writer
//!   fence                                  take the work in the inbox
//!   try_lock writer                        encode, write (may block)
//!     free:   as the sender                publish what is left
//!     taken:  continue                   unlock writer
//!                                        fence
//!                                        flag again?  as the receiver does
//! ```
//!
//! `slot`, in the inbox, is never held across a call to the stream; `writer` is. A thread that
//! holds `writer` may lock `slot`, never the other way round. The receiver never waits for
//! `writer`. If the receivers of both ends did, all four halves could hang: our receiver would wait
//! for our sender, which waits for the peer's receiver, which waits for the peer's sender, which
//! waits for ours.

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use super::counters::{Counters, Direction};
use super::inbox::Inbox;
use super::latency::Latency;
use super::status::{
    ABORTED, BEHIND, BROADCAST, BROKEN, CLOSE_RECEIVED, CLOSE_SENT, CONTROL, FAILED, FED, SLOW,
    STALLED, Snapshot, Status,
};
use super::try_writes::TryWrites;
use super::write::{COPY_MAX, Writer};
use crate::error::ProtocolError;
use crate::frame::CloseFrame;
use crate::net::deadline::{Deadline, Wait};
use crate::net::sync::{Condvar, Mutex};
use crate::net::{Error, Stream, Timeouts};
use crate::protocol::{Event, Outbound, Role, State};

#[derive(Debug)]
pub(super) struct Shared {
    /// A weak reference, because the receiver owns the stream. When the receiver is done and no
    /// thread is writing, the stream is closed, even if senders are kept.
    stream: Weak<dyn Stream>,
    pub(super) timeouts: Timeouts,
    /// Messages with a longer payload are sent in fragments of this many bytes.
    pub(super) fragment_len: usize,
    /// Payloads of up to this many bytes are always copied, and sent in one frame.
    pub(super) copied_len: usize,
    role: Role,
    pub(super) inbox: Inbox,
    pub(super) writer: Mutex<Writer>,
    /// Notified when a streamed message ends, or when the connection closes before it can.
    pub(super) message_end: Condvar,
    pub(super) status: Status,
    pub(super) try_writes: TryWrites,
    pub(super) latency: Latency,
    pub(super) sent: Direction,
    pub(super) received: Direction,
    close_written_at: OnceLock<Instant>,
    weak: Weak<Self>,
}

impl Shared {
    pub(super) fn new(
        stream: &Arc<dyn Stream>,
        outbound: Outbound,
        timeouts: Timeouts,
        fragment_len: usize,
    ) -> Arc<Self> {
        Arc::new_cyclic(|weak| Self {
            stream: Arc::downgrade(stream),
            timeouts,
            fragment_len: fragment_len.max(1),
            copied_len: fragment_len.clamp(1, COPY_MAX),
            role: outbound.role(),
            inbox: Inbox::new(),
            writer: Mutex::new(Writer::new(outbound)),
            message_end: Condvar::new(),
            status: Status::new(),
            try_writes: TryWrites::new(),
            latency: Latency::default(),
            sent: Direction::default(),
            received: Direction::default(),
            close_written_at: OnceLock::new(),
            weak: Weak::clone(weak),
        })
    }

    /// Returns a reference for a thread that must not keep the connection in memory.
    pub(super) const fn weak(&self) -> &Weak<Self> {
        &self.weak
    }

    /// Returns the stream, as long as the receiver holds it.
    pub(super) fn stream(&self) -> Option<Arc<dyn Stream>> {
        self.stream.upgrade()
    }

    pub(super) const fn role(&self) -> Role {
        self.role
    }

    #[inline]
    pub(super) fn status(&self) -> Snapshot {
        self.status.get()
    }

    #[inline]
    pub(super) fn state(&self) -> State {
        self.status.get().state()
    }

    #[inline]
    pub(super) fn close_sent(&self) -> bool {
        self.status.has(CLOSE_SENT)
    }

    pub(super) fn is_broken(&self) -> bool {
        self.status.has(BROKEN)
    }

    #[inline]
    pub(super) fn is_aborted(&self) -> bool {
        self.status.has(ABORTED)
    }

    /// Whether bytes that must go out wait for the peer to take them.
    #[inline]
    pub(super) fn is_behind(&self) -> bool {
        self.status.has(BEHIND)
    }

    /// Whether the last call to the stream took less than it was given.
    #[inline]
    pub(super) fn is_stalled(&self) -> bool {
        self.status.has(STALLED)
    }

    /// Whether the receiver is responsible for bytes or for work, or any broadcast waits. This is a
    /// quick first test: `Snapshot::needs_receiver` decides.
    #[inline]
    pub(super) fn may_need_receiver(&self) -> bool {
        self.status.has(CONTROL | BROADCAST | BEHIND)
    }

    /// Whether anything that a thread could write waits, in the writer or in the inbox.
    #[inline]
    pub(super) fn has_unwritten(&self) -> bool {
        self.status.has(CONTROL | BROADCAST | FED | BEHIND)
    }

    /// Returns the deadline for the peer's answer to our Close frame: never, if we have sent none.
    pub(super) fn close_deadline(&self) -> Deadline {
        match self.close_written_at.get() {
            Some(&sent) => Deadline::at(sent, self.timeouts.close),
            None => Deadline::never(),
        }
    }

    /// Records that a Close frame was handed to the stream. The peer's time to answer starts now,
    /// even if it has not read the frame.
    pub(super) fn note_close_written(&self) {
        self.close_written_at.get_or_init(Instant::now);
    }

    /// Whether all bytes of our Close frame are out.
    pub(super) fn close_is_out(&self) -> bool {
        self.close_written_at.get().is_some() && !self.status.has(FED | BEHIND)
    }

    /// Whether our side of the stream must be shut down (§7.1.1). A server shuts it down once the
    /// closing handshake is complete. A client waits for its server. An endpoint that fails the
    /// connection shuts it down at once.
    pub(super) fn write_side_is_over(&self) -> bool {
        let status = self.status.get();
        status.has(FAILED) || self.role == Role::Server && status.has(CLOSE_RECEIVED)
    }

    /// Posts the control frame that answers an event, if it needs one.
    #[inline]
    pub(super) fn post_answer(&self, event: &Event) {
        let flags = match event {
            Event::Ping(_) => 0,
            Event::Close(_) => CLOSE_RECEIVED,
            Event::Message(_) | Event::Pong(_) => return,
        };
        self.inbox.post(&self.status, flags, |pending_control| pending_control.record_event(event));
    }

    /// Posts a Ping whose Pong measures the latency.
    pub(super) fn post_ping(&self) {
        let data = self.latency.begin();
        self.inbox.post(&self.status, 0, |pending_control| pending_control.record_ping(&data));
    }

    /// Posts the Close frame that tells the peer which rule it broke.
    pub(super) fn post_failure(&self, error: ProtocolError) {
        self.inbox
            .post(&self.status, FAILED, |pending_control| pending_control.record_failure(error));
    }

    /// Sends a Close frame without waiting for other threads: this thread writes it, or the thread
    /// that holds the writer does. If the peer does not take it soon, the flusher continues.
    pub(super) fn close_soon(&self, frame: CloseFrame, wait: Wait) {
        if !self.close_sent() {
            self.inbox.post(&self.status, 0, |pending_control| pending_control.record_close(frame));
        }
        // The receiver runs into the same failure, and reports it.
        let _ = self.try_flush(wait);
    }

    /// Frees memory that an idle connection does not need.
    pub(super) fn on_idle(&self) {
        self.try_with_writer(|guard| guard.on_idle());
    }

    /// Records that a write failed, and returns the error for the caller.
    pub(super) fn note_broken(&self, error: io::Error) -> Error {
        if self.status.set(BROKEN).has(ABORTED) { self.aborted() } else { error.into() }
    }

    /// Returns the error of a call that another thread ended by an abort.
    pub(super) fn aborted(&self) -> Error {
        if self.status.has(SLOW) {
            return Error::SlowPeer;
        }
        let text = "this side aborted the connection";
        Error::Io(io::Error::new(io::ErrorKind::ConnectionAborted, text))
    }

    /// Ends the connection at once, on behalf of a thread other than the receiver's. Threads that
    /// are blocked in the stream return. Returns `false` if the connection had ended before.
    pub(super) fn abort(&self) -> bool {
        self.end_with(ABORTED | BROKEN)
    }

    /// Like [`abort`](Self::abort), for a peer that reads too slowly for a hub.
    pub(super) fn abort_as_slow(&self) -> bool {
        self.end_with(ABORTED | BROKEN | SLOW)
    }

    /// Adds the bytes that the stream took to the counters. A stream may claim to have taken more
    /// than `bytes`, so the count is capped.
    #[inline]
    pub(super) fn count(&self, written: io::Result<usize>, bytes: &[u8]) -> io::Result<usize> {
        if let Ok(count) = written {
            self.sent.add_bytes(count.min(bytes.len()));
        }
        written
    }

    pub(super) fn counters(&self) -> Counters {
        let (messages_sent, bytes_sent) = self.sent.get();
        let (messages_received, bytes_received) = self.received.get();
        Counters { messages_sent, messages_received, bytes_sent, bytes_received }
    }

    /// Ends the stream, on behalf of the receiver, and discards everything that waited for it: a
    /// program may keep a sender for long.
    pub(super) fn end(&self) {
        self.end_with(BROKEN);
        self.inbox.discard_broadcasts(&self.status);
        self.discard_pending();
    }

    fn end_with(&self, flags: u16) -> bool {
        let before = self.status.set(flags);
        if let Some(stream) = self.stream() {
            // The peer may have ended it first.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.message_end.notify_all();
        !before.has(BROKEN)
    }
}
