//! Replays the seeds of the fuzzers and their former findings, `fuzz/seeds`, through the checks of
//! the fuzzers, `fuzz/oracles`, with the stable compiler.

use std::fs;
use std::path::Path;

#[path = "../fuzz/oracles/mod.rs"]
#[allow(unreachable_pub)]
mod oracles;

/// Defines a test for each target, which passes its seeds to its oracle.
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
    hub
    connection
    inbound
    differential
    round_trip
    request_head
    response_head
    negotiation
    net_stream
    proxies
    uri
}

#[cfg(feature = "deflate")]
replay! {
    inflate
}

#[cfg(feature = "tls")]
replay! {
    tls
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
