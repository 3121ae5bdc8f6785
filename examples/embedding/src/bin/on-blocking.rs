//! An echo at `/ws` of a blocking HTTP server, which has a thread for each connection and parses
//! requests with httparse.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tightwire::Acceptor;
use tightwire::handshake::{AcceptOptions, HttpError, Rejection, Request, Response, Upgrade};

/// Limits on a request head, and on the wait for its next bytes.
const MAX_HEAD: usize = 16 << 10;
const MAX_FIELDS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(10);

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}/", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("{error:#}");
            }
        });
    }
    Ok(())
}

fn serve(mut stream: TcpStream) -> Outcome<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let (request, read_ahead) = match read_request(&mut stream)? {
        Ok(read) => read,
        Err(error) => return answer(&mut stream, Rejection::from(error).response()),
    };
    match request.path() {
        "/" => answer(&mut stream, &Response::new(200).with_body("The echo is at /ws.\n")),
        "/ws" => match Upgrade::from_request(&request)
            .and_then(|upgrade| upgrade.accept(&AcceptOptions::new()))
        {
            Ok((response, negotiated)) => {
                answer(&mut stream, &response)?;
                let mut ws = Acceptor::new().from_upgraded(stream, negotiated, read_ahead)?;
                while let Some(message) = ws.recv()? {
                    ws.send(&message)?;
                }
                Ok(())
            }
            Err(rejection) => answer(&mut stream, rejection.response()),
        },
        _ => answer(&mut stream, &Response::new(404)),
    }
}

/// Reads a request, and the bytes that followed it.
fn read_request(stream: &mut TcpStream) -> io::Result<Result<(Request, Vec<u8>), HttpError>> {
    let mut bytes = Vec::new();
    loop {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        match parsed.parse(&bytes) {
            Ok(httparse::Status::Complete(head_len)) => {
                let (method, target) = (parsed.method.unwrap_or(""), parsed.path.unwrap_or(""));
                let fields = parsed.headers.iter().map(|field| (field.name, field.value));
                let request = Request::from_parts(method, target, fields);
                return Ok(request.map(|request| (request, bytes[head_len..].to_vec())));
            }
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => {}
            Ok(httparse::Status::Partial) => {
                return Ok(Err(HttpError::TooLong { limit: MAX_HEAD }));
            }
            Err(_) => return Ok(Err(HttpError::StartLine)),
        }
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn answer(stream: &mut TcpStream, response: &Response) -> Outcome<()> {
    let mut bytes = Vec::new();
    response.encode(&mut bytes);
    Ok(stream.write_all(&bytes)?)
}
