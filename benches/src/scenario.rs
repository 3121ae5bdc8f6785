use crate::load::{Content, Load};

/// A load with a name.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub load: Load,
    /// The load of a quick run, if it differs.
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

/// Scenarios for the growth of the cost of a message: with its bytes, with connections, and with
/// messages on their way. The name of a scenario is the growing quantity and its value.
pub const GROWTH: &[Scenario] = &[
    echo("bytes-32", "1 message of 32 B", 1, 1, 32),
    echo("bytes-256", "1 message of 256 B", 1, 1, 256),
    echo("bytes-2048", "1 message of 2 KiB", 1, 1, 2 << 10),
    echo("bytes-16384", "1 message of 16 KiB", 1, 1, 16 << 10),
    echo("bytes-131072", "1 message of 128 KiB", 1, 1, 128 << 10),
    echo("bytes-1048576", "1 message of 1 MiB", 1, 1, 1 << 20),
    echo("bytes-16777216", "1 message of 16 MiB", 1, 1, 16 << 20),
    echo("connections-1", "1 connection", 1, 1, 125),
    echo("connections-10", "10 connections", 10, 1, 125),
    echo("connections-100", "100 connections", 100, 1, 125),
    echo("connections-1000", "1,000 connections", 1000, 1, 125),
    echo("connections-10000", "10,000 connections", 10_000, 1, 125),
    echo("depth-1", "1 message on its way", 1, 1, 125),
    echo("depth-4", "4 messages on their way", 1, 4, 125),
    echo("depth-16", "16 messages on their way", 1, 16, 125),
    echo("depth-64", "64 messages on their way", 1, 64, 125),
    echo("depth-256", "256 messages on their way", 1, 256, 125),
    echo("depth-1024", "1,024 messages on their way", 1, 1024, 125),
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
