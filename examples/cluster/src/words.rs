//! The messages of the chat: JSON in text messages, those of the chat in one process and a few
//! more.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The maximum number of characters in a name, and in a text.
pub(crate) const NAME_MAX: usize = 24;
pub(crate) const TEXT_MAX: usize = 500;
/// The maximum number of bytes in the key of a message or session. The page chooses it, and we keep
/// it.
const KEY_MAX: usize = 64;

/// A message from a member to a node.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Request {
    /// The first message, which enters a room under a name. `session` is a secret of the page, by
    /// which a node recognises it on another connection. `after` is the last line that a page has
    /// seen that comes back.
    Join { room: String, name: String, session: String, after: Option<String> },
    /// A line for all in the room. Its key is the same when it is sent again.
    Say { key: String, text: String },
}

/// A message from a node to a member.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Reply<'a> {
    /// Lines that a member who came back has missed. More follow, and then the `Welcome`.
    History {
        lines: &'a [Line],
    },
    /// The answer to a valid `Join`.
    Welcome {
        /// Identifies the source of the line numbers, which is the same on all nodes.
        server: &'a str,
        /// The name of this node.
        node: &'a str,
        room: &'a str,
        name: &'a str,
        members: &'a [String],
        history: &'a [Line],
        /// Whether lines after the last one that the member has may be lost.
        missed: bool,
    },
    Line(&'a Line),
    /// The present members of the room.
    Members {
        members: &'a [String],
    },
    /// The `Say` with this key has become the line with this number.
    Said {
        key: &'a str,
        number: &'a LineId,
    },
    /// The `Say` with this key may not have become a line. The page must send it and those after it
    /// again later, in their order and with their keys.
    Delayed {
        key: &'a str,
        why: &'a str,
    },
    /// A `Join`, or the `Say` with this key, was not accepted, and never will be.
    Refused {
        key: Option<&'a str>,
        why: &'a str,
    },
    /// This node may have missed lines between the last one and the next.
    Missed,
    /// The round-trip time of the last Ping.
    Latency {
        millis: f64,
    },
}

/// A line of the chat.
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

/// The ID of an entry in a stream: milliseconds since 1970, and a number within the millisecond.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct LineId {
    pub(crate) millis: u64,
    sequence: u64,
}

/// The reason for a refusal, in words for people.
pub(crate) type Refusal = &'static str;

impl LineId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (millis, sequence) = text.split_once('-')?;
        Some(Self { millis: millis.parse().ok()?, sequence: sequence.parse().ok()? })
    }

    /// Returns whether this is before all entries.
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
        // It fails only for types such as maps whose keys are not strings.
        serde_json::to_string(self).expect("plain data")
    }
}

/// Validates the name of a member or a room, and removes white space around it.
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

/// Validates a key or session. The page may choose it, but it becomes part of a key in Redis.
pub(crate) fn check_key(key: &str) -> Result<&str, Refusal> {
    let is_plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if (1..=KEY_MAX).contains(&key.len()) && is_plain {
        Ok(key)
    } else {
        Err("A key must have 1 to 64 letters, digits or hyphens.")
    }
}
