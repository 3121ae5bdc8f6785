use crate::load::{Content, Load};

/// A load with a name.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub load: Load,
    /// The load of a quick run, if it is another.
    pub quick: Option<Load>,
}

pub const ALL: &[Scenario] = &[
    echo("1x1x32B", "1 connection, 1 message of 32 B on its way", 1, 1, 32),
    echo("1x64x32B", "1 connection, 64 messages of 32 B on their way", 1, 64, 32),
    echo("16x1x125B", "16 connections, 1 message of 125 B each", 16, 1, 125),
    echo("100x1x1KiB", "100 connections, 1 message of 1 KiB each", 100, 1, 1 << 10),
    echo("100x16x125B", "100 connections, 16 messages of 125 B each", 100, 16, 125),
    echo("8x1x64KiB", "8 connections, 1 message of 64 KiB each", 8, 1, 64 << 10),
    echo("4x1x1MiB", "4 connections, 1 message of 1 MiB each", 4, 1, 1 << 20),
    echo("1000x1x125B", "1,000 connections, 1 message of 125 B each", 1000, 1, 125),
    text("ascii", "100 connections, 16 texts of 125 B each, ASCII", Content::Ascii, 100, 16, 125),
    text("mixed", "8 connections, 1 text of 64 KiB each, mixed", Content::Mixed, 8, 1, 64 << 10),
    Scenario {
        name: "handshakes",
        about: "connect, upgrade, close: 8 connections at a time",
        load: Load::Handshakes { at_once: 8 },
        quick: None,
    },
    Scenario {
        name: "broadcast",
        about: "messages of 125 B from 1 to 1,000 connections",
        load: Load::Broadcast { connections: 1000, len: 125 },
        quick: None,
    },
    Scenario {
        name: "idle",
        about: "10,000 connections (a quick run: 2,000), idle after an echo",
        load: Load::Idle { connections: 10_000 },
        quick: Some(Load::Idle { connections: 2000 }),
    },
];

const fn echo(
    name: &'static str,
    about: &'static str,
    connections: usize,
    depth: usize,
    len: usize,
) -> Scenario {
    text(name, about, Content::Binary, connections, depth, len)
}

const fn text(
    name: &'static str,
    about: &'static str,
    content: Content,
    connections: usize,
    depth: usize,
    len: usize,
) -> Scenario {
    Scenario { name, about, load: Load::Echo { connections, depth, content, len }, quick: None }
}
