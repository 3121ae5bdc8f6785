//! Helpers of several tests: bytes in hexadecimal, frames that are built without the library, and
//! input that is cut in every way.
#![allow(
    dead_code,
    reason = "each test file compiles this module for itself and uses a part of it"
)]

pub(crate) mod deflate;

use std::cell::Cell;

use tightwire::ProtocolError;
use tightwire::frame::{CloseCode, FrameHeader, MaskingKey};
use tightwire::protocol::{Connection, Event, Inbound, Limits, Outbound, Role};

/// Both roles, because most rules apply to either.
pub(crate) const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// The masking key of the examples in §5.7.
pub(crate) const KEY: MaskingKey = MaskingKey([0x37, 0xfa, 0x21, 0x3d]);

/// Returns the bytes of a hexadecimal text. White space is ignored.
#[track_caller]
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    assert!(digits.len() % 2 == 0, "half a byte at the end of {text:?}");
    (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hexadecimal digits"))
        .collect()
}

/// Always returns the same key, so that tests can name every byte.
pub(crate) fn constant_key() -> Option<MaskingKey> {
    Some(KEY)
}

thread_local! {
    static KEYS_TAKEN: Cell<u32> = const { Cell::new(0) };
    static KEYS_RUN_OUT: Cell<bool> = const { Cell::new(false) };
}

/// Returns the keys 1, 2, 3 and so on. Each thread has its own count, and each test its own thread.
pub(crate) fn counted_key() -> Option<MaskingKey> {
    let taken = KEYS_TAKEN.get() + 1;
    KEYS_TAKEN.set(taken);
    Some(MaskingKey(taken.to_be_bytes()))
}

/// Returns the number of keys that [`counted_key`] returned in this test.
pub(crate) fn keys_taken() -> u32 {
    KEYS_TAKEN.get()
}

/// Returns a key, or fails if a test calls [`let_keys_run_out`].
pub(crate) fn fragile_key() -> Option<MaskingKey> {
    (!KEYS_RUN_OUT.get()).then_some(KEY)
}

/// Decides whether [`fragile_key`] fails in this test.
pub(crate) fn let_keys_run_out(run_out: bool) {
    KEYS_RUN_OUT.set(run_out);
}

/// Returns the sending side of this role. A client masks with [`KEY`].
pub(crate) const fn outbound(role: Role) -> Outbound {
    match role {
        Role::Client => Outbound::client(constant_key),
        Role::Server => Outbound::server(),
    }
}

/// Returns a connection of this role with default limits. A client masks with [`KEY`].
pub(crate) fn connection(role: Role) -> Connection {
    Connection::new(outbound(role), Limits::default())
}

/// Returns the role of the other end.
pub(crate) const fn peer(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// Builds a frame as this role sends it, without the library. A client masks with [`KEY`].
pub(crate) fn frame_from(sender: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header_from(sender, first, payload.len() as u64);
    match sender {
        Role::Client => bytes.extend(naive_mask(payload, KEY, 0)),
        Role::Server => bytes.extend(payload),
    }
    bytes
}

/// Builds the header, with the key of a client, that [`frame_from`] puts in front of a payload.
pub(crate) fn header_from(sender: Role, first: u8, payload_len: u64) -> Vec<u8> {
    let mask = if sender == Role::Client { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload_len {
        0..=125 => bytes.push(mask | payload_len.to_be_bytes()[7]),
        126..=0xffff => {
            bytes.push(mask | 126);
            bytes.extend(&payload_len.to_be_bytes()[6..]);
        }
        _ => {
            bytes.push(mask | 127);
            bytes.extend(payload_len.to_be_bytes());
        }
    }
    if sender == Role::Client {
        bytes.extend(KEY.0);
    }
    bytes
}

/// Builds several frames, each from a first byte and a payload, as this role sends them.
pub(crate) fn frames_from(sender: Role, frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| frame_from(sender, *first, payload)).collect()
}

/// Masks octet by octet, as §5.3 describes it.
pub(crate) fn naive_mask(data: &[u8], key: MaskingKey, offset: usize) -> Vec<u8> {
    data.iter().enumerate().map(|(i, byte)| byte ^ key.0[(offset + i) % 4]).collect()
}

/// Returns limits other than the default ones.
pub(crate) fn limits(max_message_len: usize, max_frame_len: u64, max_fragments: u32) -> Limits {
    Limits::new()
        .max_message_len(max_message_len)
        .max_frame_len(max_frame_len)
        .max_fragments(max_fragments)
}

/// Returns limits that allow everything.
pub(crate) fn no_limits() -> Limits {
    limits(usize::MAX, u64::MAX, u32::MAX).max_stream_len(u64::MAX)
}

/// The events and the error of some input.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    pub(crate) error: Option<ProtocolError>,
}

impl Outcome {
    /// Returns an outcome without an error.
    pub(crate) fn events(events: impl Into<Vec<Event>>) -> Self {
        Self { events: events.into(), error: None }
    }

    /// Returns an outcome with an error and without events.
    pub(crate) fn error(error: ProtocolError) -> Self {
        Self { events: Vec::new(), error: Some(error) }
    }

    /// Whether nothing more can follow.
    pub(crate) fn is_over(&self) -> bool {
        self.error.is_some() || matches!(self.events.last(), Some(Event::Close(_)))
    }
}

/// Feeds the pieces one after the other, and asserts what the receiver promises: it asks for more
/// input only when it has none, and after the end it discards input without an event.
#[track_caller]
pub(crate) fn feed<'a>(
    role: Role,
    limits: Limits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Outcome {
    feed_to(Inbound::new(role, limits), pieces)
}

/// Like [`feed`], with this receiver.
#[track_caller]
pub(crate) fn feed_to<'a>(inbound: Inbound, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut inbound = inbound;
    let mut outcome = Outcome::default();
    for piece in pieces {
        let mut input = piece;
        loop {
            let was_over = outcome.is_over();
            match inbound.next_event(&mut input) {
                Ok(None) => break,
                Ok(Some(event)) => outcome.events.push(event),
                Err(error) => outcome.error = Some(error),
            }
            assert!(!was_over, "something came after the end: {outcome:?}");
        }
        assert!(input.is_empty(), "more input asked for, {input:02x?} left");
    }
    assert!(
        !(outcome.is_over() && inbound.message_kind().is_some()),
        "the rest of a message is kept after the end"
    );
    outcome
}

/// Input up to this length is cut at every place. Longer input is cut near both ends and at some
/// places in between.
const CUT_EVERYWHERE: usize = 600;

/// Feeds `bytes` as a whole, byte by byte, cut in two at every place, and with more bytes after
/// them. Returns the outcome, which must be the same each time.
#[track_caller]
pub(crate) fn feed_every_way(role: Role, limits: Limits, bytes: &[u8]) -> Outcome {
    feed_every_way_to(role, || Inbound::new(role, limits), bytes)
}

/// Like [`feed_every_way`], with a new receiver of this role for each cut.
#[track_caller]
pub(crate) fn feed_every_way_to(
    role: Role,
    inbound: impl Fn() -> Inbound,
    bytes: &[u8],
) -> Outcome {
    let whole = feed_to(inbound(), [bytes]);
    let bytewise = feed_to(inbound(), bytes.chunks(1));
    assert_eq!(bytewise, whole, "byte by byte: {role:?} {bytes:02x?}");
    let step = 1 + bytes.len() / CUT_EVERYWHERE;
    for cut in 0..=bytes.len() {
        let is_near_an_end = cut < 20 || bytes.len() - cut < 20;
        if is_near_an_end || cut % step == 0 {
            let (a, b) = bytes.split_at(cut);
            let halves = feed_to(inbound(), [a, b]);
            assert_eq!(halves, whole, "cut at {cut}: {role:?} {bytes:02x?}");
        }
    }
    let trailing = frames_from(peer(role), &[(0x89, b"trailing"), (0x81, b"text")]);
    let more = [bytes, &trailing].concat();
    if whole.is_over() {
        let with_trailing = feed_to(inbound(), [&more[..]]);
        assert_eq!(with_trailing, whole, "trailing bytes: {role:?}");
    } else if ends_between_frames(bytes) {
        let ping_len = more.len() - bytes.len() - frame_from(peer(role), 0x81, b"text").len();
        let with_ping = feed_to(inbound(), [&more[..bytes.len() + ping_len]]);
        let mut expected = whole.clone();
        expected.events.push(Event::Ping(b"trailing".to_vec()));
        assert_eq!(with_ping, expected, "trailing Ping: {role:?}");
    }
    whole
}

/// Whether `bytes` end between two frames.
fn ends_between_frames(mut bytes: &[u8]) -> bool {
    while let Ok(Some((header, header_len))) = FrameHeader::decode(bytes) {
        let payload_len = usize::try_from(header.payload_len).unwrap_or(usize::MAX);
        let Some(rest) = bytes.get(header_len.saturating_add(payload_len)..) else {
            return false;
        };
        bytes = rest;
    }
    bytes.is_empty()
}

/// Asserts that `bytes` of the peer break this rule for every cut, and that exactly one Close frame
/// is sent, which names the rule. Returns the earlier events.
#[track_caller]
pub(crate) fn assert_fails(
    role: Role,
    limits: Limits,
    bytes: &[u8],
    error: ProtocolError,
) -> Vec<Event> {
    let outcome = feed_every_way(role, limits, bytes);
    assert_eq!(outcome.error, Some(error), "{role:?} {bytes:02x?}");
    let mut connection = Connection::new(outbound(role), limits);
    let mut out = Vec::new();
    let mut input = bytes;
    let seen = loop {
        out.clear();
        match connection.next_event(&mut input, &mut out) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no error from {bytes:02x?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(seen, error);
    let mut body = CloseCode::from(error).get().to_be_bytes().to_vec();
    body.extend(error.to_string().as_bytes());
    assert_eq!(out, frame_from(role, 0x88, &body), "the Close for {error}");
    outcome.events
}

/// One end of a [`Pair`].
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) connection: Connection,
    /// The bytes that this end has sent and the other end has not read.
    pub(crate) out: Vec<u8>,
    /// The events that this end has received.
    pub(crate) events: Vec<Event>,
}

/// Two connections that are joined by two byte pipes.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
}

impl Pair {
    pub(crate) fn new(limits: Limits) -> Self {
        let end = |role| End {
            connection: Connection::new(outbound(role), limits),
            out: Vec::new(),
            events: Vec::new(),
        };
        Self { client: end(Role::Client), server: end(Role::Server) }
    }

    pub(crate) fn end(&mut self, role: Role) -> &mut End {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// Transfers bytes in both directions, at most `piece_len` at a time, until both pipes are
    /// empty.
    #[track_caller]
    pub(crate) fn pump(&mut self, piece_len: usize) {
        while !(self.client.out.is_empty() && self.server.out.is_empty()) {
            carry(&mut self.client, &mut self.server, piece_len);
            carry(&mut self.server, &mut self.client, piece_len);
        }
    }
}

#[track_caller]
fn carry(from: &mut End, to: &mut End, piece_len: usize) {
    for piece in std::mem::take(&mut from.out).chunks(piece_len) {
        let mut input = piece;
        while let Some(event) = to
            .connection
            .next_event(&mut input, &mut to.out)
            .expect("the other end keeps the rules")
        {
            to.events.push(event);
        }
    }
}
