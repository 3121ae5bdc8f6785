//! TLS as a [`Stream`](crate::Stream) that one thread reads while another writes.
//!
//! `rustls` has one session for both directions, so there must be a lock. It is never held across a
//! call to the stream below: a reader that waits for the peer must not keep a writer from sending,
//! nor the other way round. Each direction also has a lock for its bytes, which is held across
//! calls. The order is `outgoing`, then `session`: records must go out in the order in which they
//! were encrypted.
//!
//! A read can make the session want to write, for instance a key update. The reader writes the
//! records if no other thread is writing. Otherwise the writer finds them when it looks again after
//! its own write, as in `connection/write/guard.rs`.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Connection, ServerConfig};

use super::outgoing::Outgoing;
use super::{client, server};
use crate::net::connection::ReadBuffer;
use crate::net::deadline::Deadline;
use crate::net::error::is_timeout;
use crate::net::handshake_io::PATIENCE;
use crate::net::stream::WRITE_SLICE;
use crate::net::{Error, Stream};

/// A [`Stream`] with TLS, for both directions at once. Needs the feature `tls`.
///
/// [`Client::connect`](crate::Client::connect), and a [`Server`](crate::Server) whose acceptor has
/// [`tls`](crate::Acceptor::tls), create their own. Use this type for streams from elsewhere, and
/// to inspect the session:
///
/// ```no_run
/// # fn serve(
/// #     config: std::sync::Arc<tightwire::rustls::ServerConfig>,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use std::net::TcpListener;
/// use std::sync::Arc;
/// use std::time::Duration;
/// use tightwire::{Acceptor, TlsStream};
///
/// let (stream, _) = TcpListener::bind("127.0.0.1:8080")?.accept()?;
/// let stream = Arc::new(TlsStream::server(stream, config, Duration::from_secs(10))?);
/// let (mut ws, _request) = Acceptor::new().accept(Arc::clone(&stream))?;
/// let is_known = stream.inspect(|session| session.peer_certificates().is_some());
/// ws.send(if is_known { "Hello" } else { "Who are you?" })?;
/// # Ok(())
/// # }
/// ```
///
/// A read that got only a part of a record, or records without data, returns `Interrupted`. So a
/// peer that sends them one after the other cannot delay a deadline.
///
/// If a reader finds that the session must send something, such as an alert, it writes that only if
/// no other thread is writing; otherwise the writing thread sends it. The write timeout bounds the
/// reader's write. Without one, a peer that does not read could block the reader.
#[derive(Debug)]
pub struct TlsStream {
    stream: Box<dyn Stream>,
    /// Never held across a call to `stream`.
    session: Mutex<Connection>,
    /// The bytes that were read and not decrypted. The reading thread holds this, also while it
    /// waits for more.
    incoming: Mutex<ReadBuffer>,
    /// The writing thread holds this, also while it waits for the peer to read. It is locked before
    /// `session`: records go out in the order in which they were encrypted.
    outgoing: Mutex<Outgoing>,
}

/// The maximum number of bytes that are read ahead of decryption.
const MAX_INCOMING: usize = 64 << 10;

/// A call that writes to the stream below: one that waits, or one that does not.
type Write = fn(&dyn Stream, &[u8]) -> io::Result<usize>;

impl TlsStream {
    /// Performs the TLS handshake of a client, within `timeout`. The server's certificate must be
    /// valid for `server_name`, a host name or an IP address, unless the configuration specifies
    /// otherwise.
    ///
    /// This overwrites the read and write timeouts of `stream`.
    ///
    /// # Errors
    ///
    /// - `Tls` if the name is malformed, or the handshake fails.
    /// - `Timeout(Handshake)` if it does not end in time.
    /// - `Io` if the stream fails.
    pub fn client(
        stream: impl Stream,
        server_name: &str,
        config: impl Into<Arc<ClientConfig>>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let name = client::server_name(server_name)?;
        let deadline = Deadline::after(Some(timeout));
        Self::connect(Box::new(stream), name, config.into(), deadline)
    }

    /// Performs the TLS handshake of a server, within `timeout`.
    ///
    /// This overwrites the read and write timeouts of `stream`.
    ///
    /// # Errors
    ///
    /// - `Tls` if the handshake fails.
    /// - `Timeout(Handshake)` if it does not end in time.
    /// - `Io` if the stream fails.
    pub fn server(
        stream: impl Stream,
        config: impl Into<Arc<ServerConfig>>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let deadline = Deadline::after(Some(timeout));
        Self::accept(Box::new(stream), config.into(), deadline, PATIENCE)
    }

    /// Performs the TLS handshake of a client.
    pub(super) fn connect(
        stream: Box<dyn Stream>,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let session = client::handshake(&*stream, name, config, deadline)?;
        Ok(Self::new(stream, session))
    }

    /// Performs the TLS handshake of a server. If it fails, the client has `linger_for` to read the
    /// alert.
    pub(super) fn accept(
        stream: Box<dyn Stream>,
        config: Arc<ServerConfig>,
        deadline: Deadline,
        linger_for: Duration,
    ) -> Result<Self, Error> {
        let session = server::handshake(&*stream, config, deadline, linger_for)?;
        Ok(Self::new(stream, session))
    }

    /// Creates a stream whose handshake is complete.
    fn new(stream: Box<dyn Stream>, session: Connection) -> Self {
        Self {
            stream,
            session: Mutex::new(session),
            incoming: Mutex::new(ReadBuffer::new(Vec::new())),
            outgoing: Mutex::default(),
        }
    }

    /// Calls `look` with the session, for instance to see the certificates of the peer, the
    /// version, or the result of ALPN. Both directions wait in the meantime.
    pub fn inspect<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(&lock(&self.session))
    }

    /// Decrypts until there are bytes for `buffer`. Returns `None` if more must be read first, and
    /// 0 at the peer's close_notify.
    fn decrypt(&self, incoming: &mut ReadBuffer, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut session = lock(&self.session);
        let outcome = loop {
            match session.reader().read(buffer) {
                Ok(count) => break Ok(Some(count)),
                Err(error) if !is_timeout(&error) => break Err(error),
                Err(_) if incoming.unread().is_empty() => break Ok(None),
                // All plaintext was taken, so the session never holds more than one record of it.
                Err(_) => {}
            }
            let mut ciphertext = incoming.unread();
            if let Err(error) = session.read_tls(&mut ciphertext) {
                break Err(error);
            }
            let left = ciphertext.len();
            if let Err(error) = session.process_new_packets() {
                // Plaintext before the error still counts. The error stays, and the next read
                // returns it.
                break match session.reader().read(buffer) {
                    Ok(count @ 1..) => Ok(Some(count)),
                    _ => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
                };
            }
            incoming.keep(left);
        };
        let owes = session.wants_write();
        drop(session);
        if owes {
            self.try_send();
        }
        outcome
    }

    /// Reads once from the stream below.
    fn fill(&self, incoming: &mut ReadBuffer) -> io::Result<()> {
        incoming.limit(MAX_INCOMING);
        match incoming.fill(&*self.stream) {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the stream was cut off: it ended without a TLS close_notify",
            )),
            Ok(_) => Ok(()),
            Err(error) => {
                if is_timeout(&error) {
                    // An idle connection keeps no large buffer.
                    incoming.shrink();
                }
                Err(error)
            }
        }
    }

    /// Writes the records of the session's own, such as alerts, unless another thread is writing:
    /// then that thread writes them. The next write takes the records that the peer does not take
    /// now. A failure is not returned to the reader, because there may still be bytes of the peer
    /// to read.
    fn try_send(&self) {
        loop {
            let mut outgoing = match self.outgoing.try_lock() {
                Ok(outgoing) => outgoing,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            let collected = outgoing.collect(&mut lock(&self.session));
            let _ = collected.and_then(|()| outgoing.write(|bytes| self.stream.write(bytes)));
            drop(outgoing);
            if !self.owes() {
                return;
            }
        }
    }

    /// The look after `outgoing` was released: a reader that found it taken has left its records to
    /// this thread.
    fn owes(&self) -> bool {
        lock(&self.session).wants_write()
    }

    /// Writes until all of `buffer` is written or the stream has no room for more. Only a part is
    /// encrypted at a time, but a return after that part would mean that there is no room.
    fn write_while_room(
        &self,
        outgoing: &mut Outgoing,
        buffer: &[u8],
        write: Write,
    ) -> io::Result<()> {
        let mut deadline = None;
        loop {
            while let Some(piece) = outgoing.next_piece(buffer) {
                outgoing.encrypt(&mut lock(&self.session), piece)?;
            }
            outgoing.write(|bytes| write(&*self.stream, bytes))?;
            if !outgoing.is_empty() || outgoing.untold() >= buffer.len() {
                return Ok(());
            }
            // A peer that reads just fast enough must not hold a thread that should write only
            // once.
            let deadline = deadline.get_or_insert_with(|| Deadline::after(Some(WRITE_SLICE)));
            if deadline.is_over() {
                return Ok(());
            }
        }
    }

    /// Writes from the front of `buffer`, and returns how many of its bytes were written.
    fn encrypt_and(&self, write: Write, buffer: &[u8]) -> io::Result<usize> {
        let mut outgoing = lock(&self.outgoing);
        let outcome = self.write_while_room(&mut outgoing, buffer, write);
        let gone = outgoing.take_untold();
        let is_stuck = !outgoing.is_empty();
        drop(outgoing);
        if self.owes() {
            self.try_send();
        }
        match outcome {
            // The next call runs into the same error.
            _ if gone > 0 => Ok(gone),
            Ok(()) if is_stuck => Err(io::ErrorKind::WouldBlock.into()),
            outcome => outcome.map(|()| 0),
        }
    }

    /// Sends a close_notify, and waits for the peer to take it, until the deadline.
    fn announce_end(
        &self,
        outgoing: &mut Outgoing,
        deadline: Deadline,
        write: Write,
    ) -> io::Result<()> {
        let mut session = lock(&self.session);
        session.send_close_notify();
        outgoing.collect(&mut session)?;
        drop(session);
        while !outgoing.is_empty() {
            match outgoing.write(|bytes| write(&*self.stream, bytes)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) && !deadline.is_over() => {}
                outcome => outcome?,
            }
            if deadline.is_over() {
                break;
            }
        }
        Ok(())
    }
}

impl Stream for TlsStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut incoming = lock(&self.incoming);
        let (mut filled, mut has_filled) = (0, false);
        loop {
            let free = buffer.get_mut(filled..).unwrap_or_default();
            match self.decrypt(&mut incoming, free) {
                Ok(Some(count @ 1..)) => {
                    filled += count;
                    // The rest of a record would have filled the buffer.
                    if filled == buffer.len() || incoming.unread().is_empty() {
                        return Ok(filled);
                    }
                }
                // The next call runs into the same end or error, so nothing is lost.
                _ if filled > 0 => return Ok(filled),
                Ok(Some(_)) => return Ok(0),
                // A further read could wait for the whole timeout again, and so could each one
                // after it.
                Ok(None) if has_filled => return Err(io::ErrorKind::Interrupted.into()),
                Ok(None) => {
                    self.fill(&mut incoming)?;
                    has_filled = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.encrypt_and(<dyn Stream>::write, buffer)
    }

    fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.encrypt_and(<dyn Stream>::try_write, buffer)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }

    fn max_read_timeout(&self) -> Option<Duration> {
        self.stream.max_read_timeout()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match how {
            Shutdown::Read => {}
            Shutdown::Write => {
                let deadline = Deadline::after(Some(PATIENCE));
                // If the peer does not take it, the stream ends without a close_notify.
                let mut outgoing = lock(&self.outgoing);
                let _ = self.announce_end(&mut outgoing, deadline, <dyn Stream>::write);
            }
            // A thread that is blocked in a write must be woken, so this does not wait for its
            // lock.
            Shutdown::Both => {
                if let Ok(mut outgoing) = self.outgoing.try_lock() {
                    let deadline = Deadline::after(Some(Duration::ZERO));
                    let _ = self.announce_end(&mut outgoing, deadline, <dyn Stream>::try_write);
                }
            }
        }
        self.stream.shutdown(how)
    }

    fn prepare(&self) -> io::Result<()> {
        self.stream.prepare()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
