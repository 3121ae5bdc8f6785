//! The command line.

use std::time::Duration;

use tightwire::{CloseCode, CloseFrame};

pub(crate) const HELP: &str = "\
wscat: a WebSocket client for the command line

    wscat [OPTIONS] URL

Each line of standard input goes out as a message; at its end the connection is closed. Messages
that come go to standard output, binary ones as a hex dump; all else goes to standard error.

    -H, --header 'NAME: VALUE'   adds a field to the request; may be repeated
    -s, --subprotocol NAME       asks for a subprotocol; may be repeated, the preferred one first
    -o, --origin ORIGIN          sends an Origin field
        --binary                 takes input lines as hexadecimal and sends them as bytes
        --ping SECONDS           sends a Ping so often, and shows how long its Pong took
        --wait SECONDS           at the end of input, waits so long for messages before closing
        --close CODE REASON      closes with these; by default 1000 and ''
        --timings                shows how long connecting and the first message took
        --commands               takes the commands below although input is no terminal
        --no-color               no colours; by default only on a terminal without NO_COLOR
    -h, --help                   this text

On a terminal, lines that begin with a slash are commands:

    /ping [TEXT]                 sends a Ping
    /hex BYTES                   sends bytes, given in hexadecimal
    /close [CODE [REASON]]       closes
    //TEXT                       sends /TEXT

It ends with
    0   when the connection closed in order, with 1000, 1001, no code, or as we asked for
    1   when the command line, or input, is not to be understood
    2   when there was no connection
    3   when the connection was lost, or the server closed it with another code
    4   when the server broke the protocol
";

/// What is to be done.
pub(crate) enum Parsed {
    Run(Options),
    Help,
}

/// How to do it.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) origin: Option<String>,
    pub(crate) binary: bool,
    pub(crate) ping: Option<Duration>,
    pub(crate) wait: Duration,
    pub(crate) close: CloseFrame,
    pub(crate) timings: bool,
    pub(crate) commands: bool,
    pub(crate) colour: bool,
}

impl Options {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Parsed, String> {
        let mut arguments = arguments;
        let mut options = Self {
            url: String::new(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            origin: None,
            binary: false,
            ping: None,
            wait: Duration::ZERO,
            close: CloseCode::NORMAL.into(),
            timings: false,
            commands: false,
            colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "-h" | "--help" => return Ok(Parsed::Help),
                "-H" | "--header" => options.headers.push(parse_header(&value()?)?),
                "-s" | "--subprotocol" => options.subprotocols.push(value()?),
                "-o" | "--origin" => options.origin = Some(value()?),
                "--binary" => options.binary = true,
                "--ping" => options.ping = Some(parse_interval(&value()?)?),
                "--wait" => options.wait = parse_seconds(&value()?)?,
                "--close" => options.close = parse_close(&value()?, &value()?)?,
                "--timings" => options.timings = true,
                "--commands" => options.commands = true,
                "--no-color" | "--no-colour" => options.colour = false,
                _ if argument.starts_with('-') => return Err(format!("no option {argument}")),
                _ if options.url.is_empty() => options.url = with_scheme(argument),
                _ => return Err(format!("{argument:?} is one argument too many")),
            }
        }
        if options.url.is_empty() {
            return Err("a URL is needed, as ws://127.0.0.1:8080/".into());
        }
        Ok(Parsed::Run(options))
    }
}

/// A code and a reason, as they may stand in a Close frame.
pub(crate) fn parse_close(code: &str, reason: &str) -> Result<CloseFrame, String> {
    let number = code.parse().ok().and_then(CloseCode::new);
    let code = number.ok_or_else(|| format!("{code:?} is no close code that may be sent"))?;
    CloseFrame::new(code, reason).map_err(|error| error.to_string())
}

/// Bytes from hexadecimal digits, blanks between them ignored.
pub(crate) fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let nibbles: Option<Vec<u32>> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16)).collect();
    match nibbles {
        Some(nibbles) if nibbles.len() % 2 == 0 => {
            Ok(nibbles.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
        }
        Some(_) => Err("an odd number of hexadecimal digits".into()),
        None => Err("not hexadecimal".into()),
    }
}

fn parse_header(field: &str) -> Result<(String, String), String> {
    let (name, value) =
        field.split_once(':').ok_or_else(|| format!("no colon in the field {field:?}"))?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("{text:?} is no number of seconds"))
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    match parse_seconds(text)? {
        Duration::ZERO => Err("--ping needs more than 0 seconds".into()),
        interval => Ok(interval),
    }
}

/// `localhost:8080` is meant as `ws://localhost:8080`.
fn with_scheme(url: String) -> String {
    if url.contains("://") { url } else { format!("ws://{url}") }
}
