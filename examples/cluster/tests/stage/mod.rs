//! Support for the tests: the programs of a cluster, and people who talk through it.

#[allow(dead_code, reason = "each test uses some of it")]
pub mod people;
#[allow(dead_code, reason = "each test uses some of it")]
pub mod programs;

use std::time::Duration;

/// The deadline of each wait, long enough even for a very busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
