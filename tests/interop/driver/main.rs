//! Checks tightwire against a peer of `tests/interop/peers`, in each role that the peer offers.
//!
//! ```text
//! interop PEER...             checks, and prints each failure and a line for each peer
//! interop --report PEER...    prints the sum of the results
//! interop --write PEER...     the same, and writes docs/interop.md
//! ```
//!
//! `tests/interop/run` sets the environment up and calls it. `tests/interop/README.md` has the
//! contract that a peer keeps to. This program uses tightwire as any other program would.

mod checks;
mod echo;
mod known;
mod peer;
mod process;
mod report;
mod results;
mod session;

use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use checks::{CHECKS, Check};
use known::Known;
use peer::{Peer, Role};
use results::{Outcome, Results};
use session::Session;

/// A description of what went wrong.
type Failure = String;

/// The limit for one check. A browser on a busy machine needs seconds to start.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let mode = names.first().filter(|name| name.starts_with("--")).cloned();
    names.retain(|name| !name.starts_with("--"));
    if let Err(error) = ctrlc::set_handler(|| {
        process::kill_all();
        std::process::exit(130);
    }) {
        eprintln!("interop: signals are not handled: {error}");
    }
    let outcome = match mode.as_deref() {
        None => check_all(&names),
        Some("--report") => report::print(&names),
        Some("--write") => report::print(&names).and_then(|ok| report::write().map(|()| ok)),
        Some(other) => Err(format!("there is no option {other}")),
    };
    // A check that did not end still holds the programs of its peer.
    process::kill_all();
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("interop: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Checks each peer. Returns whether everything went as expected.
fn check_all(names: &[String]) -> Result<bool, Failure> {
    let known = Known::load()?;
    let mut as_expected = true;
    for name in names {
        as_expected &= check_peer(name, &known)?;
    }
    Ok(as_expected)
}

fn check_peer(name: &str, known: &Known) -> Result<bool, Failure> {
    let begin = Instant::now();
    let peer = Arc::new(Peer::load(name)?);
    let mut results = Results::new(&peer);
    let mut as_expected = true;
    for (role, features) in peer.roles.clone() {
        let session = Arc::new(Session::new(Arc::clone(&peer), role));
        for check in CHECKS.iter().filter(|check| check.applies_to(role)) {
            let outcome = if check.is_optional && !features.iter().any(|word| word == check.name) {
                Outcome::NotOffered
            } else {
                run_check(&session, check)
            };
            as_expected &= report_outcome(&peer, role, check, &outcome, known);
            results.add(role, check.name, outcome);
        }
    }
    results.save()?;
    println!("{} ({:.0} s)", results.summary(known), begin.elapsed().as_secs_f64());
    Ok(as_expected)
}

/// Runs a check in a thread of its own, because a check that fails may hang.
fn run_check(session: &Arc<Session>, check: &'static Check) -> Outcome {
    let (sender, receiver) = mpsc::channel();
    let its_session = Arc::clone(session);
    thread::spawn(move || sender.send((check.run)(&its_session)));
    let outcome = match receiver.recv_timeout(CHECK_LIMIT) {
        Ok(Ok(())) => return Outcome::Passed,
        Ok(Err(failure)) => failure,
        Err(mpsc::RecvTimeoutError::Timeout) => format!("not over after {CHECK_LIMIT:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => "the check panicked".into(),
    };
    // The next check starts with new processes.
    let printed = session.stop();
    Outcome::Failed(format!("{outcome}{printed}"))
}

/// Prints a failure. Returns whether the outcome was expected.
fn report_outcome(
    peer: &Peer,
    role: Role,
    check: &Check,
    outcome: &Outcome,
    known: &Known,
) -> bool {
    let what = format!("{}, {}, {}", peer.name, role.name(), check.name);
    match (outcome, known.find(&peer.name, role, check.name)) {
        (Outcome::Failed(failure), None) => {
            println!("FAIL  {what}: {failure}");
            false
        }
        (Outcome::Failed(_), Some(entry)) => {
            println!("known {what}: {} ({}, {})", entry.what, entry.fault, entry.section);
            true
        }
        (Outcome::Passed | Outcome::NotOffered, Some(entry)) if !entry.is_sporadic() => {
            println!("FAIL  {what}: it is in known.tsv, but did not fail");
            false
        }
        (Outcome::Passed | Outcome::NotOffered, _) => true,
    }
}
