//! Plots of samples: how each server compares to the bound, scenario by scenario, and how the cost
//! of a message grows.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

use crate::servers::BOUND;
use crate::table::{CSV_HEADER, median};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The comparisons: a file, a title, and a column of the samples.
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

/// The growing quantities: a prefix of scenarios, a file, and the label of the horizontal axis.
const GROWTH: [(&str, &str, &str); 3] = [
    ("bytes-", "growth-bytes.svg", "bytes in a message; 1 connection, 1 message on its way"),
    (
        "connections-",
        "growth-connections.svg",
        "connections, each with 1 message of 125 B on its way",
    ),
    ("depth-", "growth-depth.svg", "messages of 125 B on their way; 1 connection"),
];

/// One server in one scenario.
struct Bar {
    scenario: String,
    server: String,
    /// The median, over all rounds, of the ratio of its number to that of the bound.
    ratio: f64,
}

/// Draws the samples in a file.
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
    for (prefix, file, label) in GROWTH {
        let lines = lines_of(&records, prefix);
        if !lines.is_empty() {
            draw_lines(&out.join(file), label, &lines)?;
        }
    }
    Ok(())
}

/// A server, and its nanoseconds of processor time per message at each size.
type Line = (String, Vec<(f64, f64)>);

fn lines_of(records: &[Vec<&str>], prefix: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for record in records {
        let &[scenario, server, ..] = record.as_slice() else { continue };
        let Some(Ok(size)) = scenario.strip_prefix(prefix).map(str::parse) else { continue };
        let at = lines.iter().position(|(name, _)| name == server).unwrap_or_else(|| {
            lines.push((server.to_owned(), Vec::new()));
            lines.len() - 1
        });
        if lines[at].1.iter().any(|&(known, _)| known == size) {
            continue;
        }
        let rounds = records.iter().filter(|r| r[..2] == [scenario, server]);
        let cpu = median(rounds.filter_map(|r| r.get(6)?.parse().ok()).collect());
        lines[at].1.push((size, cpu));
    }
    lines
}

/// Both axes are logarithmic.
fn draw_lines(path: &Path, label: &str, lines: &[Line]) -> Outcome<()> {
    let points = lines.iter().flat_map(|(_, points)| points);
    let mut bounds = (f64::MAX, 0f64, f64::MAX, 0f64);
    for &(x, y) in points {
        bounds = (bounds.0.min(x), bounds.1.max(x), bounds.2.min(y), bounds.3.max(y));
    }
    let (left, right, low, high) = bounds;
    let area = SVGBackend::new(path, (WIDTH, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Nanoseconds of processor time for a message", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d((left..right).log_scale(), (low / 1.5..high * 1.5).log_scale())?;
    chart
        .configure_mesh()
        .x_desc(label)
        .light_line_style(WHITE)
        .x_label_formatter(&|x| format!("{x}"))
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    for (index, (server, points)) in lines.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?
            .label(server.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::UpperLeft);
    labels.background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    area.present()?;
    Ok(())
}

fn bars(records: &[Vec<&str>], column: usize) -> Vec<Bar> {
    let number = |record: &[&str]| record.get(column).and_then(|n| n.parse::<f64>().ok());
    let mut bars: Vec<Bar> = Vec::new();
    for record in records {
        let &[scenario, server, ..] = record.as_slice() else { continue };
        let is_known = bars.iter().any(|bar| bar.scenario == scenario && bar.server == server);
        let grows = GROWTH.iter().any(|(prefix, ..)| scenario.starts_with(prefix));
        if is_known || grows || server == BOUND {
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
