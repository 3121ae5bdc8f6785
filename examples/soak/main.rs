//! Drives a server with clients of every kind at once: good, slow, broken, vanishing and malicious.
//! Checks that no message is lost, and that no thread, descriptor or memory is left behind. Only
//! Linux shows what another process uses. On other systems the clients run without these figures.
//!
//! ```text
//! cargo run --release --features deflate,tls --example soak -- SECONDS [--seed N] [--chaos]
//! ```
//!
//! The server is a separate process. These clients take half of the time, and the module `chaos`
//! the other half, or all of it with `--chaos`. The exit code is 1 if a check failed.

mod bad;
mod chaos;
mod figures;
mod good;
mod random;
mod raw;
mod server;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::{env, thread};

use figures::Figures;
use random::Random;
use server::Process;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The whole life of one client. A check that fails is an error.
type Visit = fn(SocketAddr, &mut Random) -> Outcome<()>;

/// Kinds of clients, and how many of each run at a time.
const KINDS: &[(&str, usize, Visit)] = &[
    ("good: one message after the other", 4, good::in_turn),
    ("good: both directions at once", 4, good::at_once),
    ("slow to write", 3, bad::write_slowly),
    ("slow to read", 3, bad::read_slowly),
    ("break the protocol", 2, bad::break_a_rule),
    ("break the handshake", 2, bad::break_the_handshake),
    ("vanish", 4, bad::vanish),
    ("flood and do not read", 2, bad::flood),
    ("drip a head, or half of one", 2, bad::drip_a_head),
    ("explode", 1, bad::explode),
];

/// A server thread without a connection ends before this time is over.
const IDLE: Duration = Duration::from_secs(3);
/// How often figures are taken in each half.
const SAMPLES: u32 = 10;
/// How much more memory may be in use at the end than in the middle: the noise of an allocator with
/// an arena for each of many threads.
const TOLERANCE_KIB: u64 = 16 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some(server::ARGUMENT) => server::serve(),
        _ => Arguments::parse(&arguments).and_then(|arguments| arguments.run()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Arguments {
    duration: Duration,
    seed: u64,
    /// Run only `chaos`, without the clients.
    only_chaos: bool,
}

impl Arguments {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let (mut seconds, mut seed, mut only_chaos) = (None, now.as_secs(), false);
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--seed" => seed = rest.next().ok_or("--seed needs a number")?.parse()?,
                "--chaos" => only_chaos = true,
                number => seconds = Some(number.parse()?),
            }
        }
        let seconds = seconds.ok_or("usage: soak SECONDS [--seed N] [--chaos]")?;
        Ok(Self { duration: Duration::from_secs(seconds), seed, only_chaos })
    }

    fn run(self) -> Outcome<()> {
        let Self { duration, seed, only_chaos } = self;
        println!("seed {seed}");
        thread::spawn(move || {
            thread::sleep(duration + 8 * server::PATIENCE);
            eprintln!("FAILED: a thread does not end");
            std::process::exit(1);
        });
        if only_chaos {
            return chaos::run(duration, seed);
        }
        soak(duration / 2, seed)?;
        chaos::run(duration / 2, seed)
    }
}

fn soak(duration: Duration, seed: u64) -> Outcome<()> {
    let mut server = Process::start()?;
    // After this, all of the server's own threads have started.
    good::in_turn(server.address(), &mut Random::new(seed))?;
    thread::sleep(IDLE);
    let fresh = server.figures();
    let tally = Tally::default();

    println!("{}", Figures::HEAD);
    println!("{}", fresh.row("before"));

    // After the first half, the allocator has the memory that it keeps, so the second half shows
    // leaks.
    let mut samples = Vec::new();
    let mut run = |seed, name| {
        load(&server, duration / 2, seed, &tally, |elapsed| {
            let figures = server.figures();
            println!("{}", figures.row(&format!("{} s", elapsed.as_secs())));
            samples.push(figures);
        })?;
        let quiet = server.quiet(&fresh)?;
        println!("{}", quiet.row(name));
        Ok::<_, Box<dyn Error>>(quiet)
    };
    let middle = run(seed, "in the middle")?;
    let end = run(seed.wrapping_add(1), "at the end")?;

    // The server must still work.
    good::in_turn(server.address(), &mut Random::new(seed))?;
    println!("\n{}", tally.table());
    println!("{}", server.stop()?);
    end.verify(&middle, &samples, TOLERANCE_KIB)?;
    println!("nothing was lost, and nothing is left behind");
    Ok(())
}

/// Runs all clients again and again for `duration`, and calls `sample` in the meantime.
fn load(
    server: &Process,
    duration: Duration,
    seed: u64,
    tally: &Tally,
    mut sample: impl FnMut(Duration),
) -> Outcome<()> {
    let (address, start) = (server.address(), Instant::now());
    let is_over = || start.elapsed() >= duration || tally.has_failed();
    thread::scope(|scope| {
        for (kind, (name, count, visit)) in KINDS.iter().enumerate() {
            for number in 0..*count {
                let own = (kind * 100 + number) as u64;
                let mut random = Random::new(seed.wrapping_mul(10_007).wrapping_add(own));
                scope.spawn(move || {
                    while !is_over() {
                        tally.note(name, visit(address, &mut random));
                    }
                });
            }
        }
        for number in 1..=SAMPLES {
            let next = start + duration * number / SAMPLES;
            while !is_over() && Instant::now() < next {
                let left = next.saturating_duration_since(Instant::now());
                thread::sleep(left.min(Duration::from_millis(100)));
            }
            sample(start.elapsed());
            if tally.has_failed() {
                break;
            }
        }
    });
    tally.outcome()
}

/// The number of clients of each kind that succeeded, and the first failure.
#[derive(Debug, Default)]
struct Tally(Mutex<(BTreeMap<&'static str, u64>, Option<String>)>);

impl Tally {
    fn note(&self, kind: &'static str, outcome: Outcome<()>) {
        let (counts, failure) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => *counts.entry(kind).or_default() += 1,
            Err(error) => {
                failure.get_or_insert_with(|| format!("{kind}: {error:#}"));
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.is_some()
    }

    fn outcome(&self) -> Outcome<()> {
        match &self.0.lock().unwrap_or_else(PoisonError::into_inner).1 {
            None => Ok(()),
            Some(failure) => Err(failure.clone().into()),
        }
    }

    fn table(&self) -> String {
        let mut table = String::new();
        for (kind, count) in &self.0.lock().unwrap_or_else(PoisonError::into_inner).0 {
            let _ = writeln!(table, "{count:>9} clients: {kind}");
        }
        table
    }
}
