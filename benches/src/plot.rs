//! Plots of samples: how each server compares to the bound, scenario by scenario.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

use crate::servers::BOUND;
use crate::table::{CSV_HEADER, median};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What is compared: a file, a title, and a column of the samples.
const PLOTS: [(&str, &str, &str); 4] = [
    ("throughput.svg", "Messages per second, relative to the bound: more is better", "rate"),
    ("cpu.svg", "Processor time per message, relative to the bound: less is better", "cpu_ns"),
    (
        "latency.svg",
        "99.9th percentile of latency, relative to the bound: less is better",
        "p999_ns",
    ),
    ("memory.svg", "Resident memory, relative to the bound: less is better", "resident_kib"),
];

/// One server in one scenario.
struct Bar {
    scenario: String,
    server: String,
    /// The median, over all rounds, of its number by that of the bound.
    ratio: f64,
}

/// Draws what is in a file of samples.
pub fn draw(samples: &Path, out: &Path) -> Outcome<()> {
    let csv = fs::read_to_string(samples)?;
    let mut lines = csv.lines();
    if lines.next() != Some(CSV_HEADER) {
        return Err(format!("{} holds no samples", samples.display()).into());
    }
    let records: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    for (file, title, name) in PLOTS {
        let column = CSV_HEADER.split(',').position(|n| n == name).ok_or("no such column")?;
        let bars = bars(&records, column);
        if !bars.is_empty() {
            draw_bars(&out.join(file), title, &bars)?;
        }
    }
    Ok(())
}

fn bars(records: &[Vec<&str>], column: usize) -> Vec<Bar> {
    let number = |record: &[&str]| record.get(column).and_then(|n| n.parse::<f64>().ok());
    let mut bars: Vec<Bar> = Vec::new();
    for record in records {
        let &[scenario, server, ..] = record.as_slice() else { continue };
        let is_known = bars.iter().any(|bar| bar.scenario == scenario && bar.server == server);
        if is_known || server == BOUND {
            continue;
        }
        let rounds = records.iter().filter(|r| r[..2] == [scenario, server]);
        let ratio = |record: &Vec<&str>| {
            let bound = records.iter().find(|r| r[..3] == [scenario, BOUND, record[2]])?;
            Some(number(record)? / number(bound)?)
        };
        let ratio = median(rounds.filter_map(ratio).collect());
        if ratio.is_finite() && ratio > 0.0 {
            bars.push(Bar { scenario: scenario.to_owned(), server: server.to_owned(), ratio });
        }
    }
    bars
}

const WIDTH: u32 = 900;
const BAR_HEIGHT: u32 = 14;
const MARGIN: u32 = 70;
/// Where the bars begin, and how wide the scale is.
const LEFT: i32 = 260;
const SCALE: f64 = 560.0;

fn draw_bars(path: &Path, title: &str, bars: &[Bar]) -> Outcome<()> {
    let mut servers: Vec<&str> = Vec::new();
    for bar in bars {
        if !servers.contains(&bar.server.as_str()) {
            servers.push(&bar.server);
        }
    }
    let groups = 1 + bars.windows(2).filter(|pair| pair[0].scenario != pair[1].scenario).count();
    let height = MARGIN + (bars.len() + groups) as u32 * BAR_HEIGHT + BAR_HEIGHT;
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size: u32| ("sans-serif", size).into_font().color(&BLACK);
    area.draw(&Text::new(title, (10, 10), text(16)))?;

    // A logarithmic scale: half as much and twice as much are equally far from the bound.
    let exponents = bars.iter().map(|bar| bar.ratio.log2());
    let (low, high) = exponents.fold((-1f64, 1f64), |(l, h), e| (l.min(e), h.max(e)));
    let (low, high) = (low.floor(), high.ceil());
    let place = |exponent: f64| LEFT + ((exponent - low) / (high - low) * SCALE) as i32;
    for exponent in low as i32..=high as i32 {
        let x = place(exponent.into());
        let label = match exponent {
            0.. => format!("{}", 1u64 << exponent),
            _ => format!("1/{}", 1u64 << -exponent),
        };
        let style = if exponent == 0 { BLACK.mix(1.0) } else { BLACK.mix(0.2) };
        area.draw(&PathElement::new(vec![(x, MARGIN as i32 - 12), (x, height as i32)], style))?;
        area.draw(&Text::new(label, (x - 4, MARGIN as i32 - 28), text(12)))?;
    }

    let mut y = MARGIN as i32;
    let mut scenario = "";
    for bar in bars {
        if bar.scenario != scenario {
            y += if scenario.is_empty() { 0 } else { BAR_HEIGHT as i32 };
            scenario = &bar.scenario;
            area.draw(&Text::new(scenario, (10, y), text(13)))?;
        }
        let color = Palette99::pick(servers.iter().position(|s| *s == bar.server).unwrap_or(0));
        let (from, to) = (place(0.0), place(bar.ratio.log2()));
        let corners = [(from.min(to), y), (from.max(to), y + BAR_HEIGHT as i32 - 2)];
        area.draw(&Rectangle::new(corners, color.filled()))?;
        area.draw(&Text::new(bar.server.as_str(), (130, y), text(12)))?;
        let label = format!("{:.2}", bar.ratio);
        area.draw(&Text::new(label, (LEFT + SCALE as i32 + 20, y), text(12)))?;
        y += BAR_HEIGHT as i32;
    }
    area.present()?;
    Ok(())
}
