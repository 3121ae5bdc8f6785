//! Messages that contain their sender and a running number, so that a receiver notices a missing, a
//! repeated, a damaged and an overtaken one.

use tightwire::Message;

/// Threads that send on one connection, by number. Broadcasts have two numbers of their own.
pub(crate) const AUTHORS: usize = 5;
/// The thread that guides the pair.
pub(crate) const GUIDE: usize = 2;
pub(crate) const HUB: usize = 3;

/// Of the same length, so that the length of a message does not depend on its kind.
const TEXT: &str = "so much text: ä語🦀Ж. ";
const BYTES: &[u8] = b"\x00\xFFbytes\x80 that are no \xC3\x28text";

/// Returns a message of about `len` bytes. Its kind and content follow from the three numbers.
pub(crate) fn make(author: usize, number: u64, len: usize) -> Message {
    repeat(author, number, len / BYTES.len())
}

fn repeat(author: usize, number: u64, count: usize) -> Message {
    let head = format!("{author} {number} {count}\n");
    if number % 2 == 0 {
        let (end, start) = BYTES.split_at(number as usize % BYTES.len());
        Message::Binary([head.as_bytes(), &[start, end].concat().repeat(count)].concat())
    } else {
        let chars = TEXT.chars().count();
        let cut = TEXT.char_indices().nth(number as usize % chars).map_or(0, |(index, _)| index);
        let (end, start) = TEXT.split_at(cut);
        Message::Text(head + &[start, end].concat().repeat(count))
    }
}

/// Checks every byte of a message, and returns its author and number.
pub(crate) fn check(message: &Message) -> Result<(usize, u64), String> {
    let [author, number, count] = head(message.as_bytes())?;
    let whole = message.len() <= 1 << 30 && count <= message.len() as u64;
    if whole && *message == repeat(author as usize, number, count as usize) {
        Ok((author as usize, number))
    } else {
        Err(format!("message {number} of author {author} is damaged"))
    }
}

/// Returns the author, the number and the size of a message that begins with these bytes.
pub(crate) fn head(bytes: &[u8]) -> Result<[u64; 3], String> {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line.get(..60).unwrap_or(line)).map_err(|e| e.to_string())?;
    let mut numbers = line.split(' ').map(str::parse);
    match [numbers.next(), numbers.next(), numbers.next()] {
        [Some(Ok(author)), Some(Ok(number)), Some(Ok(count))] if author < AUTHORS as u64 => {
            Ok([author, number, count])
        }
        _ => Err(format!("a message begins with {line:?}")),
    }
}

/// The messages that one end has received from each author.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals {
    last: [u64; AUTHORS],
    pub(crate) count: [u64; AUTHORS],
}

impl Arrivals {
    /// Notes a message. A hub may leave out a slow member. All other authors may leave out nothing.
    pub(crate) fn note(&mut self, author: usize, number: u64) -> Result<(), String> {
        let last = self.last[author];
        if number > last {
            self.last[author] = number;
            self.count[author] += 1;
        }
        if number <= last || (author < HUB && number != last + 1) {
            return Err(format!("after message {last} of author {author} came {number}"));
        }
        Ok(())
    }
}
