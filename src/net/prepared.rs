use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::protocol::{MessageKind, MessageRef, Outbound};

/// A message that is encoded once and sent on many connections: see
/// [`Sender::send_prepared`](crate::Sender::send_prepared) and [`Hub`](crate::Hub).
///
/// A server sends the same bytes to every peer, from where they lie; a client masks them anew
/// each time (§5.3). Clones share the bytes.
///
/// ```no_run
/// # fn send(senders: Vec<tightwire::Sender>) -> Result<(), tightwire::Error> {
/// let news = tightwire::Prepared::new("It is noon.");
/// for sender in &senders {
///     sender.send_prepared(&news)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    encoded: Arc<Encoded>,
}

#[derive(Debug)]
struct Encoded {
    kind: MessageKind,
    /// As a server sends it.
    frame: Vec<u8>,
    header_len: usize,
}

impl Prepared {
    /// Encodes a message: a `&str` as text, bytes as binary, or a
    /// [`&Message`](crate::Message) as what it is.
    pub fn new<'a>(message: impl Into<MessageRef<'a>>) -> Self {
        let message = message.into();
        let (kind, payload) = (message.kind(), message.as_bytes());
        let mut frame = Vec::new();
        // A server that has sent nothing yet may send a message, and needs no key for it.
        let _ = Outbound::server().message_header(kind, payload.len(), &mut frame);
        let header_len = frame.len();
        frame.reserve_exact(payload.len());
        frame.extend_from_slice(payload);
        Self { encoded: Arc::new(Encoded { kind, frame, header_len }) }
    }

    pub(super) fn kind(&self) -> MessageKind {
        self.encoded.kind
    }

    pub(super) fn frame(&self) -> &[u8] {
        &self.encoded.frame
    }

    pub(super) fn payload(&self) -> &[u8] {
        self.encoded.frame.get(self.encoded.header_len..).unwrap_or_default()
    }
}

/// Messages of broadcasts for whoever has the turn to write: they wait here, in their order,
/// instead of their broadcasters. They are shared with other connections, so they cost little.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    messages: Mutex<VecDeque<Prepared>>,
    /// Says without the lock whether there are any.
    has_some: AtomicBool,
}

/// As many broadcasts may wait for a connection. Enough for several threads that broadcast at
/// once, or for a long message in between; a peer that is further behind is slow.
const BACKLOG_MAX: usize = 16;

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        !self.has_some.load(Ordering::SeqCst)
    }

    /// Adds a message, unless the backlog is full.
    pub(super) fn push(&self, message: &Prepared) -> bool {
        let mut messages = self.lock();
        let has_room = messages.len() < BACKLOG_MAX;
        if has_room {
            messages.push_back(message.clone());
            self.has_some.store(true, Ordering::SeqCst);
        }
        has_room
    }

    /// Takes the first message.
    pub(super) fn pop(&self) -> Option<Prepared> {
        let mut messages = self.lock();
        let first = messages.pop_front();
        self.has_some.store(!messages.is_empty(), Ordering::SeqCst);
        first
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Prepared>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a message that was to be sent without waiting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Offer {
    /// It is on its way, or in the backlog for who has the turn.
    Taken,
    /// The backlog is full, because messages come faster than whoever has the turn writes them.
    Busy,
    /// The backlog is full, because the peer does not read or a long message is in progress.
    Slow,
    /// No message can be sent any more.
    Closed,
}
