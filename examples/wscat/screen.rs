//! The output: messages on standard output, everything else on standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The maximum number of bytes of a binary message that are shown on a terminal.
const DUMP_MAX: usize = 1 << 10;
const DUMP_WIDTH: usize = 16;

/// Both output streams. Threads write to them one at a time.
#[derive(Debug)]
pub(crate) struct Screen {
    turn: Mutex<()>,
    /// A person reads the messages, not another program.
    is_terminal: bool,
    /// The user types on the same terminal.
    has_prompt: bool,
    colours_out: bool,
    colours_err: bool,
}

/// Colours of ECMA-48.
#[derive(Clone, Copy, Debug)]
enum Colour {
    Plain,
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
}

impl Screen {
    pub(crate) fn new(colour: bool, prompts: bool) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            turn: Mutex::new(()),
            is_terminal: out,
            has_prompt: prompts && out && io::stdin().is_terminal(),
            colours_out: colour && out,
            colours_err: colour && err,
        }
    }

    /// Shows a text message. A program gets the text unchanged. For a terminal, which would obey
    /// control characters from the server, they are escaped.
    pub(crate) fn text(&self, text: &str) {
        if self.is_terminal {
            self.message(Colour::Plain, &escape(text));
        } else {
            self.result(&format!("{text}\n"));
        }
    }

    pub(crate) fn binary(&self, data: &[u8]) {
        let shown = if self.is_terminal { data.get(..DUMP_MAX).unwrap_or(data) } else { data };
        let mut dump = hex_dump(shown);
        if shown.len() < data.len() {
            let _ = write!(dump, "\n... {} more bytes", data.len() - shown.len());
        }
        if self.is_terminal {
            self.message(Colour::Cyan, &format!("{} bytes\n{dump}", data.len()));
        } else {
            self.result(&format!("{dump}\n"));
        }
    }

    /// Shows a control frame that was received or sent.
    pub(crate) fn control(&self, text: &str) {
        self.err(Colour::Yellow, text);
    }

    pub(crate) fn note(&self, text: &str) {
        self.err(Colour::Green, text);
    }

    pub(crate) fn error(&self, text: &str) {
        self.err(Colour::Red, text);
    }

    /// Prints exactly this text on standard output.
    pub(crate) fn result(&self, text: &str) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        print_or_exit(text);
    }

    pub(crate) fn prompt(&self) {
        if self.has_prompt {
            self.result(&format!("{}{}", self.clear(), self.prompt_again()));
        }
    }

    pub(crate) fn end_prompt(&self) {
        self.result(self.clear());
    }

    fn message(&self, colour: Colour, text: &str) {
        let mark = paint(self.colours_out, Colour::Green, "<");
        let text = paint(self.colours_out, colour, text);
        self.result(&format!("{}{mark} {text}\n{}", self.clear(), self.prompt_again()));
    }

    fn err(&self, colour: Colour, text: &str) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let text = paint(self.colours_err, colour, &format!("* {text}"));
        // If this fails, there is no other place to report it.
        let _ = writeln!(io::stderr().lock(), "{}{text}", self.clear());
        if self.has_prompt {
            print_or_exit(self.prompt_again());
        }
    }

    /// Returns the text that clears the prompt. The terminal keeps a line that is typed halfway,
    /// but no longer shows it.
    const fn clear(&self) -> &'static str {
        if self.has_prompt { "\r\x1b[K" } else { "" }
    }

    const fn prompt_again(&self) -> &'static str {
        if self.has_prompt { "> " } else { "" }
    }
}

/// Prints a text. Ends the program if the reader of its output has ended, as `head` does.
fn print_or_exit(text: &str) {
    let mut out = io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

fn paint(is_wanted: bool, colour: Colour, text: &str) -> String {
    match colour {
        Colour::Plain => text.to_owned(),
        _ if !is_wanted => text.to_owned(),
        _ => format!("\x1b[{}m{text}\x1b[0m", colour as u8),
    }
}

/// Makes control characters visible, except tabs and line feeds.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\t' | '\n') {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Formats a duration in milliseconds, with two decimals.
pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

/// Formats sixteen bytes in each line: the offset, the bytes and the characters.
fn hex_dump(data: &[u8]) -> String {
    let mut dump = String::new();
    for (n, row) in data.chunks(DUMP_WIDTH).enumerate() {
        let mut bytes = String::new();
        for (column, byte) in row.iter().enumerate() {
            let gap = if column == DUMP_WIDTH / 2 { " " } else { "" };
            let _ = write!(bytes, "{gap}{byte:02x} ");
        }
        let is_shown = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let text: String =
            row.iter().map(|&byte| if is_shown(byte) { char::from(byte) } else { '.' }).collect();
        let line_end = if n == 0 { "" } else { "\n" };
        let _ = write!(dump, "{line_end}{:08x}  {bytes:<49} |{text}|", n * DUMP_WIDTH);
    }
    dump
}
