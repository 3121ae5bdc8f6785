//! The plan of a pair of connections. The seed decides the plan, the system decides the timing.

use std::time::Duration;

use tightwire::{SlowPolicy, Timeouts};

use super::stream::Limits;
use crate::random::Random;

/// A client is side 0, a server side 1.
pub(crate) const SIDES: [&str; 2] = ["client", "server"];

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) limits: Limits,
    pub(crate) max_len: usize,
    pub(crate) fragment_len: usize,
    pub(crate) timeouts: Timeouts,
    pub(crate) is_deflated: bool,
    /// Whether each side receives on the `WebSocket` itself instead of splitting it.
    pub(crate) is_whole: [bool; 2],
    /// The longest pause of a receiver between two messages.
    pub(crate) pause: Duration,
    /// How long the senders work before the lull or the end.
    pub(crate) busy: Duration,
    pub(crate) policy: SlowPolicy,
    pub(crate) ending: Ending,
}

/// How a connection ends. The sides are those that act.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// After everything was flushed, one or both sides send a Close frame and receive on.
    Close([bool; 2]),
    /// The same, while messages are sent.
    CloseAmidst([bool; 2]),
    /// `WebSocket::close`, which discards messages.
    CloseWhole(usize),
    /// A side closes while the handler of its peer is slow.
    PeerIsSlow(usize),
    /// A side closes, and its own handler is slow to receive the answer.
    CloserIsSlow(usize),
    /// This ending and those below come while messages are sent.
    Abort(usize),
    Drop(usize),
    /// A `MessageWriter` is dropped before the end of its message.
    Unfinished(usize),
}

impl Plan {
    pub(crate) fn new(random: &mut Random) -> Self {
        let ending = Ending::new(random);
        let (limits, max_len, fragment_len) = limits(random);
        Self {
            limits,
            max_len,
            fragment_len,
            timeouts: timeouts(ending, random),
            is_deflated: cfg!(feature = "deflate") && random.one_in(3),
            is_whole: [ending.needs_whole(0), ending.needs_whole(1)]
                .map(|is_needed| is_needed || random.one_in(3)),
            pause: Duration::from_millis(*random.pick(&[1, 10, 80])),
            busy: Duration::from_millis(200 + random.below(1000) as u64),
            policy: match (random.below(3), ending.is_amidst()) {
                (0, true) => SlowPolicy::Disconnect,
                (1, _) => SlowPolicy::Wait(Duration::from_millis(5)),
                _ => SlowPolicy::Drop,
            },
            ending,
        }
    }
}

/// Windows of some bytes up to those of the system, and a length of messages that fits each.
fn limits(random: &mut Random) -> (Limits, usize, usize) {
    let limits = |window, read_max, write_max, trouble_one_in| Limits {
        window,
        read_max,
        write_max,
        trouble_one_in,
    };
    *random.pick(&[
        (limits(512, 120, 90, 400), 1_000, 300),
        (limits(2 << 10, 500, 700, 100), 10_000, 4_000),
        (limits(16 << 10, 4 << 10, 10_000, 50), 100_000, 20_000),
        (limits(100_000, 1 << 20, 50_000, 50), 500_000, 100_000),
        (limits(usize::MAX, usize::MAX, usize::MAX, 100), 3 << 20, 1 << 20),
    ])
}

fn timeouts(ending: Ending, random: &mut Random) -> Timeouts {
    let mut timeouts = Timeouts::new()
        .write(Duration::from_millis(1 + random.below(8) as u64))
        .close(Duration::from_secs(20))
        .pong(Duration::from_secs(2));
    let is_kept_alive = random.one_in(2);
    match ending {
        // A slow peer has `close` for its answer, and needs more than `ping` and `pong`.
        Ending::PeerIsSlow(_) => timeouts = timeouts.ping(Duration::from_millis(300)),
        Ending::CloserIsSlow(_) => timeouts = timeouts.close(Duration::from_secs(2)),
        _ if is_kept_alive => timeouts = timeouts.ping(Duration::from_millis(300)),
        _ => {}
    }
    timeouts
}

impl Ending {
    fn new(random: &mut Random) -> Self {
        let side = random.below(2);
        let sides = *random.pick(&[[true, false], [false, true], [true, true]]);
        match random.below(12) {
            0..=2 => Self::Close(sides),
            3..=4 => Self::CloseAmidst(sides),
            5 => Self::CloseWhole(side),
            6 => Self::PeerIsSlow(side),
            7 => Self::CloserIsSlow(side),
            8..=9 => Self::Abort(side),
            10 => Self::Drop(side),
            _ => Self::Unfinished(side),
        }
    }

    fn needs_whole(self, side: usize) -> bool {
        self == Self::CloseWhole(side)
    }

    /// Returns whether the connection ends while messages are sent.
    pub(crate) const fn is_amidst(self) -> bool {
        matches!(self, Self::CloseAmidst(_) | Self::Abort(_) | Self::Drop(_) | Self::Unfinished(_))
    }

    /// Returns the close code that both ends must see, if there is one.
    pub(crate) const fn code(self) -> Option<u16> {
        match self {
            Self::Abort(_) | Self::Drop(_) => None,
            Self::Unfinished(_) => Some(1011),
            _ => Some(1000),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Close([true, true]) => "closed by both",
            Self::Close(_) => "closed",
            Self::CloseAmidst(_) => "closed amidst",
            Self::CloseWhole(_) => "closed whole",
            Self::PeerIsSlow(_) => "closed to a slow handler",
            Self::CloserIsSlow(_) => "closed by a slow handler",
            Self::Abort(_) => "aborted",
            Self::Drop(_) => "dropped",
            Self::Unfinished(_) => "left unfinished",
        }
    }
}
