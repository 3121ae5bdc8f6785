//! Samples as tables and as CSV.

use std::io::{self, Write};

use crate::load::{Load, Sample};
use crate::servers::BOUND;

/// The samples of one server in one scenario, by round; `None` where it failed.
pub struct Row {
    pub server: &'static str,
    pub samples: Vec<Option<Sample>>,
}

/// A function that takes a number from a sample.
type Number = fn(&Sample) -> f64;

const RATE: Number = |sample| sample.count / sample.seconds;

pub const CSV_HEADER: &str = "scenario,server,round,count,seconds,rate,cpu_ns,p50_ns,p99_ns,p999_ns,\
    resident_kib";

pub fn write_csv(out: &mut impl Write, scenario: &str, rows: &[Row]) -> io::Result<()> {
    for Row { server, samples } in rows {
        for (round, sample) in samples.iter().enumerate() {
            let Some(sample) = sample else { continue };
            let Sample { count, seconds, cpu, p50, p99, p999, resident } = sample;
            write!(out, "{scenario},{server},{},{count},{seconds:.6},", round + 1)?;
            write!(out, "{:.1},{cpu:.1},{p50:.0},{p99:.0},{p999:.0},", RATE(sample))?;
            writeln!(out, "{resident:.1}")?;
        }
    }
    Ok(())
}

/// Prints the table of a scenario: medians over all rounds.
pub fn print(load: &Load, rows: &[Row]) {
    let (unit, memory) = match load {
        Load::Handshakes { .. } => ("handshakes/s", "RSS KiB"),
        Load::Idle { .. } => ("opened/s", "KiB each"),
        Load::Echo { .. } | Load::Broadcast { .. } => ("messages/s", "RSS KiB"),
    };
    println!(
        "{:18}{unit:>13}{:>7}{:>8}{:>11}{:>7}{:>9}{:>9}{:>9}{memory:>10}{:>7}",
        "server", "ratio", "spread", "CPU ns", "ratio", "p50 µs", "p99 µs", "p99.9", "ratio"
    );
    let bound = rows.iter().find(|row| row.server == BOUND);
    for row in rows {
        if row.samples.iter().all(Option::is_none) {
            println!("{:18}failed", row.server);
            continue;
        }
        let rates = ratios(row, bound, RATE);
        println!(
            "{:18}{:>13.0}{:>7}{:>8}{:>11.0}{:>7}{:>9}{:>9}{:>9}{:>10.1}{:>7}",
            row.server,
            median(numbers(row, RATE)),
            ratio(median(rates.clone())),
            spread(rates),
            median(numbers(row, |sample| sample.cpu)),
            ratio(median(ratios(row, bound, |sample| sample.cpu))),
            micros(median(numbers(row, |sample| sample.p50))),
            micros(median(numbers(row, |sample| sample.p99))),
            micros(median(numbers(row, |sample| sample.p999))),
            median(numbers(row, |sample| sample.resident)),
            ratio(median(ratios(row, bound, |sample| sample.resident))),
        );
    }
}

fn numbers(row: &Row, number: Number) -> Vec<f64> {
    row.samples.iter().flatten().map(number).collect()
}

/// Returns the ratios of a server to the bound in the same round, where other work of the machine
/// affects both.
fn ratios(row: &Row, bound: Option<&Row>, number: Number) -> Vec<f64> {
    let bound = bound.map(|bound| bound.samples.as_slice()).unwrap_or_default();
    let pairs = row.samples.iter().zip(bound);
    pairs.filter_map(|(a, b)| Some(number(a.as_ref()?) / number(b.as_ref()?))).collect()
}

pub fn median(numbers: Vec<f64>) -> f64 {
    quantile(numbers, 0.5)
}

/// Returns a quantile. It interpolates between two numbers.
fn quantile(mut numbers: Vec<f64>, part: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let Some(last) = numbers.len().checked_sub(1) else { return f64::NAN };
    let place = part * last as f64;
    let (low, high) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

fn ratio(ratio: f64) -> String {
    if ratio.is_nan() { "–".into() } else { format!("{ratio:.2}") }
}

/// Formats half the interquartile range.
fn spread(ratios: Vec<f64>) -> String {
    let spread = (quantile(ratios.clone(), 0.75) - quantile(ratios, 0.25)) / 2.0;
    if spread.is_nan() { "–".into() } else { format!("±{spread:.2}") }
}

fn micros(nanos: f64) -> String {
    if nanos.is_nan() { "–".into() } else { format!("{:.1}", nanos / 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quartiles() {
        let cases: [(&[f64], f64, f64); 4] = [
            (&[5.0], 5.0, 5.0),
            (&[3.0, 1.0, 2.0], 2.0, 2.5),
            (&[4.0, 1.0, 3.0, 2.0], 2.5, 3.25),
            (&[1.0, 9.0], 5.0, 7.0),
        ];
        for (numbers, middle, upper) in cases {
            assert_eq!(median(numbers.to_vec()), middle);
            assert_eq!(quantile(numbers.to_vec(), 0.75), upper);
        }
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        let sample = |count| Some(Sample { count, seconds: 1.0, ..Sample::default() });
        let samples = vec![sample(10.0), None, sample(30.0), sample(4.0)];
        let row = Row { server: "a", samples };
        let samples = vec![sample(20.0), sample(1.0), None, sample(1.0)];
        let bound = Row { server: BOUND, samples };
        assert_eq!(ratios(&row, Some(&bound), RATE), [0.5, 4.0]);
        assert_eq!(ratios(&row, None, RATE), []);
    }
}
