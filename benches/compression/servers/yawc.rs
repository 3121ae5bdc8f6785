//! The echo of `yawc`: `yawc none|alone|takeover LEVEL MIN_LEN`.

use futures_util::{StreamExt, future};
use hyper::body::Incoming;
use hyper::{Request, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use yawc::{CompressionLevel, OpCode, Options, WebSocket};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, mode, level, min_len] = args.as_slice() else {
        return Err("three arguments needed".into());
    };
    let options = Options::default().with_no_delay().with_utf8();
    let options = match mode.as_str() {
        "none" => options.without_compression(),
        _ => options
            .with_compression_level(CompressionLevel::new(level.parse()?))
            .with_compression_threshold(min_len.parse()?),
    };
    let options = match mode.as_str() {
        "alone" => options.server_no_context_takeover().client_no_context_takeover(),
        _ => options,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on ws://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let options = options.clone();
        let service = service_fn(move |request| upgrade(request, options.clone()));
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(serving.with_upgrades());
    }
}

async fn upgrade(
    mut request: Request<Incoming>,
    options: Options,
) -> yawc::Result<yawc::HttpResponse> {
    let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(async move {
        let Ok(ws) = upgraded.await else { return };
        let (sink, frames) = ws.split();
        // It flushes when there is nothing more to read, as our server does.
        let messages = frames
            .filter(|frame| future::ready(matches!(frame.opcode(), OpCode::Text | OpCode::Binary)))
            .map(Ok);
        let _ = messages.forward(sink).await;
    });
    Ok(response)
}
