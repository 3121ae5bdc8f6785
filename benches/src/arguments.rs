use std::path::PathBuf;

use crate::scenario::{self, Scenario};
use crate::servers::{self, Server};

pub const USAGE: &str = "\
usage: cargo run --release -- [OPTIONS]

  --quick               few rounds, and short ones
  --rounds N            the number of rounds
  --growth              other scenarios: how the cost of a message grows
  --scenario NAME[,…]   only these scenarios
  --servers NAME[,…]    only these servers
  --out DIR             where samples.csv and the plots go (default: results)
  --plot FILE           measure nothing, plot the samples in this file";

/// The choice of measurements.
pub struct Arguments {
    pub quick: bool,
    pub rounds: Option<usize>,
    pub scenarios: Vec<&'static Scenario>,
    pub servers: Vec<&'static Server>,
    pub out: PathBuf,
    pub plot: Option<PathBuf>,
}

impl Arguments {
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            quick: false,
            rounds: None,
            scenarios: scenario::ALL.iter().collect(),
            servers: servers::ALL.iter().collect(),
            out: PathBuf::from("results"),
            plot: None,
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--quick" => parsed.quick = true,
                "--rounds" => {
                    let rounds = value()?.parse().ok().filter(|rounds| *rounds > 0);
                    parsed.rounds = Some(rounds.ok_or("--rounds needs a positive number")?);
                }
                "--growth" => parsed.scenarios = scenario::GROWTH.iter().collect(),
                "--scenario" => parsed.scenarios = select(scenario::ALL, |s| s.name, &value()?)?,
                "--servers" => parsed.servers = select(servers::ALL, |s| s.name, &value()?)?,
                "--out" => parsed.out = value()?.into(),
                "--plot" => parsed.plot = Some(value()?.into()),
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(parsed)
    }
}

/// Returns the elements of `all` that a list names.
fn select<T>(
    all: &'static [T],
    name: fn(&T) -> &str,
    list: &str,
) -> Result<Vec<&'static T>, String> {
    let find = |wanted: &str| {
        let names = || all.iter().map(name).collect::<Vec<_>>().join(", ");
        let found = all.iter().find(|item| name(item) == wanted);
        found.ok_or_else(|| format!("there is no {wanted:?}; choose from {}", names()))
    };
    list.split(',').map(find).collect()
}
