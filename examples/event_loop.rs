//! An echo server for any number of connections in one thread: `mio` drives the protocol without
//! I/O, [`tightwire::protocol`].
//!
//! ```text
//! cargo run --release --example event_loop [ADDR]
//! ```
//!
//! When a connection is readable, the server reads once, handles all events in the bytes, and then
//! writes the answers. It reads nothing more from a peer that does not read its answers. Ctrl-C and
//! SIGTERM shut it down cleanly.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::event::Event as Readiness;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use tightwire::frame::{CloseCode, CloseFrame};
use tightwire::handshake::{
    AcceptOptions, HeadLimits, HeadScanner, HttpError, Rejection, Request, Response, Upgrade,
};
use tightwire::protocol::{Connection, Event, Limits, Outbound};
use tightwire::{Message, MessageRef};

/// The maximum number of bytes that are read at once.
const READ_LEN: usize = 256 << 10;
/// The server does not read from a connection with more unsent bytes than this.
const MAX_UNSENT: usize = 64 << 10;
/// A larger payload is not copied behind its header. It is written from its own memory.
const COPY_MAX: usize = 4 << 10;

/// How often peers are checked for silence. After this many ticks of silence a peer gets a Ping, or
/// is disconnected. In the opening and closing handshakes it is disconnected sooner.
const TICK: Duration = Duration::from_secs(10);
const TICKS_TO_PING: u32 = 2;
const TICKS_TO_END: u32 = 4;
const TICKS_FOR_HANDSHAKE: u32 = 2;

/// How long clients have to answer our Close frames when the server shuts down.
const GOODBYE: Duration = Duration::from_secs(3);

const LISTENER: Token = Token(usize::MAX);
const STOPPER: Token = Token(usize::MAX - 1);

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let mut server = Server::bind(&address)?;
    let stopper = Waker::new(server.poll.registry(), STOPPER)?;
    ctrlc::set_handler(move || {
        // If this fails, the event loop has ended already.
        let _ = stopper.wake();
    })?;
    println!("listening on ws://{}", server.listener.local_addr()?);
    server.run()?;
    Ok(())
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    /// The token of a client is its index here.
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    scratch: Scratch,
}

/// Buffers that all clients share. A client uses them for one event at a time, so an idle client
/// has no buffers.
struct Scratch {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Server {
    fn bind(address: &str) -> Result<Self, Box<dyn Error>> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address.parse()?)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let scratch = Scratch { input: vec![0; READ_LEN], output: Vec::new() };
        Ok(Self { poll, listener, clients: Vec::new(), free: Vec::new(), scratch })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut next_tick = Instant::now() + TICK;
        let mut end = None;
        loop {
            let now = Instant::now();
            let is_empty = self.clients.len() == self.free.len();
            if end.is_some_and(|end| now >= end || is_empty) {
                return Ok(());
            }
            let until = end.map_or(next_tick, |end| next_tick.min(end));
            let timeout = until.saturating_duration_since(now);
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for event in &events {
                match event.token() {
                    LISTENER if end.is_none() => self.accept_all(),
                    LISTENER => {}
                    STOPPER => {
                        end.get_or_insert(now + GOODBYE);
                        (0..self.clients.len())
                            .for_each(|at| self.with_client(at, Client::say_goodbye));
                    }
                    Token(at) => {
                        self.with_client(at, |client, scratch| client.ready(event, scratch))
                    }
                }
            }
            if Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                (0..self.clients.len()).for_each(|at| self.with_client(at, Client::tick));
                if end.is_none() {
                    self.accept_all();
                }
            }
        }
    }

    fn accept_all(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    // If this fails, the client gets no connection, and the server continues.
                    let _ = self.add(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The process may have run out of descriptors. The next tick tries again.
                Err(error) => return eprintln!("cannot accept: {error:#}"),
            }
        }
    }

    fn add(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let at = self.free.pop().unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        let registered = self.poll.registry().register(&mut stream, Token(at), Interest::READABLE);
        match registered {
            Ok(()) => self.clients[at] = Some(Client::new(stream)),
            Err(_) => self.free.push(at),
        }
        registered
    }

    /// Runs `act` on a client. Then waits for the events that the client needs next, or drops it.
    fn with_client(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Client, &mut Scratch) -> io::Result<Next>,
    ) {
        // An event may belong to a client that an earlier event has ended.
        let Some(slot) = self.clients.get_mut(at) else { return };
        let Some(client) = slot else { return };
        let goes_on = match act(client, &mut self.scratch) {
            Ok(Next::Wait { again }) => client.wait(self.poll.registry(), Token(at), again).is_ok(),
            Ok(Next::End) | Err(_) => false,
        };
        if !goes_on {
            *slot = None;
            self.free.push(at);
        }
    }
}

/// One connection.
struct Client {
    stream: TcpStream,
    stage: Stage,
    unsent: Unsent,
    /// The events that the client waits for.
    interest: Interest,
    /// Ticks since the peer last sent or took bytes.
    silent_for: u32,
}

enum Stage {
    /// The request has not arrived completely.
    Handshake {
        head: Vec<u8>,
        scanner: HeadScanner,
    },
    Open(Box<Connection>),
    /// No frame follows. We write the unsent bytes, and wait until the peer ends TCP. If we ended
    /// it while bytes are unread, the peer could lose our last bytes (§7.1.1).
    Over,
}

/// Bytes that the peer has not taken yet. They stay in separate pieces, so that a large payload is
/// not copied.
#[derive(Default)]
struct Unsent {
    pieces: VecDeque<Vec<u8>>,
    /// How many bytes of the first piece are written.
    written: usize,
    /// The unsent bytes of all pieces.
    len: usize,
}

enum Next {
    /// Wait for events. `again` means that there may be bytes to read already.
    Wait {
        again: bool,
    },
    End,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        let scanner = HeadScanner::new(HeadLimits::default());
        Self {
            stream,
            stage: Stage::Handshake { head: Vec::new(), scanner },
            unsent: Unsent::default(),
            interest: Interest::READABLE,
            silent_for: 0,
        }
    }

    /// Writes and reads as far as the stream allows.
    fn ready(&mut self, event: &Readiness, scratch: &mut Scratch) -> io::Result<Next> {
        self.write_unsent()?;
        if self.unsent.len > MAX_UNSENT {
            return Ok(Next::Wait { again: false });
        }
        let mut again = event.is_read_closed();
        let Scratch { input, output } = scratch;
        // The kernel copies fastest to the start of a page, on some processors many times as fast.
        let page = input.as_ptr().align_offset(4096).min(input.len());
        let input = &mut input[page..];
        match self.stream.read(input) {
            Ok(0) => return Ok(Next::End),
            Ok(count) => {
                // A read that does not fill the buffer has taken all bytes. After one that does,
                // other clients come first.
                again |= count == input.len();
                self.take(&input[..count], output)?;
            }
            Err(error) if is_temporary(&error) => again = false,
            Err(error) => return Err(error),
        }
        if matches!(self.stage, Stage::Over) && self.unsent.is_empty() {
            // If this fails, the peer has ended TCP already.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        Ok(Next::Wait { again })
    }

    /// Handles the bytes that have arrived, and writes the answers.
    fn take(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        let rest;
        let mut input = input;
        if let Stage::Handshake { head, scanner } = &mut self.stage {
            head.extend_from_slice(input);
            let response = match scanner.find_end(head) {
                Ok(None) => return Ok(()),
                Ok(Some(head_len)) => {
                    rest = head.split_off(head_len);
                    input = &rest;
                    upgrade(head)
                }
                Err(error) => Err(Rejection::from(error)),
            };
            self.stage = match &response {
                Ok(_) => {
                    let connection = Connection::new(Outbound::server(), Limits::default());
                    Stage::Open(Box::new(connection))
                }
                Err(_) => Stage::Over,
            };
            match &response {
                Ok(response) => response.encode(output),
                Err(rejection) => rejection.response().encode(output),
            }
        }
        if let Stage::Open(_) = self.stage {
            self.silent_for = 0;
            self.echo(&mut input, output)?;
        }
        self.write(output, Vec::new())
    }

    /// Answers all messages in `input`. `next_event` itself appends Pongs to `output`, and the
    /// Close frame if the peer closes or breaks a rule.
    fn echo(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        while let Stage::Open(connection) = &mut self.stage {
            match connection.next_event(input, output) {
                Ok(Some(Event::Message(message))) => self.send(message, output)?,
                Ok(Some(Event::Ping(_) | Event::Pong(_))) => {}
                Ok(None) => return Ok(()),
                Ok(Some(Event::Close(_))) | Err(_) => self.stage = Stage::Over,
            }
        }
        Ok(())
    }

    fn send(&mut self, message: Message, output: &mut Vec<u8>) -> io::Result<()> {
        let Stage::Open(connection) = &mut self.stage else { return Ok(()) };
        let outbound = connection.outbound();
        if message.len() <= COPY_MAX {
            return outbound.encode_message((&message).into(), output).map_err(io::Error::other);
        }
        let kind = MessageRef::from(&message).kind();
        outbound.encode_message_header(kind, message.len(), output).map_err(io::Error::other)?;
        self.write(output, message.into_bytes())
    }

    /// Writes `output` and then `payload`, and empties `output`. Keeps the bytes that the peer does
    /// not take. The memory of a written payload serves the next message.
    fn write(&mut self, output: &mut Vec<u8>, payload: Vec<u8>) -> io::Result<()> {
        let mut written = 0;
        if self.unsent.is_empty() && !(output.is_empty() && payload.is_empty()) {
            let buffers = [IoSlice::new(output), IoSlice::new(&payload)];
            written = count(self.stream.write_vectored(&buffers))?;
        }
        let of_output = written.min(output.len());
        self.unsent.push(output[of_output..].to_vec(), 0);
        if let Some(payload) = self.unsent.push(payload, written - of_output) {
            self.reuse(payload);
        }
        output.clear();
        Ok(())
    }

    fn write_unsent(&mut self) -> io::Result<()> {
        while let Some(piece) = self.unsent.first() {
            let (piece_len, written) = (piece.len(), count(self.stream.write(piece))?);
            if written > 0 {
                self.silent_for = 0;
                if let Some(piece) = self.unsent.remove(written) {
                    self.reuse(piece);
                }
            }
            if written < piece_len {
                break;
            }
        }
        Ok(())
    }

    /// Reuses the memory of a message that took several reads. Smaller ones would gain nothing.
    fn reuse(&mut self, piece: Vec<u8>) {
        if let (Stage::Open(connection), true) = (&mut self.stage, piece.len() > READ_LEN) {
            connection.reuse(piece.into());
        }
    }

    /// Waits for the events that are needed next: readable, unless too many bytes are unsent, and
    /// writable, if any are.
    fn wait(&mut self, registry: &Registry, token: Token, again: bool) -> io::Result<()> {
        let interest = match self.unsent.len {
            0 => Interest::READABLE,
            1..=MAX_UNSENT => Interest::READABLE | Interest::WRITABLE,
            _ => Interest::WRITABLE,
        };
        // A new registration reports bytes that are there already.
        if interest != self.interest || again {
            registry.reregister(&mut self.stream, token, interest)?;
            self.interest = interest;
        }
        Ok(())
    }

    /// Sends a Close frame, which the peer must answer. A client in a handshake is dropped.
    fn say_goodbye(&mut self, scratch: &mut Scratch) -> io::Result<Next> {
        let Stage::Open(connection) = &mut self.stage else { return Ok(Next::End) };
        let frame = CloseFrame::from(CloseCode::GOING_AWAY);
        let (outbound, output) = (connection.outbound(), &mut scratch.output);
        if !outbound.close_sent() {
            outbound.encode_close(Some(&frame), output).map_err(io::Error::other)?;
            self.write(output, Vec::new())?;
        }
        Ok(Next::Wait { again: false })
    }

    /// Counts a tick of silence. Sends a Ping or gives up when it is time.
    fn tick(&mut self, scratch: &mut Scratch) -> io::Result<Next> {
        self.silent_for += 1;
        let limit = match self.stage {
            Stage::Open(_) => TICKS_TO_END,
            Stage::Handshake { .. } | Stage::Over => TICKS_FOR_HANDSHAKE,
        };
        if self.silent_for >= limit {
            return Ok(Next::End);
        }
        if let (Stage::Open(connection), TICKS_TO_PING) = (&mut self.stage, self.silent_for) {
            let output = &mut scratch.output;
            connection.outbound().encode_ping(&[], output).map_err(io::Error::other)?;
            connection.reuse(Vec::new().into());
            self.write(output, Vec::new())?;
        }
        Ok(Next::Wait { again: false })
    }
}

impl Unsent {
    const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the bytes to write next.
    fn first(&self) -> Option<&[u8]> {
        self.pieces.front().and_then(|piece| piece.get(self.written..))
    }

    /// Adds a piece. If it is the first one, some of its bytes may be written already. Returns the
    /// piece if all of them are.
    fn push(&mut self, piece: Vec<u8>, written: usize) -> Option<Vec<u8>> {
        if written == piece.len() {
            return Some(piece);
        }
        self.written += written;
        self.len += piece.len() - written;
        self.pieces.push_back(piece);
        None
    }

    /// Removes written bytes from the first piece. Returns the piece if none are left.
    fn remove(&mut self, written: usize) -> Option<Vec<u8>> {
        self.written += written;
        self.len -= written;
        if self.first().is_some_and(|left| !left.is_empty()) {
            return None;
        }
        self.written = 0;
        let piece = self.pieces.pop_front();
        if self.is_empty() {
            self.pieces = VecDeque::new();
        }
        piece
    }
}

/// Returns the response to a complete request head.
fn upgrade(head: &[u8]) -> Result<Response, Rejection> {
    let request = Request::decode(head, &HeadLimits::default())?;
    let (request, _) = request.ok_or(HttpError::StartLine)?;
    let (response, _agreed) = Upgrade::from_request(&request)?.accept(&AcceptOptions::new())?;
    Ok(response)
}

/// Returns how many bytes a write took: none if it would have blocked.
fn count(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if is_temporary(&error) => Ok(0),
        outcome => outcome,
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
