//! A WebSocket client for the command line, for trying out servers. It sends the lines that you
//! type, and shows messages, control frames and timings.
//!
//! ```text
//! cargo run --example wscat -- ws://127.0.0.1:8080
//! cargo run --example wscat -- --help
//! ```
//!
//! One thread reads standard input and sends; the main thread receives. The library does not report
//! Pings and Pongs, so a [`Stream`](tightwire::Stream) around the socket looks for them: `tap.rs`.

mod dial;
mod input;
mod options;
mod screen;
mod tap;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use std::{env, io::IsTerminal, thread};

use tightwire::handshake::HandshakeError;
use tightwire::{CloseCode, CloseStatus, ClosedBy, Error, Message, Receiver, WebSocket};

use dial::Opened;
use input::Input;
use options::{Options, Parsed};
use screen::{Screen, escape, millis};
use tap::Pinger;

/// The exit codes. `--help` explains them.
#[derive(Clone, Copy)]
enum Exit {
    Clean = 0,
    Usage = 1,
    NotConnected = 2,
    Abnormal = 3,
    Protocol = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

fn main() -> ExitCode {
    match Options::parse(env::args().skip(1)) {
        Ok(Parsed::Run(options)) => run(options).into(),
        Ok(Parsed::Help) => {
            Screen::new(false, false).result(options::HELP);
            Exit::Clean.into()
        }
        Err(error) => {
            eprintln!("wscat: {error}\nTry: wscat --help");
            Exit::Usage.into()
        }
    }
}

fn run(options: Options) -> Exit {
    let takes_commands = options.commands || std::io::stdin().is_terminal();
    let screen = Arc::new(Screen::new(options.colour, takes_commands));
    let opened = match dial::open(&options, &screen) {
        Ok(opened) => opened,
        Err(error) => return report_failure(&screen, &options.url, &error),
    };
    greet(&screen, &options, &opened);

    let (sender, mut receiver) = opened.websocket.split();
    let stopper = sender.clone();
    // If signals cannot be caught, they end the program as usual.
    let _ = ctrlc::set_handler(move || {
        let _ = stopper.close_with(CloseCode::GOING_AWAY, "interrupted");
    });
    let pinger =
        Pinger { sender: sender.clone(), screen: Arc::clone(&screen), pings: opened.pings };
    if let Some(interval) = options.ping {
        let pinger = pinger.clone();
        thread::spawn(move || pinger.run(interval));
    }
    let not_sent = Arc::new(AtomicBool::new(false));
    let input = Input {
        sender,
        pinger,
        screen: Arc::clone(&screen),
        takes_commands,
        is_binary: options.binary,
        wait: options.wait,
        close: options.close,
        not_sent: Arc::clone(&not_sent),
    };
    // This thread may still wait for input when the connection has ended, so nothing joins it.
    thread::spawn(move || input.run());

    let exit = receive(&mut receiver, &screen, Tally::new(options.timings));
    screen.end_prompt();
    match exit {
        Exit::Clean if not_sent.load(Ordering::SeqCst) => Exit::Usage,
        exit => exit,
    }
}

/// Shows the connection, and how long each step took.
fn greet(screen: &Screen, options: &Options, opened: &Opened) {
    let mut line = format!("connected to {}", opened.url);
    if let Some(name) = opened.websocket.subprotocol() {
        line += &format!(", subprotocol {name}");
    }
    line += agreed_compression(&opened.websocket);
    screen.note(&line);
    if options.timings {
        for (what, took) in &opened.steps {
            screen.note(&format!("{what}: {}", millis(*took)));
        }
    }
}

#[cfg(feature = "deflate")]
fn agreed_compression(websocket: &WebSocket) -> &'static str {
    if websocket.negotiated().deflate.is_some() { ", permessage-deflate" } else { "" }
}

#[cfg(not(feature = "deflate"))]
const fn agreed_compression(_websocket: &WebSocket) -> &'static str {
    ""
}

fn report_failure(screen: &Screen, url: &str, error: &Error) -> Exit {
    screen.error(&format!("cannot connect to {}: {error:#}", escape(url)));
    match error {
        Error::Handshake(HandshakeError::Refused(response)) => {
            for line in String::from_utf8_lossy(response.body()).lines() {
                screen.note(&format!("the server says: {}", escape(line)));
            }
            Exit::NotConnected
        }
        Error::Uri(_)
        | Error::Handshake(
            HandshakeError::Header(_)
            | HandshakeError::OwnedHeader(_)
            | HandshakeError::Subprotocol(_)
            | HandshakeError::RepeatedSubprotocol(_),
        ) => Exit::Usage,
        _ => Exit::NotConnected,
    }
}

/// Shows messages until the connection ends, then how it ended.
fn receive(receiver: &mut Receiver, screen: &Screen, mut tally: Tally) -> Exit {
    let failure = loop {
        match receiver.recv() {
            Ok(Some(message)) => {
                tally.count(&message, screen);
                match &message {
                    Message::Text(text) => screen.text(text),
                    Message::Binary(data) => screen.binary(data),
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let exit = match (failure, receiver.close_status()) {
        (None, Some(status)) => {
            screen.note(&describe(status));
            if is_good(status) { Exit::Clean } else { Exit::Abnormal }
        }
        (None, None) => Exit::Abnormal,
        (Some(error), _) => {
            screen.error(&format!("{error:#}"));
            if matches!(error, Error::Protocol(_)) { Exit::Protocol } else { Exit::Abnormal }
        }
    };
    tally.show(screen);
    exit
}

fn is_good(status: &CloseStatus) -> bool {
    let is_ours = status.closed_by() == ClosedBy::Us;
    status.was_clean() && (is_ours || matches!(status.code(), 1000 | 1001 | 1005))
}

fn describe(status: &CloseStatus) -> String {
    let who = match status.closed_by() {
        ClosedBy::Us => "closed, and the server answered",
        ClosedBy::Peer => "the server closed",
        ClosedBy::Nobody => "lost",
    };
    let reason = match status.reason() {
        "" => String::new(),
        reason => format!(": {}", escape(reason)),
    };
    format!("{who}: {} ({}){reason}", status.code(), close_name(status.code()))
}

/// Returns the meaning of a close code (RFC 6455 §7.4, and the registry of §11.7).
const fn close_name(code: u16) -> &'static str {
    match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no status code",
        1006 => "no Close frame",
        1007 => "invalid payload",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        3000..=3999 => "registered by a library or application",
        4000..=4999 => "private use",
        _ => "no known meaning",
    }
}

/// The figures that `--timings` shows.
struct Tally {
    is_wanted: bool,
    since: Instant,
    messages: u64,
    bytes: u64,
}

impl Tally {
    fn new(is_wanted: bool) -> Self {
        Self { is_wanted, since: Instant::now(), messages: 0, bytes: 0 }
    }

    fn count(&mut self, message: &Message, screen: &Screen) {
        self.messages += 1;
        self.bytes += message.len() as u64;
        if self.is_wanted && self.messages == 1 {
            let took = millis(self.since.elapsed());
            screen.note(&format!("first message: {took} later"));
        }
    }

    fn show(&self, screen: &Screen) {
        if self.is_wanted {
            let Self { messages, bytes, .. } = self;
            let took = millis(self.since.elapsed());
            screen.note(&format!("received: {messages} messages, {bytes} bytes; open: {took}"));
        }
    }
}
