//! A connection on which little is sent. In a storm the next message takes a forgotten Pong along;
//! in a lull a Pong stays unsent if no thread is responsible for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::findings::lock;
use super::message::{GUIDE, make};
use super::pair::{PONG, Pair};
use super::plan::SIDES;
use crate::random::Random;

/// How often each lull repeats its attempt.
const ROUNDS: usize = 12;

/// Shorter fragments cost a socket more memory than they have bytes.
const FRAGMENT_MIN: usize = 10_000;

pub(crate) fn lull(pair: &Arc<Pair>, random: &mut Random) {
    // A long message in tiny fragments fills a socket faster than a peer that pauses reads it. Then
    // its sender gives up in time, and the rest waits for the busy handler.
    let may_stall = pair.plan.is_deflated && pair.plan.fragment_len < FRAGMENT_MIN;
    if may_stall || !pair.plan.is_deflated && random.one_in(2) {
        ping_a_feeder(pair, random);
    } else {
        pair.wire.set_calm(true);
        for _ in 0..ROUNDS {
            let side = random.below(2);
            if !ping_a_busy_handler(pair, side, random) {
                break;
            }
        }
        pair.wire.set_calm(false);
    }
}

/// A side feeds small messages and flushes nothing, while either side sends Pings.
fn ping_a_feeder(pair: &Pair, random: &mut Random) {
    for _ in 0..ROUNDS {
        let (side, feeder) = (random.below(2), random.below(2));
        for _ in 0..random.below(4) {
            if random.one_in(2) {
                feed(pair, feeder, 20, random);
            }
            // The end of the lull shows whether it was answered.
            let _ = pair.ping(side);
        }
        thread::sleep(Duration::from_millis(random.below(20) as u64));
    }
    let start = Instant::now();
    for side in [0, 1] {
        while pair.ends[side].record.awaits_any() && start.elapsed() < PONG {
            thread::sleep(Duration::from_millis(1));
        }
        if pair.ends[side].record.awaits_any() {
            pair.violation("a Pong does not come in a lull", SIDES[side]);
        }
    }
}

/// Sends a Ping and a message while a thread of the peer feeds. Then the peer does nothing until
/// the Pong arrives. Returns whether it arrives in time.
fn ping_a_busy_handler(pair: &Arc<Pair>, side: usize, random: &mut Random) -> bool {
    let feeds = Arc::new(AtomicBool::new(true));
    let feeder = {
        let (shared, feeds, mut random) = (Arc::clone(pair), Arc::clone(&feeds), random.fork());
        // A message that takes long to compress keeps other threads waiting for the writer.
        // Uncompressed feeds must stay below the buffer of a socket.
        let len = if pair.plan.is_deflated { 200_000 } else { 300 };
        pair.notes.spawn(format!("feeder of the {}", SIDES[1 - side]), move || {
            while feeds.load(Ordering::SeqCst) {
                feed(&shared, 1 - side, len, &mut random);
                thread::sleep(Duration::from_micros(random.below(1000) as u64));
            }
        })
    };
    thread::sleep(Duration::from_millis(random.below(8) as u64));
    pair.wire.set_held(side, true);
    let ping = pair.ping(side).ok();
    if let Some(ping) = &ping {
        let next = pair.ends[side].sent[GUIDE].load(Ordering::SeqCst) + 1;
        *lock(&pair.ends[side].ping) = Some((next, ping.clone()));
        pair.guide(side, if random.one_in(2) { 200_000 } else { 100 });
    }
    pair.wire.set_held(side, false);
    thread::sleep(Duration::from_millis(2));
    feeds.store(false, Ordering::SeqCst);
    pair.notes.join(feeder);
    let start = Instant::now();
    let awaits = || ping.as_ref().is_some_and(|ping| pair.ends[side].record.awaits(ping));
    while awaits() && start.elapsed() <= PONG {
        thread::sleep(Duration::from_millis(1));
    }
    !awaits()
}

/// Feeds as the second author, who has nothing else to do in a lull.
fn feed(pair: &Pair, side: usize, len: usize, random: &mut Random) {
    let number = pair.ends[side].sent[1].load(Ordering::SeqCst) + 1;
    let len = 27 + random.below(len);
    let outcome = pair.ends[side].sender.feed(make(1, number, len));
    pair.note_sent(side, 1, outcome);
}
