//! Validating UTF-8.

use std::hint::black_box;

use tightwire::frame::Utf8Check;

use crate::measure::{Candidate, Table};
use crate::payloads::all;

pub fn run(rounds: usize) {
    let mut table = Table::new("Checking UTF-8", rounds);
    for payload in all().iter().filter(|payload| payload.is_text) {
        let count = payload.count();
        let bytes = payload.bytes.as_slice();
        let candidates = vec![
            Candidate::new("std", move || {
                for _ in 0..count {
                    black_box(std::str::from_utf8(black_box(bytes)).expect("text"));
                }
            }),
            Candidate::new("simdutf8", move || {
                for _ in 0..count {
                    black_box(simdutf8::basic::from_utf8(black_box(bytes)).expect("text"));
                }
            }),
            Candidate::new("tightwire, in pieces of 4 KiB", move || {
                for _ in 0..count {
                    let mut check = Utf8Check::new();
                    for piece in black_box(bytes).chunks(4096) {
                        black_box(check.check(piece).expect("text"));
                    }
                    check.finish().expect("text");
                }
            }),
        ];
        table.row(payload.name, count, candidates);
    }
}
