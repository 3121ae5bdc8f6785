//! An echo at `/ws` of a tiny_http server. It hands out one `Read + Write` instead of a stream,
//! without timeouts, and no other thread can write while a read waits. So one thread reads and
//! answers, with `protocol::Connection`. Rouille is built on tiny_http, and its `Websocket` has the
//! same limits.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;

use tightwire::Limits;
use tightwire::handshake::{AcceptOptions, Rejection, Request, Response, Upgrade};
use tightwire::protocol::{Connection, Event, Outbound, State};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let server = Arc::new(tiny_http::Server::http(address)?);
    println!("listening on http://{}/", server.server_addr());
    for request in server.incoming_requests() {
        thread::spawn(move || {
            if let Err(error) = serve(request) {
                eprintln!("{error:#}");
            }
        });
    }
    Ok(())
}

fn serve(request: tiny_http::Request) -> io::Result<()> {
    match request.url() {
        "/" => request.respond(tiny_http::Response::from_string("The echo is at /ws.\n")),
        "/ws" => match accept(&request) {
            Ok(response) => echo(&mut request.upgrade("websocket", into_tiny_http(&response))),
            Err(rejection) => request.respond(into_tiny_http(rejection.response())),
        },
        _ => request.respond(tiny_http::Response::from_string("").with_status_code(404)),
    }
}

fn accept(request: &tiny_http::Request) -> Result<Response, Rejection> {
    let fields = request.headers().iter();
    let fields = fields.map(|field| (field.field.as_str().as_str(), field.value.as_str()));
    let request = Request::from_parts(request.method().as_str(), request.url(), fields)?;
    Ok(Upgrade::from_request(&request)?.accept(&AcceptOptions::new())?.0)
}

/// Serves one connection: reads bytes, and answers the messages in them.
fn echo(stream: &mut (impl Read + Write + ?Sized)) -> io::Result<()> {
    let mut connection = Connection::new(Outbound::server(), Limits::default());
    let (mut buffer, mut out) = (vec![0; 16 << 10], Vec::new());
    while connection.state() == State::Open {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut input = &buffer[..count];
        // `next_event` itself appends Pongs and Close frames to `out`, even the Close frame that
        // names the rule which the client broke.
        let outcome = loop {
            match connection.next_event(&mut input, &mut out) {
                Ok(Some(Event::Message(message))) => connection
                    .outbound()
                    .encode_message((&message).into(), &mut out)
                    .map_err(io::Error::other)?,
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(io::Error::other(error)),
            }
        };
        stream.write_all(&out)?;
        stream.flush()?;
        out.clear();
        outcome?;
    }
    Ok(())
}

fn into_tiny_http(response: &Response) -> tiny_http::Response<io::Cursor<Vec<u8>>> {
    // tiny_http adds these two itself.
    let is_ours = |name: &str| {
        !name.eq_ignore_ascii_case("Upgrade") && !name.eq_ignore_ascii_case("Connection")
    };
    let fields = response.headers().iter().filter(|(name, _)| is_ours(name));
    let fields = fields.filter_map(|(name, value)| tiny_http::Header::from_bytes(name, value).ok());
    let body = response.body().to_vec();
    let len = Some(body.len());
    tiny_http::Response::new(
        response.status().into(),
        fields.collect(),
        io::Cursor::new(body),
        len,
        None,
    )
}
