//! Messages that are encoded once and sent on many connections.
//!
//! The frame of a server has no masking key, so the same bytes serve every connection. Compression
//! depends on the parameters of the connection: the message keeps one compressed form for each
//! setting that it meets. A client must mask with a new key each time (§5.3), so it copies the
//! payload.

use std::sync::{Arc, Mutex, PoisonError};

use crate::deflate::Deflater;
use crate::protocol::{AsMessage, Fin, MessageKind, Outbound};

/// A message that is encoded once and sent on many connections: see
/// [`Sender::send_prepared`](crate::Sender::send_prepared) and [`Hub`](crate::Hub).
///
/// A server sends the same bytes to every peer, without a copy. A client masks a copy with a new
/// key each time (§5.3). Clones of a `PreparedMessage` share the bytes.
///
/// The message is compressed once for all connections with the same settings. On such a connection,
/// later messages do not refer to anything before it. A message that is sent in fragments, because
/// it is longer than 1 MiB by default, is compressed separately for each connection.
///
/// ```no_run
/// # fn send(senders: Vec<tightwire::Sender>) -> Result<(), tightwire::Error> {
/// let news = tightwire::PreparedMessage::new("It is noon.");
/// for sender in &senders {
///     sender.send_prepared(&news)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PreparedMessage {
    encoded: Arc<Encoded>,
}

#[derive(Debug)]
struct Encoded {
    kind: MessageKind,
    plain: Frame,
    deflated: Mutex<Vec<Deflated>>,
}

/// The message as deflaters with these settings compress it.
#[derive(Debug)]
struct Deflated {
    settings: (u8, u8),
    frame: Arc<Frame>,
}

/// A frame in the form in which a server sends it.
#[derive(Debug)]
pub(super) struct Frame {
    bytes: Vec<u8>,
    header_len: usize,
}

impl Frame {
    fn new(outbound: Outbound, kind: MessageKind, payload: &[u8]) -> Self {
        let mut outbound = outbound;
        let mut bytes = Vec::new();
        // Neither call fails: a server that has sent nothing yet may send a message, and it needs
        // no masking key.
        let payload = outbound.payload(kind, payload, Fin::Set).unwrap_or_default();
        let _ = outbound.encode_part_header(kind, payload.len(), Fin::Set, &mut bytes);
        let header_len = bytes.len();
        bytes.reserve_exact(payload.len());
        bytes.extend_from_slice(&payload);
        Self { bytes, header_len }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    pub(super) fn payload_len(&self) -> usize {
        self.bytes.len() - self.header_len
    }

    pub(super) fn payload(&self) -> &[u8] {
        self.bytes.get(self.header_len..).unwrap_or_default()
    }
}

impl PreparedMessage {
    /// Encodes a message: a string as text, bytes as binary, and a [`Message`](crate::Message) as
    /// its own kind.
    pub fn new(message: impl AsMessage) -> Self {
        let message = message.as_message();
        let kind = message.kind();
        let plain = Frame::new(Outbound::server(), kind, message.as_bytes());
        Self { encoded: Arc::new(Encoded { kind, plain, deflated: Mutex::default() }) }
    }

    pub(super) fn kind(&self) -> MessageKind {
        self.encoded.kind
    }

    pub(super) fn plain(&self) -> &Frame {
        &self.encoded.plain
    }

    /// Returns the message as this deflater compresses it, but without references to earlier
    /// messages.
    pub(super) fn deflated(&self, deflater: &Deflater) -> Arc<Frame> {
        let settings = deflater.settings();
        // The lock is held during compression: threads that wait for it would do the same work.
        let mut frames = self.encoded.deflated.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = frames.iter().find(|known| known.settings == settings) {
            return Arc::clone(&known.frame);
        }
        let outbound = Outbound::server().with_deflater(Some(deflater.alike()));
        let frame = Arc::new(Frame::new(outbound, self.kind(), self.plain().payload()));
        frames.push(Deflated { settings, frame: Arc::clone(&frame) });
        frame
    }
}
