//! An echo at `/ws` of an axum application. Each connection leaves the async runtime and gets its
//! own thread, with blocking calls and both directions at once.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::routing::get;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tightwire::handshake::{self, AcceptOptions, Negotiated, Upgrade};
use tightwire::{Acceptor, Error};
use tokio::net::{TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let app = Router::new()
        .route("/", get(|| async { "The echo is at /ws.\n" }))
        .route("/ws", get(upgrade));
    tokio::runtime::Builder::new_multi_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        println!("listening on http://{}/", listener.local_addr()?);
        axum::serve(listener, app).await
    })
}

/// Answers the opening handshake. A thread takes over once the answer is sent.
async fn upgrade(mut request: Request) -> Response<Body> {
    let upgraded = hyper::upgrade::on(&mut request);
    match accept(&request) {
        Ok((response, negotiated)) => {
            tokio::spawn(hand_over(upgraded, negotiated));
            into_axum(response)
        }
        Err(response) => into_axum(response),
    }
}

/// Returns the response and the negotiated options, or the response that refuses the request.
fn accept(request: &Request) -> Result<(handshake::Response, Negotiated), handshake::Response> {
    let (method, target) = (request.method().as_str(), request.uri().to_string());
    let request = handshake::Request::from_parts(method, &target, request.headers())
        .map_err(|error| handshake::Rejection::from(error).response().clone())?;
    Upgrade::from_request(&request)
        .and_then(|upgrade| upgrade.accept(&AcceptOptions::new()))
        .map_err(|rejection| rejection.response().clone())
}

async fn hand_over(upgraded: OnUpgrade, negotiated: Negotiated) {
    // The client may disconnect before it has the answer.
    let Ok(upgraded) = upgraded.await else { return };
    std::thread::spawn(move || {
        if let Err(error) = echo(upgraded, negotiated) {
            eprintln!("{error:#}");
        }
    });
}

/// Serves one connection, on a thread that may block.
fn echo(upgraded: Upgraded, negotiated: Negotiated) -> Result<(), Error> {
    // `axum::serve` listens on TCP, and hyper-util's `auto` tells HTTP/1 from HTTP/2, so this is
    // the type inside. With hyper's own `http1`, use `Upgraded::downcast`.
    let parts = auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded)
        .map_err(|_| std::io::Error::other("the connection is not a TCP stream"))?;
    // `from_upgraded` makes the stream blocking.
    let stream = parts.io.into_inner().into_std()?;
    let mut ws = Acceptor::new().from_upgraded(stream, negotiated, parts.read_buf.to_vec())?;
    while let Some(message) = ws.recv()? {
        ws.send(&message)?;
    }
    Ok(())
}

fn into_axum(response: handshake::Response) -> Response<Body> {
    let builder = response
        .headers()
        .iter()
        .fold(Response::builder().status(response.status()), |builder, (name, value)| {
            builder.header(name, value)
        });
    builder.body(Body::from(response.body().to_vec())).expect("its fields are valid")
}
