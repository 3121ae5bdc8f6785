//! What the tests need: the programs of a cluster, and people who talk through it.

#[allow(dead_code, reason = "each test uses some of it")]
pub mod people;
#[allow(dead_code, reason = "each test uses some of it")]
pub mod programs;

use std::time::Duration;

/// Nothing that is waited for takes longer, on a machine that is very busy too.
pub const PATIENCE: Duration = Duration::from_secs(60);
