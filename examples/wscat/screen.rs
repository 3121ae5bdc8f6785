//! What is shown: messages on standard output, all else on standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Terminals are shown no more bytes of one message.
const DUMP_MAX: usize = 1 << 10;
const DUMP_WIDTH: usize = 16;

/// Both output streams, one line at a time whichever thread it comes from.
#[derive(Debug)]
pub(crate) struct Screen {
    turn: Mutex<()>,
    /// Messages are for people to see, not for another program.
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

    /// A message of text. What goes to a program goes as it is; a terminal would obey what the
    /// server hides in it.
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

    /// A control frame, on its way to us or from us.
    pub(crate) fn control(&self, text: &str) {
        self.err(Colour::Yellow, text);
    }

    pub(crate) fn note(&self, text: &str) {
        self.err(Colour::Green, text);
    }

    pub(crate) fn error(&self, text: &str) {
        self.err(Colour::Red, text);
    }

    /// Exactly this, on standard output.
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
        // There is nowhere else to say that this fails.
        let _ = writeln!(io::stderr().lock(), "{}{text}", self.clear());
        if self.has_prompt {
            print_or_exit(self.prompt_again());
        }
    }

    /// Takes the prompt away; what was typed already is kept by the terminal, but not shown.
    const fn clear(&self) -> &'static str {
        if self.has_prompt { "\r\x1b[K" } else { "" }
    }

    const fn prompt_again(&self) -> &'static str {
        if self.has_prompt { "> " } else { "" }
    }
}

/// Who reads our output may have had enough, as `head` does.
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

/// The text with its control characters, but tabs and line ends, made visible.
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

/// A duration in milliseconds, as precise as it is of use.
pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

/// Offset, bytes and characters, sixteen to a line.
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
