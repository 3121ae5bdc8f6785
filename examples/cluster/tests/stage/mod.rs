//! What the tests need: the programs of a cluster, and people who talk through it.

pub mod people;
pub mod programs;

use std::time::Duration;

/// Nothing that is waited for takes longer, on a machine that is very busy too.
pub const PATIENCE: Duration = Duration::from_secs(60);
