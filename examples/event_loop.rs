//! Sends every message back as it came, on any number of connections from one thread: the
//! protocol without I/O, [`tightwire::protocol`], driven by `mio`.
//!
//! ```text
//! cargo run --release --example event_loop [ADDR]
//! ```
//!
//! What arrives is read once, all events in it are handled, and what they are answered with is
//! written once. From a peer that does not read what it is sent, nothing more is read. Ctrl-C and
//! SIGTERM end it in order.

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

/// As much is read at once.
const READ_LEN: usize = 256 << 10;
/// A connection with more bytes than this to be written is not read from.
const MAX_UNSENT: usize = 64 << 10;
/// A larger payload is not copied behind its header, but written from where it lies.
const COPY_MAX: usize = 4 << 10;

/// How often the silent are looked at, and after how many times they are sent a Ping, or given
/// up: those in the opening or closing handshake sooner.
const TICK: Duration = Duration::from_secs(10);
const TICKS_TO_PING: u32 = 2;
const TICKS_TO_END: u32 = 4;
const TICKS_FOR_HANDSHAKE: u32 = 2;

/// How long clients have to answer our Close frames when the server ends.
const GOODBYE: Duration = Duration::from_secs(3);

const LISTENER: Token = Token(usize::MAX);
const STOPPER: Token = Token(usize::MAX - 1);

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let mut server = Server::bind(&address)?;
    let stopper = Waker::new(server.poll.registry(), STOPPER)?;
    ctrlc::set_handler(move || {
        // It runs until it is told to stop, so somebody listens.
        let _ = stopper.wake();
    })?;
    println!("listening on ws://{}", server.listener.local_addr()?);
    server.run()?;
    Ok(())
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    /// The token of a client is its place here.
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    scratch: Scratch,
}

/// Buffers that all clients share, each for no longer than one read: so those that are idle
/// hold none.
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
                self.tick();
            }
        }
    }

    fn accept_all(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    // It is gone again, then.
                    let _ = self.add(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Files may have run out: the next tick tries again.
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

    /// Has a client do something, then waits for what it needs next, or ends it.
    fn with_client(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Client, &mut Scratch) -> io::Result<Next>,
    ) {
        // An event may be left of a client that another event has ended.
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

    fn tick(&mut self) {
        for at in 0..self.clients.len() {
            self.with_client(at, Client::tick);
        }
        self.accept_all();
    }
}

/// One connection.
struct Client {
    stream: TcpStream,
    stage: Stage,
    unsent: Unsent,
    /// What we wait for.
    interest: Interest,
    /// Ticks since the peer last sent something or took something.
    silent_for: u32,
}

enum Stage {
    /// What has come of the request.
    Handshake {
        head: Vec<u8>,
        scanner: HeadScanner,
    },
    Open(Box<Connection>),
    /// All is said. What is left is to write it, and to wait until the peer ends TCP: to end it
    /// with bytes unread would destroy what is on its way (§7.1.1).
    Over,
}

/// What the peer did not take at once, in the pieces in which it was to be written: a large one
/// is not copied.
#[derive(Default)]
struct Unsent {
    pieces: VecDeque<Vec<u8>>,
    /// How much of the first piece is gone.
    written: usize,
    /// The bytes that are left of all.
    len: usize,
}

enum Next {
    /// There is something to wait for; `again` says that there is something to be read already.
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

    /// Goes on as far as the stream lets it.
    fn ready(&mut self, event: &Readiness, scratch: &mut Scratch) -> io::Result<Next> {
        self.write_unsent()?;
        if self.unsent.len > MAX_UNSENT {
            return Ok(Next::Wait { again: false });
        }
        let mut again = event.is_read_closed();
        let Scratch { input, output } = scratch;
        // The kernel copies fastest to where pages begin, on some processors many times.
        let page = input.as_ptr().align_offset(4096).min(input.len());
        let input = &mut input[page..];
        match self.stream.read(input) {
            Ok(0) => return Ok(Next::End),
            Ok(count) => {
                // A read that is not full has taken all there is. After one that is, others
                // have their turn first.
                again |= count == input.len();
                self.take(&input[..count], output)?;
            }
            Err(error) if is_temporary(&error) => again = false,
            Err(error) => return Err(error),
        }
        if matches!(self.stage, Stage::Over) && self.unsent.is_empty() {
            // The peer may have ended it already.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        Ok(Next::Wait { again })
    }

    /// Handles all that has arrived, and writes what it is answered with.
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

    /// Answers all messages in `input`. What a peer is answered that breaks the rules, or
    /// closes, is in `output` by itself.
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

    /// Writes `output`, which it empties, and behind it `payload`. The rest is kept; the memory
    /// of what is gone serves the next message.
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

    /// Messages that take several reads share their memory. Smaller ones gain nothing by it.
    fn reuse(&mut self, piece: Vec<u8>) {
        if let (Stage::Open(connection), true) = (&mut self.stage, piece.len() > READ_LEN) {
            connection.reuse(piece.into());
        }
    }

    /// Waits for what is needed next: to read, unless too much is unsent, and to write only if
    /// something is.
    fn wait(&mut self, registry: &Registry, token: Token, again: bool) -> io::Result<()> {
        let interest = match self.unsent.len {
            0 => Interest::READABLE,
            1..=MAX_UNSENT => Interest::READABLE | Interest::WRITABLE,
            _ => Interest::WRITABLE,
        };
        // To ask again is to be told again of what is there already.
        if interest != self.interest || again {
            registry.reregister(&mut self.stream, token, interest)?;
            self.interest = interest;
        }
        Ok(())
    }

    /// Sends a Close frame, which the peer has to answer; who has no connection yet, gets none.
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

    /// Looks after a peer that is silent.
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

    /// What is to be written next.
    fn first(&self) -> Option<&[u8]> {
        self.pieces.front().and_then(|piece| piece.get(self.written..))
    }

    /// Adds a piece. Something of it may be written already, if it is the first; if that is
    /// all of it, it comes back.
    fn push(&mut self, piece: Vec<u8>, written: usize) -> Option<Vec<u8>> {
        if written == piece.len() {
            return Some(piece);
        }
        self.written += written;
        self.len += piece.len() - written;
        self.pieces.push_back(piece);
        None
    }

    /// Forgets what was written of the first piece, which comes back if that is all of it.
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

/// What a whole head of a request is answered with.
fn upgrade(head: &[u8]) -> Result<Response, Rejection> {
    let request = Request::decode(head, &HeadLimits::default())?;
    let (request, _) = request.ok_or(HttpError::StartLine)?;
    let (response, _agreed) = Upgrade::from_request(&request)?.accept(&AcceptOptions::new())?;
    Ok(response)
}

/// How many bytes a write took: none if it would have had to wait.
fn count(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if is_temporary(&error) => Ok(0),
        outcome => outcome,
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
