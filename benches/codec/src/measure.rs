//! Times candidates in turns, in one run: on a machine that others use too, only figures that were
//! measured in turns can be compared. Times are the processor time of this thread.

use std::time::Duration;

use cpu_time::ThreadTime;

/// Something to be timed: one pass over its workload.
pub struct Candidate<'a> {
    name: &'static str,
    pass: Box<dyn FnMut() + 'a>,
}

impl<'a> Candidate<'a> {
    pub fn new(name: &'static str, pass: impl FnMut() + 'a) -> Self {
        Self { name, pass: Box::new(pass) }
    }
}

/// A table with a row per workload and a column per candidate. All ratios are to the first.
pub struct Table {
    rounds: usize,
    head: Vec<&'static str>,
}

/// How long each candidate is timed in a round: long compared with the resolution of the clock, and
/// short compared with other work of the machine.
const SAMPLE: Duration = Duration::from_millis(1);

impl Table {
    pub fn new(title: &str, rounds: usize) -> Self {
        println!("\n## {title}\n");
        Self { rounds, head: Vec::new() }
    }

    /// Times the candidates for one workload, whose passes have `count` operations, and prints the
    /// row.
    pub fn row(&mut self, name: &str, count: usize, candidates: Vec<Candidate<'_>>) {
        let head: Vec<&str> = candidates.iter().map(|candidate| candidate.name).collect();
        if head != self.head {
            println!("| | {} |", head.join(" | "));
            println!("|---|{}", "---|".repeat(head.len()));
            self.head = head;
        }
        let samples = interleave(candidates, self.rounds, count);
        let cells: Vec<String> = samples.iter().map(|own| cell(own, &samples[0])).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
}

/// Returns the nanoseconds per operation: for each candidate, a sample in each round.
fn interleave(candidates: Vec<Candidate<'_>>, rounds: usize, count: usize) -> Vec<Vec<f64>> {
    let mut candidates: Vec<_> = candidates
        .into_iter()
        .map(|mut candidate| (passes(&mut candidate), candidate, Vec::new()))
        .collect();
    let len = candidates.len();
    for round in 0..rounds {
        for turn in 0..len {
            // No candidate always follows the same one.
            let (passes, candidate, samples) = &mut candidates[(round + turn) % len];
            let start = ThreadTime::now();
            for _ in 0..*passes {
                (candidate.pass)();
            }
            let elapsed = start.elapsed().as_nanos() as f64;
            samples.push(elapsed / (*passes * count) as f64);
        }
    }
    candidates.into_iter().map(|(_, _, samples)| samples).collect()
}

/// Returns how many passes fill a sample. Finding this also warms the candidate up.
fn passes(candidate: &mut Candidate<'_>) -> usize {
    let mut passes = 1;
    loop {
        let start = ThreadTime::now();
        for _ in 0..passes {
            (candidate.pass)();
        }
        let elapsed = start.elapsed();
        if elapsed >= SAMPLE / 2 {
            let wanted = passes as f64 * SAMPLE.as_secs_f64() / elapsed.as_secs_f64();
            return (wanted as usize).max(1);
        }
        passes *= 2;
    }
}

/// Formats the median time, the median of the ratios of each round, and the ratio of the minima.
fn cell(own: &[f64], reference: &[f64]) -> String {
    let ratios = own.iter().zip(reference).map(|(own, reference)| own / reference).collect();
    let minima = least(own) / least(reference);
    format!("{} ×{:.2} ({minima:.2})", time(median(own.to_vec())), median(ratios))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn time(nanos: f64) -> String {
    match nanos {
        ..10.0 => format!("{nanos:.1} ns"),
        ..1e3 => format!("{nanos:.0} ns"),
        ..1e5 => format!("{:.1} µs", nanos / 1e3),
        _ => format!("{:.0} µs", nanos / 1e3),
    }
}
