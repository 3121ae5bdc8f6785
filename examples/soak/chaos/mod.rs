//! Both ends of connections in one process, doing everything at once: several threads send with
//! timeouts that are too short, broadcast, ping, and read in fits and starts through tiny windows,
//! until one end, or both, close, abort or vanish. A server is shut down while such clients are
//! connected.
//!
//! Every accepted message must arrive once, complete and in the order of its sender. Every Ping
//! must be answered, every thread must end, and no descriptor may be left.

mod churn;
mod connect;
mod ending;
mod findings;
mod lull;
mod message;
mod pair;
mod plan;
mod receiving;
mod sending;
mod stream;
mod tap;

use std::process;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use connect::Transport;
use findings::Notes;

use crate::Outcome;
use crate::figures::Figures;
use crate::random::Random;

/// How many pairs run at the same time.
const PAIRS: usize = 4;
/// The time limit of a batch. A batch that exceeds it is taken to hang.
const BATCH: Duration = Duration::from_secs(100);
/// The system needs a moment to release closed sockets and ended threads.
const SETTLE: Duration = Duration::from_secs(2);

type Part = (&'static str, fn(&str, &Arc<Notes>, &mut Random) -> Outcome<()>);

const PARTS: &[Part] = &[
    ("TCP", |name, notes, random| pairs(Transport::Tcp, name, notes, random)),
    #[cfg(unix)]
    ("Unix sockets", |name, notes, random| pairs(Transport::Unix, name, notes, random)),
    #[cfg(feature = "tls")]
    ("TLS", |name, notes, random| pairs(Transport::Tls, name, notes, random)),
    ("servers", churn::round),
];

/// Runs each part for its share of the time, and fails if any of them found a violation.
pub(crate) fn run(duration: Duration, seed: u64) -> Outcome<()> {
    println!("\nchaos, with seed {seed}");
    if cfg!(not(feature = "tls")) {
        println!("TLS: left out, because this build lacks the feature `tls`");
    }
    let share = duration / PARTS.len() as u32;
    let mut failures = String::new();
    for (number, (name, batch)) in PARTS.iter().enumerate() {
        let notes = Arc::new(Notes::default());
        let mut random = Random::new(seed.wrapping_mul(10_007).wrapping_add(number as u64));
        let (start, mut count) = (Instant::now(), 0);
        while start.elapsed() < share {
            count += 1;
            batch(&format!("{name}, batch {count}"), &notes, &mut random)?;
        }
        println!("{name}: {notes}");
        if let Err(failure) = notes.outcome() {
            failures += &format!("\n{name}: {failure}");
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.into()) }
}

/// A batch of pairs.
fn pairs(transport: Transport, name: &str, notes: &Arc<Notes>, random: &mut Random) -> Outcome<()> {
    let works = (0..PAIRS).map(|number| {
        let (name, notes) = (format!("{name}, pair {number}"), Arc::clone(notes));
        let mut random = random.fork();
        move || pair::run(transport, &name, &notes, &mut random)
    });
    leave_nothing(name, notes, works)
}

/// Does all of `works` at once, and checks that no descriptor and no thread is left: first while
/// the results are kept, then without them.
fn leave_nothing<K: Send + 'static, W: FnOnce() -> Outcome<K> + Send + 'static>(
    name: &str,
    notes: &Arc<Notes>,
    works: impl Iterator<Item = W>,
) -> Outcome<()> {
    let before = Figures::of(process::id());
    let (report, reports) = mpsc::channel();
    let threads: Vec<_> = works
        .map(|work| {
            let report = report.clone();
            notes.spawn(format!("the guide of {name}"), move || {
                // The channel is closed if another thread exceeded the time limit.
                let _ = report.send(work().map_err(|error| error.to_string()));
            })
        })
        .collect();
    drop(report);
    let (end, mut kept) = (Instant::now() + BATCH, Vec::new());
    loop {
        match reports.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Ok(result)) => kept.push(result),
            Ok(Err(error)) => notes.violation("a batch fails", format_args!("{error} in {name}")),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let found = notes.outcome().map_or_else(|found| found.to_string(), |()| "".into());
                let running = notes.running();
                return Err(format!("these threads do not end:\n  {running}{found}").into());
            }
        }
    }
    for thread in threads {
        notes.join(thread);
    }
    compare(name, notes, &before, "something is left while senders and members are kept");
    drop(kept);
    compare(name, notes, &before, "something is left although everything was dropped");
    Ok(())
}

fn compare(name: &str, notes: &Notes, before: &Figures, kind: &'static str) {
    let start = Instant::now();
    loop {
        let after = Figures::of(process::id());
        if after.is_as_quiet_as(before) {
            return;
        }
        if start.elapsed() > SETTLE {
            return notes.violation(kind, format_args!("{before:?}, then {after:?} in {name}"));
        }
        thread::sleep(Duration::from_millis(5));
    }
}
