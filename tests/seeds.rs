//! Replays what the fuzzers begin with, and what they found once, `fuzz/seeds`, through the checks they use,
//! `fuzz/oracles`, with the stable compiler.

use std::fs;
use std::path::Path;

#[path = "../fuzz/oracles/mod.rs"]
#[allow(unreachable_pub)]
mod oracles;

/// One test for each target: its seeds through its oracle.
macro_rules! replay {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), oracles::$target::check);
        }
    )*};
}

replay! {
    frame_header
    connection
    inbound
    differential
    round_trip
    request_head
    response_head
    negotiation
    net_stream
    uri
}

#[cfg(feature = "deflate")]
replay! {
    inflate
}

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&fs::read(&path).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", folder.display());
}
