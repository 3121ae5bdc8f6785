//! Runs every case of an Autobahn fuzzing server against this client, which echoes each message.
//!
//! ```text
//! cargo run --release --features deflate --example autobahn_client [URL] [AGENT]
//! ```

use tightwire::{Client, Error};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "ws://127.0.0.1:9001".into());
    let agent = args.next().unwrap_or_else(|| "tightwire".into());

    let count = case_count(&url)?;
    for case in 1..=count {
        // Many cases break the protocol on purpose, so an error does not end the run.
        if let Err(error) = run_case(&format!("{url}/runCase?case={case}&agent={agent}")) {
            println!("case {case} of {count}: {error:#}");
        }
    }
    let mut ws = tightwire::connect(&format!("{url}/updateReports?agent={agent}"))?;
    ws.close()?;
    println!("{count} cases run");
    Ok(())
}

fn case_count(url: &str) -> Result<u32, Box<dyn std::error::Error>> {
    let mut ws = tightwire::connect(&format!("{url}/getCaseCount"))?;
    let message = ws.recv()?.ok_or("the server closed before it sent the number of cases")?;
    let count = message.as_text().ok_or("the number of cases is not text")?.parse()?;
    ws.close()?;
    Ok(count)
}

fn run_case(url: &str) -> Result<(), Error> {
    let mut ws = client().connect(url)?;
    while let Some(message) = ws.recv()? {
        ws.feed(&message)?;
    }
    Ok(())
}

fn client() -> Client {
    let client = Client::new();
    #[cfg(feature = "deflate")]
    let client = client.deflate(tightwire::deflate::DeflateConfig::new());
    client
}
