//! What goes over the wire: JSON in text messages, those of the chat in one process and some more.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The most characters of each.
pub(crate) const NAME_MAX: usize = 24;
pub(crate) const TEXT_MAX: usize = 500;
/// The most bytes that a page may make us keep to tell its sessions and messages apart.
const KEY_MAX: usize = 64;

/// What a member says to a node.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Request {
    /// The first message: who comes in, and where. The session is a secret of the page, by which
    /// it is known again on another connection. Who comes back names the last line that it saw.
    Join { room: String, name: String, session: String, after: Option<String> },
    /// A message for all in the room. Its key is the same when it is sent again.
    Say { key: String, text: String },
}

/// What a node says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Reply<'a> {
    /// Lines that somebody who came back has missed; more follow, and then the `Welcome`.
    History {
        lines: &'a [Line],
    },
    /// The answer to a valid `Join`.
    Welcome {
        /// Numbers of lines are of one kind wherever this is the same: on all nodes.
        server: &'a str,
        /// Who of the nodes this is.
        node: &'a str,
        room: &'a str,
        name: &'a str,
        members: &'a [String],
        history: &'a [Line],
        /// Whether there may have been more lines since the last one that was seen.
        missed: bool,
    },
    Line(&'a Line),
    /// Who is in the room now.
    Members {
        members: &'a [String],
    },
    /// The `Say` with this key is among the lines for good, and has this number there.
    Said {
        key: &'a str,
        number: &'a LineId,
    },
    /// The `Say` with this key may not be among the lines: it, and those after it, are to be sent
    /// again in a while, in their order and with their keys.
    Delayed {
        key: &'a str,
        why: &'a str,
    },
    /// A `Join`, or the `Say` with this key, was not accepted, and never will be.
    Refused {
        key: Option<&'a str>,
        why: &'a str,
    },
    /// Lines were lost for this node: there may be more between the last one and the next.
    Missed,
    /// How long the last Ping took to be answered.
    Latency {
        millis: f64,
    },
}

/// What somebody has said.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    /// Counts up within a room, with gaps.
    pub(crate) number: LineId,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) key: String,
    /// In milliseconds since 1970, by the clock of Redis.
    pub(crate) at: u64,
}

/// The place of an entry in a stream: milliseconds since 1970, and a number among those of the
/// same millisecond.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct LineId {
    pub(crate) millis: u64,
    sequence: u64,
}

/// Why something was not accepted, in words for people.
pub(crate) type Refusal = &'static str;

impl LineId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (millis, sequence) = text.split_once('-')?;
        Some(Self { millis: millis.parse().ok()?, sequence: sequence.parse().ok()? })
    }

    /// Whether it is before all entries.
    pub(crate) fn is_none(self) -> bool {
        self.cmp(&Self::default()) == Ordering::Equal
    }
}

impl std::fmt::Display for LineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}

impl Serialize for LineId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Reply<'_> {
    pub(crate) fn to_json(&self) -> String {
        // Only maps with odd keys and the like cannot be JSON.
        serde_json::to_string(self).expect("plain data")
    }
}

/// The name of a member or a room, without white space around it.
pub(crate) fn check_name(name: &str) -> Result<&str, Refusal> {
    let name = name.trim();
    match name.chars().count() {
        0 => Err("A name is needed, for you and for the room."),
        count if count > NAME_MAX => Err("That name is too long."),
        _ if name.chars().any(char::is_control) => Err("That name has odd characters in it."),
        _ => Ok(name),
    }
}

pub(crate) fn check_text(text: &str) -> Result<&str, Refusal> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("There is nothing in that message."),
        count if count > TEXT_MAX => Err("That message is too long."),
        _ if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) => {
            Err("That message has odd characters in it.")
        }
        _ => Ok(text),
    }
}

/// Keys and sessions are the page's own business, as long as they can stand in names of Redis.
pub(crate) fn check_key(key: &str) -> Result<&str, Refusal> {
    let is_plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if (1..=KEY_MAX).contains(&key.len()) && is_plain {
        Ok(key)
    } else {
        Err("A key is 1 to 64 letters, digits and hyphens.")
    }
}
