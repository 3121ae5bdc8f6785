//! A pair of connections from its opening to its end, and the checks afterwards.

use std::array::from_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tightwire::{Error, Hub, Member, Operation, PreparedMessage, SendError, Sender, SlowPolicy};

use super::connect::{Connected, Transport, connect};
use super::ending::bring_about;
use super::findings::{Notes, add};
use super::lull::lull;
use super::message::{AUTHORS, GUIDE, HUB, make};
use super::plan::{Ending, Plan, SIDES};
use super::receiving::{Ended, Half, receive};
use super::sending::{Fate, broadcast, flush, send};
use super::stream::Wire;
use super::tap::Record;
use crate::Outcome;
use crate::random::Random;

/// No step that succeeds takes longer.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(30);
/// The time within which a peer that reads must answer a Ping.
pub(crate) const PONG: Duration = Duration::from_secs(5);

/// The state that the threads of a pair share.
#[derive(Debug)]
pub(crate) struct Pair {
    /// Names the transport, the batch and the plan in reports.
    name: String,
    pub(crate) plan: Plan,
    pub(crate) notes: Arc<Notes>,
    pub(crate) wire: Arc<Wire>,
    pub(crate) hub: Hub,
    pub(crate) ends: [End; 2],
    ping_count: AtomicU64,
    /// Senders and broadcasters must stop.
    pub(crate) is_quiet: AtomicBool,
    /// The end has begun, so calls may find the connection closed.
    pub(crate) may_end: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct End {
    pub(crate) sender: Sender,
    pub(crate) record: Arc<Record>,
    /// The last message of each author that was accepted.
    pub(crate) sent: [AtomicU64; AUTHORS],
    /// 1 if the author's next message may have arrived, because its call failed with an I/O error.
    unsure: [AtomicU64; AUTHORS],
    /// A Ping, and the number of the guide's message after it: the handler of that message waits
    /// for the Pong.
    pub(crate) ping: Mutex<Option<(u64, Vec<u8>)>>,
    /// The receiver must drop the connection, or close it if that is the ending.
    pub(crate) leaves: AtomicBool,
    /// The receiver must sleep once.
    pub(crate) naps: AtomicBool,
    /// The receiver sleeps, or has slept.
    pub(crate) is_napping: AtomicBool,
}

/// Handles that a program may keep after the end of a connection. They must not keep its
/// descriptor.
#[derive(Debug)]
pub(crate) struct Kept {
    _senders: [Sender; 2],
    _members: [Member; 2],
    _hub: Hub,
}

impl Pair {
    pub(crate) fn len(&self, random: &mut Random) -> usize {
        match random.below(10) {
            0 => random.below(self.plan.max_len),
            1..4 => random.below(self.plan.max_len / 20),
            _ => random.below(300),
        }
    }

    pub(crate) fn violation(&self, kind: &'static str, example: impl std::fmt::Display) {
        self.notes.violation(kind, format_args!("{example}\n    in {}", self.name));
    }

    /// Notes the result of a call that sends a message.
    pub(crate) fn note_sent(&self, side: usize, author: usize, outcome: Result<(), Error>) -> Fate {
        // A peer that reads only the beginning of a message counts it, too.
        if let Err(Error::Io(_) | Error::SlowPeer | Error::Send(_)) = outcome {
            self.ends[side].unsure[author].store(1, Ordering::SeqCst);
        }
        let fate = self.fate(side, outcome);
        if fate == Fate::Accepted {
            add(&self.ends[side].sent[author], 1);
            add(&self.notes.messages, 1);
        }
        fate
    }

    /// Sends a Ping with a unique payload, and returns the payload if the Ping was accepted.
    pub(crate) fn ping(&self, side: usize) -> Result<Vec<u8>, Fate> {
        let payload = format!("Ping {}", add(&self.ping_count, 1)).into_bytes();
        match self.fate(side, self.ends[side].sender.ping(&payload)) {
            Fate::Accepted => {
                add(&self.notes.pings, 1);
                Ok(payload)
            }
            other => Err(other),
        }
    }

    fn fate(&self, side: usize, outcome: Result<(), Error>) -> Fate {
        match outcome {
            Ok(()) | Err(Error::Timeout(Operation::Flush)) => Fate::Accepted,
            Err(Error::Timeout(Operation::Queue)) => Fate::Refused,
            Err(Error::Send(SendError::Closed) | Error::Io(_) | Error::SlowPeer)
                if self.may_end.load(Ordering::SeqCst) =>
            {
                Fate::Over
            }
            Err(error) => {
                let example = format!("{}: {error:#}", SIDES[side]);
                self.violation("a call that sends fails", example);
                Fate::Over
            }
        }
    }

    /// Sends a message of the thread that guides the pair, and returns its number.
    pub(crate) fn guide(&self, side: usize, len: usize) -> Option<u64> {
        let start = Instant::now();
        loop {
            let number = self.ends[side].sent[GUIDE].load(Ordering::SeqCst) + 1;
            let message = PreparedMessage::new(make(GUIDE, number, len));
            let outcome = self.ends[side].sender.send_prepared(&message);
            match self.note_sent(side, GUIDE, outcome) {
                Fate::Accepted => return Some(number),
                Fate::Refused if start.elapsed() < GIVE_UP => {}
                Fate::Refused | Fate::Over => return None,
            }
        }
    }
}

/// Takes a pair through its plan, and returns the handles that outlive the connection.
pub(crate) fn run(
    transport: Transport,
    name: &str,
    notes: &Arc<Notes>,
    random: &mut Random,
) -> Outcome<Kept> {
    let plan = Plan::new(random);
    let Connected { sockets, records, wire } = connect(transport, &plan, random)?;
    let hub = Hub::new(plan.policy);
    let senders = sockets.each_ref().map(tightwire::WebSocket::sender);
    let members = senders.each_ref().map(|sender| hub.join(sender.clone()));
    let ending = plan.ending;
    let pair = Arc::new(Pair {
        name: format!("{name}: {plan:?}"),
        notes: Arc::clone(notes),
        wire,
        hub: hub.clone(),
        ends: from_fn(|side| End::new(senders[side].clone(), &records[side])),
        ping_count: AtomicU64::default(),
        is_quiet: AtomicBool::new(false),
        // A slow member of such a hub is cut.
        may_end: AtomicBool::new(plan.policy == SlowPolicy::Disconnect),
        plan,
    });
    let receivers = start_receivers(&pair, sockets, random);
    let senders_of_all = start_senders(&pair, random);
    thread::sleep(pair.plan.busy);
    if ending.is_amidst() {
        bring_about(&pair, ending);
        stop(&pair, senders_of_all);
    } else {
        stop(&pair, senders_of_all);
        (0..2).for_each(|side| flush(&pair, side));
        lull(&pair, random);
        (0..2).for_each(|side| flush(&pair, side));
        bring_about(&pair, ending);
    }
    let ended = receivers.map(|receiver| notes.join(receiver));
    if let [Some(client), Some(server)] = ended {
        verify(&pair, &[client, server]);
    }
    notes.end(ending.name());
    Ok(Kept { _senders: senders, _members: members, _hub: hub })
}

impl End {
    fn new(sender: Sender, record: &Arc<Record>) -> Self {
        Self {
            sender,
            record: Arc::clone(record),
            sent: Default::default(),
            unsure: Default::default(),
            ping: Mutex::default(),
            leaves: AtomicBool::default(),
            naps: AtomicBool::default(),
            is_napping: AtomicBool::default(),
        }
    }
}

fn start_receivers(
    pair: &Arc<Pair>,
    sockets: [tightwire::WebSocket; 2],
    random: &mut Random,
) -> [JoinHandle<Ended>; 2] {
    let mut side = 0;
    sockets.map(|ws| {
        let own = side;
        side += 1;
        let half =
            if pair.plan.is_whole[own] { Half::Whole(ws) } else { Half::Split(ws.split().1) };
        let (shared, mut random) = (Arc::clone(pair), random.fork());
        let name = format!("receiver of the {} in {}", SIDES[own], pair.name);
        pair.notes.spawn(name, move || receive(&shared, own, half, &mut random))
    })
}

fn start_senders(pair: &Arc<Pair>, random: &mut Random) -> Vec<JoinHandle<()>> {
    let mut threads = Vec::new();
    for (side, author) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (shared, mut random) = (Arc::clone(pair), random.fork());
        let name = format!("sender {author} of the {} in {}", SIDES[side], pair.name);
        threads.push(pair.notes.spawn(name, move || send(&shared, side, author, &mut random)));
    }
    for which in [0, 1] {
        let (shared, mut random) = (Arc::clone(pair), random.fork());
        let name = format!("broadcaster {which} in {}", pair.name);
        threads.push(pair.notes.spawn(name, move || broadcast(&shared, which, &mut random)));
    }
    threads
}

fn stop(pair: &Pair, threads: Vec<JoinHandle<()>>) {
    pair.is_quiet.store(true, Ordering::SeqCst);
    for thread in threads {
        pair.notes.join(thread);
    }
}

/// Compares the messages that were sent with those that arrived, and the end with the planned one.
fn verify(pair: &Pair, ended: &[Ended; 2]) {
    let is_cut = pair.plan.policy == SlowPolicy::Disconnect && pair.hub.totals().disconnected > 0;
    for side in [0, 1] {
        let Ended { code, error, .. } = &ended[side];
        let is_right = pair.plan.ending.code().is_none_or(|expected| *code == expected);
        if !is_right && !is_cut {
            let example = format!("{} ends with {code}, {error:?}", SIDES[side]);
            pair.violation("a connection does not close in order", example);
        }
        judge_arrivals(pair, side, &ended[1 - side], is_cut);
        judge_record(pair, side);
    }
    let arrived: u64 = ended.iter().flat_map(|ended| &ended.arrivals.count[HUB..]).sum();
    let delivered = pair.hub.totals().delivered;
    let all_arrive = matches!(
        pair.plan.ending,
        Ending::Close(_) | Ending::PeerIsSlow(_) | Ending::CloserIsSlow(_)
    );
    if arrived > delivered || all_arrive && arrived < delivered {
        let example = format!("{delivered} delivered, {arrived} arrived");
        pair.violation("broadcasts do not arrive once each", example);
    }
}

/// Compares what this side sent with what its peer received.
fn judge_arrivals(pair: &Pair, side: usize, peer: &Ended, is_cut: bool) {
    let (ending, end) = (pair.plan.ending, &pair.ends[side]);
    // `WebSocket::close` discards messages, and a connection without Close frames may lose them.
    let all_arrive = match ending {
        Ending::CloseWhole(closer) => closer == side,
        _ => ending.code().is_some() && !is_cut,
    };
    for author in 0..HUB {
        let sent = end.sent[author].load(Ordering::SeqCst);
        let most = sent + end.unsure[author].load(Ordering::SeqCst);
        let arrived = peer.arrivals.count[author];
        if arrived > most || all_arrive && arrived < sent {
            let example = format!(
                "author {author} of the {}: {sent} accepted, {arrived} arrived",
                SIDES[side]
            );
            pair.violation("messages do not arrive once each", example);
        }
    }
}

fn judge_record(pair: &Pair, side: usize) {
    let record = &pair.ends[side].record;
    let slowest = record.slowest_pong();
    pair.notes.pong(slowest);
    if slowest > PONG {
        pair.violation("a Pong is late", format!("{slowest:?} to the {}", SIDES[side]));
    }
    if let Some(opcode) = record.after_close() {
        let example = format!("opcode {opcode} from the {}", SIDES[side]);
        pair.violation("a frame follows the Close frame", example);
    }
}
