//! The cost of a masking key.

use std::hint::black_box;

use rand::TryRng;
use rand::rngs::SysRng;

use crate::entropy::masking_key;
use crate::measure::{Candidate, Table};

const COUNT: usize = 1024;

pub fn run(rounds: usize) {
    let mut table = Table::new("Masking keys", rounds);
    let candidates = vec![
        Candidate::new("tightwire", || {
            for _ in 0..COUNT {
                black_box(masking_key());
            }
        }),
        Candidate::new("a system call each", || {
            for _ in 0..COUNT {
                let mut key = [0; 4];
                SysRng.try_fill_bytes(&mut key).expect("entropy");
                black_box(key);
            }
        }),
    ];
    table.row("a key", COUNT, candidates);
}
