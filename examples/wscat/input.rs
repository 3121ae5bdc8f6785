//! Standard input: lines to send, and commands.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tightwire::{CloseFrame, Error, Sender, State};

use crate::options::{parse_close, parse_hex};
use crate::screen::Screen;
use crate::tap::Pinger;

/// The maximum number of bytes in a line. A longer one is not sent.
const LINE_MAX: usize = 16 << 20;

/// The half of the program that reads input and sends.
pub(crate) struct Input {
    pub(crate) sender: Sender,
    pub(crate) pinger: Pinger,
    pub(crate) screen: Arc<Screen>,
    pub(crate) takes_commands: bool,
    pub(crate) is_binary: bool,
    /// How long to continue receiving after input has ended.
    pub(crate) wait: Duration,
    pub(crate) close: CloseFrame,
    /// Set if some input could not be sent.
    pub(crate) not_sent: Arc<AtomicBool>,
}

/// The action for a line of input.
enum Wish {
    Text(String),
    Binary(Vec<u8>),
    Ping(String),
    Close(CloseFrame),
}

impl Input {
    /// Sends until input ends, then closes.
    pub(crate) fn run(self) {
        if self.send_lines(&mut io::stdin().lock()) && self.sender.state() == State::Open {
            thread::sleep(self.wait);
        }
        self.report(self.sender.close_with(self.close.code(), self.close.reason()));
    }

    /// Sends lines. Returns whether input came to its end.
    fn send_lines(&self, input: &mut impl BufRead) -> bool {
        loop {
            self.screen.prompt();
            match read_line(input).and_then(|line| self.understand(line)) {
                Ok(Some(wish)) => match self.grant(wish) {
                    Ok(true) => {}
                    Ok(false) => return false,
                    Err(error) => {
                        self.report(Err(error));
                        return false;
                    }
                },
                Ok(None) => return true,
                Err(why) => {
                    self.screen.error(&format!("not sent: {why}"));
                    // A person can try again. A program would not notice.
                    if !self.takes_commands {
                        self.not_sent.store(true, Ordering::SeqCst);
                        return false;
                    }
                }
            }
        }
    }

    fn understand(&self, line: Option<String>) -> Result<Option<Wish>, String> {
        let Some(line) = line else { return Ok(None) };
        let command = line.strip_prefix('/').filter(|_| self.takes_commands);
        let wish = match command {
            Some(text) if text.starts_with('/') => self.message(text)?,
            Some(command) => parse_command(command)?,
            None => self.message(&line)?,
        };
        Ok(Some(wish))
    }

    fn message(&self, line: &str) -> Result<Wish, String> {
        if self.is_binary { parse_hex(line).map(Wish::Binary) } else { Ok(Wish::Text(line.into())) }
    }

    /// Carries out an action. Returns whether more may follow.
    fn grant(&self, wish: Wish) -> Result<bool, Error> {
        match wish {
            Wish::Text(text) => self.sender.send(&text)?,
            Wish::Binary(data) => self.sender.send(&data)?,
            Wish::Ping(data) => self.pinger.ping(&data)?,
            Wish::Close(frame) => {
                self.sender.close_with(frame.code(), frame.reason())?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn report(&self, outcome: Result<(), Error>) {
        match outcome {
            // The receiving thread shows how the connection closed.
            Ok(()) | Err(Error::Send(tightwire::SendError::Closed)) => {}
            Err(error) => self.screen.error(&format!("{error:#}")),
        }
    }
}

fn parse_command(command: &str) -> Result<Wish, String> {
    let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
    match name {
        "ping" if rest.len() > 125 => Err("a ping takes 125 bytes at most".into()),
        "ping" => Ok(Wish::Ping(rest.to_owned())),
        "hex" => parse_hex(rest).map(Wish::Binary),
        "close" => {
            let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            let code = if code.is_empty() { "1000" } else { code };
            parse_close(code, reason).map(Wish::Close)
        }
        _ => Err(format!("no command /{name}; use /ping, /hex, /close, or // for a slash")),
    }
}

/// Reads a line, and removes its line ending. `None` is the end of input.
fn read_line(input: &mut impl BufRead) -> Result<Option<String>, String> {
    let mut line = Vec::new();
    let mut bounded = input.by_ref().take(LINE_MAX as u64 + 1);
    bounded.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
    if line.len() > LINE_MAX {
        input.skip_until(b'\n').map_err(|error| error.to_string())?;
        return Err(format!("a line is longer than {LINE_MAX} bytes"));
    }
    if line.is_empty() {
        return Ok(None);
    }
    if line.ends_with(b"\n") {
        line.pop();
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    String::from_utf8(line).map(Some).map_err(|_| "not UTF-8".into())
}
