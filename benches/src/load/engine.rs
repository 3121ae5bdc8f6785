use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::connection::{Connection, Progress};
use super::latency::Latencies;
use super::message::Template;

/// All connections to a server, driven by one thread.
pub struct Engine {
    pub template: Template,
    pub connections: Vec<Connection>,
    pub latencies: Latencies,
    /// The results of the last step: a connection, and its progress.
    pub news: Vec<(usize, Progress)>,
    /// Whether another message is sent for each message that arrives.
    pub sends_again: bool,
    /// Whether the server may end connections.
    pub may_end: bool,
    server: SocketAddr,
    connected: usize,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    heard_at: Instant,
}

/// The maximum number of connections that are being opened at once.
const OPENING: usize = 64;
/// A server that sends nothing for this long has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// The number of local addresses, which are used in turns, because each one has a limited number of
/// ports, and a port stays in use for a while.
const ADDRESSES: usize = 200;

impl Engine {
    pub fn new(server: SocketAddr, template: Template) -> io::Result<Self> {
        Ok(Self {
            template,
            connections: Vec::new(),
            latencies: Latencies::new(),
            news: Vec::new(),
            sends_again: false,
            may_end: false,
            server,
            connected: 0,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 << 10],
            heard_at: Instant::now(),
        })
    }

    /// Opens connections until there are `count`.
    pub fn open(&mut self, count: usize) -> io::Result<()> {
        let mut opened = self.connections.len();
        while opened < count {
            while self.connections.len() < count.min(opened + OPENING) {
                let connection = self.connect(self.connections.len())?;
                self.connections.push(connection);
            }
            self.step()?;
            opened += self.news.iter().filter(|(_, progress)| progress.opened).count();
        }
        Ok(())
    }

    /// Replaces a connection that has ended with a new one.
    pub fn replace(&mut self, index: usize) -> io::Result<()> {
        self.connections[index] = self.connect(index)?;
        Ok(())
    }

    fn connect(&mut self, index: usize) -> io::Result<Connection> {
        let from = Ipv4Addr::new(127, 0, 1, (self.connected % ADDRESSES) as u8 + 1);
        self.connected += 1;
        let mut connection = Connection::connect((from, 0).into(), self.server)?;
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut connection.stream, Token(index), interests)?;
        Ok(connection)
    }

    /// Has each connection send `count` messages.
    pub fn send_all(&mut self, count: usize) -> io::Result<()> {
        let now = Instant::now();
        self.connections.iter_mut().try_for_each(|c| c.send(&self.template, count, now))
    }

    /// Has each connection send a control frame.
    pub fn control_all(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        self.connections
            .iter_mut()
            .try_for_each(|c| c.send_control(&self.template, opcode, payload))
    }

    /// Waits for events, and handles them.
    pub fn step(&mut self) -> io::Result<()> {
        self.news.clear();
        match self.poll.poll(&mut self.events, Some(PATIENCE)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => outcome?,
        }
        for event in &self.events {
            let Token(index) = event.token();
            let Some(connection) = self.connections.get_mut(index) else { continue };
            if event.is_writable() {
                connection.writable(&self.template)?;
            }
            if !event.is_readable() {
                continue;
            }
            let Self { template, buffer, latencies, .. } = self;
            let to_the_end = event.is_read_closed();
            let progress = connection.readable(template, buffer, latencies, to_the_end)?;
            if progress.ended && !self.may_end {
                return Err(io::Error::other("the server ended the connection"));
            }
            if progress.messages > 0 && self.sends_again {
                connection.send(template, progress.messages, Instant::now())?;
            }
            self.news.push((index, progress));
        }
        let now = Instant::now();
        if !self.news.is_empty() {
            self.heard_at = now;
        } else if now - self.heard_at > PATIENCE {
            return Err(io::Error::other(format!("the server is silent for {PATIENCE:?}")));
        }
        Ok(())
    }

    /// Returns how many messages arrived in the last step.
    pub fn messages(&self) -> usize {
        self.news.iter().map(|(_, progress)| progress.messages).sum()
    }
}
