//! Answers clients that are not served.
//!
//! The accepting thread writes the 503. It is the first data on the stream, so it finds room in the
//! system's buffer. Then the client needs time to read, and the accepting thread must not wait. One
//! other thread waits for all such clients, one after the other. Each client has its own deadline
//! from the moment of its answer, so the waits do not add up.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::table::Transport;
use crate::handshake::Response;
use crate::net::deadline::Deadline;
use crate::net::handshake_io::{self, PATIENCE};

/// The reason why a connection is not served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RejectReason {
    Full,
    Stopping,
}

/// Answers clients from the accepting thread, and waits for them in a thread of its own.
#[derive(Debug)]
pub(super) struct Rejector {
    queue: Option<SyncSender<Refused>>,
    thread: Option<JoinHandle<()>>,
    /// A client that expects TLS gets no answer, because there is no TLS handshake here.
    transport: Transport,
    linger_for: Duration,
}

/// A client that has its answer, and the deadline for reading it.
#[derive(Debug)]
struct Refused {
    stream: Arc<TcpStream>,
    deadline: Deadline,
}

/// How many clients at once get time to read their answer. Beyond that, TCP may report a reset to
/// the client instead.
pub(super) const MAX_REFUSED: usize = 64;
const STACK_SIZE: usize = 64 << 10;

impl Rejector {
    /// Starts the thread that waits for clients.
    ///
    /// # Errors
    ///
    /// Fails if the system cannot start a thread.
    pub(super) fn spawn(transport: Transport, linger_for: Duration) -> io::Result<Self> {
        let (queue, refused) = mpsc::sync_channel(MAX_REFUSED);
        let thread = thread::Builder::new()
            .name("tightwire refusals".into())
            .stack_size(STACK_SIZE)
            .spawn(move || linger(&refused))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), transport, linger_for })
    }

    /// Answers with 503, and ends the connection once the client has read the answer.
    pub(super) fn refuse(&self, stream: Arc<TcpStream>, why: RejectReason) {
        match self.transport {
            Transport::Tcp => answer(&stream, why),
            // The client may be gone.
            Transport::Tls => {
                let _ = stream.shutdown(Shutdown::Write);
            }
        }
        if let Some(queue) = &self.queue {
            let refused = Refused { stream, deadline: Deadline::after(Some(self.linger_for)) };
            // If too many clients wait, this one is closed at once.
            let _ = queue.try_send(refused);
        }
    }
}

impl Drop for Rejector {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits for one client after the other. The first may delay all others, but their deadlines come
/// nearer in the meantime, and none is closed before its own deadline.
fn linger(refused: &Receiver<Refused>) {
    for Refused { stream, deadline } in refused {
        handshake_io::linger(&*stream, deadline);
    }
}

/// Writes a 503 and shuts our side of the stream down. These are the first bytes on the stream, so
/// they find room in the system's buffer, and the call does not wait.
pub(super) fn answer(stream: &Arc<TcpStream>, why: RejectReason) {
    let response = match why {
        RejectReason::Full => {
            Response::new(503).with_body("There is no room for another connection.\n")
        }
        RejectReason::Stopping => handshake_io::going_away(),
    };
    // A client that is gone needs no answer.
    let _ = handshake_io::answer_last(&**stream, Deadline::after(Some(PATIENCE)), &response);
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use super::*;

    #[test]
    fn accepting_thread_does_not_wait_for_room_in_the_queue() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = Arc::new(listener.accept().unwrap().0);
        // No thread empties this queue.
        let (queue, _refused) = mpsc::sync_channel(1);
        let transport = Transport::Tcp;
        let rejector =
            Rejector { queue: Some(queue), thread: None, transport, linger_for: PATIENCE };
        let (sender, done) = mpsc::channel();
        thread::spawn(move || {
            for _ in 0..3 {
                rejector.refuse(Arc::clone(&stream), RejectReason::Full);
            }
            sender.send(())
        });
        done.recv_timeout(Duration::from_secs(20)).unwrap();
        drop(client);
    }
}
