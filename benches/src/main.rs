//! Measures tightwire next to a hand-written bound and next to its peers. See README.md.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{env, fs};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

mod arguments;
mod load;
mod plot;
mod process;
mod scenario;
mod servers;
mod table;

use arguments::Arguments;
use load::{Load, Timing};
use scenario::Scenario;
use servers::Server;
use table::Row;

/// Descriptors of a process for everything except connections.
const OTHER_FILES: u64 = 50;

fn main() -> ExitCode {
    let outcome = match process::role() {
        Some((server, task)) => {
            server.run(task).map_or(Ok(()), |run| servers::serve(run).map_err(Into::into))
        }
        None => match Arguments::parse(env::args().skip(1)) {
            Ok(arguments) => run(&arguments),
            Err(error) => Err(format!("{error}\n\n{}", arguments::USAGE).into()),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(&arguments.out)?;
    if let Some(samples) = &arguments.plot {
        return plot::draw(samples, &arguments.out);
    }
    build_examples()?;
    let (there, missing): (Vec<&Server>, Vec<_>) =
        arguments.servers.iter().partition(|server| server.is_there());
    for server in missing {
        println!(
            "SKIPPED: {}: its program is missing; README.md explains how to build it",
            server.name
        );
    }
    let files = raise_file_limit()?;
    let path = arguments.out.join("samples.csv");
    let mut csv = BufWriter::new(File::create(&path)?);
    writeln!(csv, "{}", table::CSV_HEADER)?;
    let start = Instant::now();
    let mut failures = 0;
    for scenario in &arguments.scenarios {
        let load = scenario.quick.filter(|_| arguments.quick).unwrap_or(scenario.load);
        let load = load.within(files.saturating_sub(OTHER_FILES) as usize);
        println!("\n{}: {}", scenario.name, scenario.about);
        let rows = measure(arguments, scenario, load, &there, &mut failures);
        table::print(&load, &rows);
        table::write_csv(&mut csv, scenario.name, &rows)?;
        csv.flush()?;
    }
    plot::draw(&path, &arguments.out)?;
    println!("\n{:.0} s; samples and plots: {}", start.elapsed().as_secs_f32(), path.display());
    match failures {
        0 => Ok(()),
        _ => Err(format!("{failures} measurements failed").into()),
    }
}

/// Measures all servers, round by round. Each round begins with another server.
fn measure(
    arguments: &Arguments,
    scenario: &Scenario,
    load: Load,
    servers: &[&'static Server],
    failures: &mut usize,
) -> Vec<Row> {
    let rounds = arguments.rounds.unwrap_or(load.rounds(arguments.quick));
    let millis = |quick, full| Duration::from_millis(if arguments.quick { quick } else { full });
    let timing = Timing { warm_up: millis(100, 200), window: millis(250, 800) };
    let suited = servers.iter().filter(|server| load.suits(server));
    let mut rows: Vec<Row> =
        suited.map(|server| Row { server: server.name, samples: Vec::new() }).collect();
    for round in 0..rounds {
        for turn in 0..rows.len() {
            let at = (round + turn) % rows.len();
            let row = &mut rows[at];
            let outcome = servers::find(row.server)
                .ok_or(io::ErrorKind::NotFound.into())
                .and_then(|server| load.measure(server, timing));
            if let Err(error) = &outcome {
                println!("FAILED: {} in {}: {error}", row.server, scenario.name);
                *failures += 1;
            }
            row.samples.push(outcome.ok());
        }
    }
    rows
}

/// Builds the servers that `cargo run` does not build, if Cargo runs this program.
fn build_examples() -> Result<(), Box<dyn Error>> {
    let Some(cargo) = env::var_os("CARGO") else { return Ok(()) };
    let mut build = Command::new(cargo);
    build.args(["build", "--bins", "--quiet", "--manifest-path"]);
    build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    if build.status()?.success() { Ok(()) } else { Err("the servers do not build".into()) }
}

/// Raises the file limit of this process, and so of its children, as far as the system allows.
fn raise_file_limit() -> nix::Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}
