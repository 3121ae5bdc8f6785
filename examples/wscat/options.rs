//! The command line.

use std::time::Duration;

use tightwire::{CloseCode, CloseFrame};

pub(crate) const HELP: &str = "\
wscat: a WebSocket client for the command line

    wscat [OPTIONS] URL

Sends each line of standard input as a message, and closes the connection at the end of input.
Received messages go to standard output, binary ones as a hex dump. Everything else goes to
standard error.

    -H, --header 'NAME: VALUE'   add a header field to the request; may be repeated
    -s, --subprotocol NAME       offer a subprotocol; may be repeated, the preferred one first
    -o, --origin ORIGIN          send an Origin field
        --binary                 read input lines as hexadecimal, and send them as bytes
        --ping SECONDS           send a Ping at this interval, and show how long its Pong took
        --wait SECONDS           at the end of input, receive for this long before closing
        --close CODE REASON      close with this code and reason; by default 1000 and ''
        --timings                show how long connecting and the first message took
        --commands               accept the commands below even if input is not a terminal
        --no-color               use no colours; by default, only on a terminal without NO_COLOR
    -h, --help                   show this text

On a terminal, lines that begin with a slash are commands:

    /ping [TEXT]                 send a Ping
    /hex BYTES                   send bytes, given in hexadecimal
    /close [CODE [REASON]]       close the connection
    //TEXT                       send /TEXT

Exit codes:

    0   the connection was closed cleanly, by us, or by the server with 1000, 1001 or no code
    1   the command line or the input is invalid
    2   no connection could be opened
    3   the connection was lost, or the server closed it with another code
    4   the server broke the protocol
";

/// The meaning of a command line.
pub(crate) enum Parsed {
    Run(Options),
    Help,
}

/// The options of a run.
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
                _ if argument.starts_with('-') => return Err(format!("unknown option {argument}")),
                _ if options.url.is_empty() => options.url = with_scheme(argument),
                _ => return Err(format!("unexpected argument {argument:?}")),
            }
        }
        if options.url.is_empty() {
            return Err("a URL is needed, such as ws://127.0.0.1:8080/".into());
        }
        Ok(Parsed::Run(options))
    }
}

/// Parses the code and the reason of a Close frame.
pub(crate) fn parse_close(code: &str, reason: &str) -> Result<CloseFrame, String> {
    let number = code.parse().ok().and_then(CloseCode::new);
    let code = number.ok_or_else(|| format!("{code:?} is not a close code that may be sent"))?;
    CloseFrame::new(code, reason).map_err(|error| error.to_string())
}

/// Parses hexadecimal digits. Spaces between them are ignored.
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
        field.split_once(':').ok_or_else(|| format!("no colon in the header field {field:?}"))?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("{text:?} is not a number of seconds"))
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    match parse_seconds(text)? {
        Duration::ZERO => Err("--ping needs more than 0 seconds".into()),
        interval => Ok(interval),
    }
}

/// Completes `localhost:8080` to `ws://localhost:8080`.
fn with_scheme(url: String) -> String {
    if url.contains("://") { url } else { format!("ws://{url}") }
}
