//! Measures what permessage-deflate costs, for tightwire and its peers in one run.
//!
//! See README.md. `run` installs the peers and starts this program.

mod corpus;
mod load;
mod peer;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use corpus::Corpus;
use load::Sample;
use peer::{Mode, NAMES, Peer};

/// The indices of a corpus, a mode and a server.
type Cell = (usize, usize, usize);

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let rounds: usize = args.next().map_or(Ok(9), |rounds| rounds.parse())?;
    let seconds: f64 = args.next().map_or(Ok(0.5), |seconds| seconds.parse())?;
    let duration = Duration::try_from_secs_f64(seconds)?;

    let peers = start()?;
    let corpora = corpus::all();
    let mut samples: BTreeMap<Cell, Vec<Sample>> = BTreeMap::new();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for (index, corpus) in corpora.iter().enumerate() {
            for (mode, servers) in peers.iter().enumerate() {
                // In turns, so that the noise of the machine affects all of them. Each round begins
                // with another server.
                for place in 0..NAMES.len() {
                    let name = (place + round) % NAMES.len();
                    let Some(peer) = &servers[name] else { continue };
                    let sample = load::measure(peer, corpus, duration)
                        .map_err(|error| format!("{} {:?}: {error}", peer.name, peer.mode))?;
                    samples.entry((index, mode, name)).or_default().push(sample);
                }
            }
        }
    }
    report(&corpora, &samples);
    Ok(())
}

/// Starts the servers for each mode. A server that cannot be started is left out.
fn start() -> Result<Vec<Vec<Option<Peer>>>, Box<dyn Error>> {
    let mut peers: Vec<Vec<Option<Peer>>> = Vec::new();
    for mode in Mode::ALL {
        let started = NAMES.map(|name| Peer::start(name, mode));
        peers.push(
            started
                .into_iter()
                .zip(NAMES)
                .map(|(peer, name)| {
                    peer.inspect_err(|error| {
                        eprintln!("!!! SKIPPED: {name}, {}: {error}", mode.shown())
                    })
                    .ok()
                })
                .collect(),
        );
        if peers.iter().any(|servers| servers[0].is_none()) {
            return Err("tightwire, with which the others are compared, did not start".into());
        }
    }
    Ok(peers)
}

fn report(corpora: &[Corpus], samples: &BTreeMap<Cell, Vec<Sample>>) {
    for (index, corpus) in corpora.iter().enumerate() {
        println!("\n## {}\n", corpus.name);
        println!(
            "| | server | messages/s | … of tightwire's | server CPU, µs a message | … of tightwire's | bytes of 100 |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- |");
        for (mode, shown) in Mode::ALL.map(Mode::shown).iter().enumerate() {
            let Some(ours) = samples.get(&(index, mode, 0)) else { continue };
            for (name, server) in NAMES.iter().enumerate() {
                let Some(theirs) = samples.get(&(index, mode, name)) else { continue };
                let of = |value: fn(&Sample) -> f64| median(theirs.iter().map(value));
                let ratio = |value: fn(&Sample) -> f64| {
                    median(
                        theirs.iter().zip(ours).map(|(theirs, ours)| value(theirs) / value(ours)),
                    )
                };
                println!(
                    "| {shown} | {server} | {:.0} | {:.2} | {:.1} | {:.2} | {:.1} |",
                    of(|s| s.per_second),
                    ratio(|s| s.per_second),
                    of(|s| s.cpu),
                    ratio(|s| s.cpu),
                    of(|s| s.wire) * 100.0,
                );
            }
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
