//! The cost of tightwire's codec in memory, next to that of minimal code and of other libraries.
//!
//! ```sh
//! cargo run --release                          # all tables
//! cargo run --release -- decode encode         # some of them
//! ROUNDS=101 cargo run --release -- masking    # more rounds
//! cargo run --release -F simd                  # the library with its feature `simd`
//! ```
//!
//! "tightwire, reading" first copies the input into a read buffer, as a connection does, and as the
//! peers do here. "tightwire, vectored" leaves large payloads in their own memory, as a connection
//! does. Each cell has the median time of one operation, the median of its ratios to the first
//! column in the same round, and in parentheses the ratio of the shortest times of both.

mod borrowed;
mod by_hand;
mod decode;
mod encode;
mod keys;
mod masking;
mod measure;
mod mock;
mod payloads;
mod peers;
mod utf8;

/// The library's own source of masking keys, which is not public.
#[path = "../../../src/net/entropy.rs"]
#[allow(dead_code)]
mod entropy;

/// The names that this file expects in its crate.
mod frame {
    pub use tightwire::frame::MaskingKey;
}

type Section = (&'static str, fn(usize));

const SECTIONS: &[Section] = &[
    ("masking", masking::run),
    ("utf8", utf8::run),
    ("keys", keys::run),
    ("decode", decode::run),
    ("encode", encode::run),
    ("borrowed", borrowed::run),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_known = |name: &String| SECTIONS.iter().any(|(section, _)| section == name);
    if let Some(name) = wanted.iter().find(|name| !is_known(name)) {
        eprintln!("there is no section {name}");
        std::process::exit(2);
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(51);
    println!("Median time, median ratio to the first column, (ratio of the shortest times).");
    println!("{rounds} interleaved rounds.");
    for (name, run) in SECTIONS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            run(rounds);
        }
    }
}
