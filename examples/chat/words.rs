//! The messages of the chat: JSON in text messages.

use serde::{Deserialize, Serialize};

/// The maximum number of characters in a name, and in a text.
pub(crate) const NAME_MAX: usize = 24;
pub(crate) const TEXT_MAX: usize = 500;
/// The maximum number of bytes in the key of a message or session. The page chooses it, and we keep
/// it.
const KEY_MAX: usize = 64;

/// A message from a member to the server.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Request {
    /// The first message, which enters a room under a name. `session` is a secret of the page, by
    /// which the server recognises it when it comes back on another connection.
    Join { room: String, name: String, session: String },
    /// A line for all in the room. By its key, the page recognises the line when it comes back, and
    /// the server recognises it when it is sent twice.
    Say { key: String, text: String },
}

/// A message from the server to a member.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Reply<'a> {
    /// The answer to a valid `Join`.
    Welcome {
        /// Identifies this run of the server.
        server: &'a str,
        room: &'a str,
        name: &'a str,
        members: Vec<&'a str>,
        history: Vec<&'a Line>,
    },
    Line(&'a Line),
    /// The present members of the room.
    Members {
        members: Vec<&'a str>,
    },
    /// A `Join`, or the `Say` with this key, was not accepted.
    Refused {
        key: Option<&'a str>,
        why: &'a str,
    },
    /// The round-trip time of the last Ping.
    Latency {
        millis: f64,
    },
}

/// A line of the chat.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    /// Counts up within a room.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) key: String,
    /// In milliseconds since 1970.
    pub(crate) at: u64,
    /// The session of the speaker, which other members must not learn.
    #[serde(skip)]
    pub(crate) session: String,
}

/// The reason for a refusal, in words for people.
pub(crate) type Refusal = &'static str;

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

/// Validates a key or session: its length, because the page may choose the content.
pub(crate) fn check_key(key: &str) -> Result<&str, Refusal> {
    if (1..=KEY_MAX).contains(&key.len()) { Ok(key) } else { Err("That key is too long.") }
}
