//! Estimates the gain of a receive that lends messages from the read buffer, or that puts them into
//! the memory of the last one. The library has neither, so this uses the code of `by_hand`.

use std::hint::black_box;

use crate::by_hand::{self, Message};
use crate::measure::{Candidate, Table};
use crate::payloads::{Payload, all};

pub fn run(rounds: usize) {
    for masked in [true, false] {
        let title = if masked { "masked" } else { "unmasked" };
        let mut table =
            Table::new(&format!("Owned, reused and borrowed, by hand, {title}"), rounds);
        for payload in all() {
            row(&mut table, &payload, masked);
        }
    }
}

fn row(table: &mut Table, payload: &Payload, masked: bool) {
    let count = payload.count();
    let wire = payload.wire(masked);
    // Unmasking in place changes the buffer. Each pass gets fresh bytes, as from a read.
    let mut buffer = wire.clone();
    let mut lent = wire.clone();
    let mut again = wire.clone();
    let mut last = Message::Binary(Vec::new());
    let candidates = vec![
        Candidate::new("owned", || {
            buffer.copy_from_slice(black_box(&wire));
            let mut input = buffer.as_slice();
            for _ in 0..count {
                black_box(by_hand::decode(&mut input, masked).expect("a message"));
            }
        }),
        Candidate::new("into the last one", || {
            again.copy_from_slice(black_box(&wire));
            let mut input = again.as_slice();
            for _ in 0..count {
                let memory = std::mem::replace(&mut last, Message::Binary(Vec::new()));
                last = by_hand::decode_into(&mut input, masked, memory).expect("a message");
                black_box(&mut last);
            }
        }),
        Candidate::new("borrowed", || {
            lent.copy_from_slice(black_box(&wire));
            let mut input = lent.as_mut_slice();
            for _ in 0..count {
                black_box(by_hand::decode_borrowed(&mut input, masked).expect("a message"));
            }
        }),
    ];
    table.row(payload.name, count, candidates);
}
