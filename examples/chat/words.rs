//! What goes over the wire: JSON in text messages.

use serde::{Deserialize, Serialize};

/// The most characters of each.
pub(crate) const NAME_MAX: usize = 24;
pub(crate) const TEXT_MAX: usize = 500;
/// The most bytes that a page may make us keep to tell its sessions and messages apart.
const KEY_MAX: usize = 64;

/// What a member says to the server.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Request {
    /// The first message: who comes in, and where. The session is a secret of the page, by which
    /// it is known again when it comes back on another connection.
    Join { room: String, name: String, session: String },
    /// A message for all in the room. By its key the page knows it again when it comes back,
    /// and we know it when it is sent twice.
    Say { key: String, text: String },
}

/// What the server says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Reply<'a> {
    /// The answer to a valid `Join`.
    Welcome {
        /// Tells one run of the server from another.
        server: &'a str,
        room: &'a str,
        name: &'a str,
        members: Vec<&'a str>,
        history: Vec<&'a Line>,
    },
    Line(&'a Line),
    /// Who is in the room now.
    Members {
        members: Vec<&'a str>,
    },
    /// A `Join`, or the `Say` with this key, was not accepted.
    Refused {
        key: Option<&'a str>,
        why: &'a str,
    },
    /// How long the last Ping took to be answered.
    Latency {
        millis: f64,
    },
}

/// What somebody has said.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    /// Counts up within a room.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) key: String,
    /// In milliseconds since 1970.
    pub(crate) at: u64,
    /// Whose it is, for us alone.
    #[serde(skip)]
    pub(crate) session: String,
}

/// Why something was not accepted, in words for people.
pub(crate) type Refusal = &'static str;

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

/// Keys and sessions are the page's own business, but not their length.
pub(crate) fn check_key(key: &str) -> Result<&str, Refusal> {
    if (1..=KEY_MAX).contains(&key.len()) { Ok(key) } else { Err("That key is too long.") }
}
