//! Masking, compared with copying, whose speed is that of memory.

use std::hint::black_box;

use tightwire::frame::MaskingKey;

use crate::by_hand;
use crate::measure::{Candidate, Table};

const SIZES: &[usize] = &[
    4,
    5,
    7,
    8,
    13,
    16,
    31,
    32,
    33,
    61,
    63,
    64,
    100,
    125,
    128,
    256,
    512,
    1000,
    1 << 10,
    2 << 10,
    4 << 10,
    8 << 10,
    16 << 10,
    32 << 10,
    64 << 10,
    65_537,
    128 << 10,
    256 << 10,
    512 << 10,
    1 << 20,
];

/// A pass covers at least this many bytes in pieces, so that no piece waits for the previous one,
/// and the pieces have all alignments.
const REGION: usize = 4 << 10;

/// Some processors copy slowly between addresses that are nearly equal modulo this, as those of
/// large allocations are. The copy goes to an address half of it away, where it is fastest.
const ALIAS: usize = 4096;

pub fn run(rounds: usize) {
    let mut table = Table::new("Masking, against memcpy", rounds);
    for &size in SIZES {
        let len = size.max(REGION / size * size);
        let source = vec![0x55_u8; len];
        let mut copied = vec![0; len + ALIAS];
        let at =
            (source.as_ptr() as usize + ALIAS / 2).wrapping_sub(copied.as_ptr() as usize) % ALIAS;
        let copied = &mut copied[at..][..len];
        let mut masked = vec![0x55; len];
        let mut masked_by_hand = vec![0x55; len];
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let candidates = vec![
            Candidate::new("memcpy", || {
                let size = black_box(size);
                for (to, from) in copied.chunks_exact_mut(size).zip(source.chunks_exact(size)) {
                    black_box(to).copy_from_slice(from);
                }
            }),
            Candidate::new("tightwire", || {
                for piece in masked.chunks_exact_mut(black_box(size)) {
                    MaskingKey(black_box(key)).apply(black_box(piece), 0);
                }
            }),
            Candidate::new("by hand", || {
                for piece in masked_by_hand.chunks_exact_mut(black_box(size)) {
                    by_hand::mask(black_box(piece), black_box(key));
                }
            }),
        ];
        table.row(&format!("{size} B"), len / size, candidates);
    }
}
