use std::env;
use std::error::Error;
use std::future::Future;

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, WebSocket, WebSocketError};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    match &*arguments[1] {
        "client" => client(&arguments[2]).await,
        _ => serve(&arguments[2]).await,
    }
}

async fn echo(mut ws: WebSocket<TokioIo<Upgraded>>, header: String) -> Result<(), WebSocketError> {
    ws.set_max_message_size(32 << 20);
    // It answers Pings and Close frames while it reads.
    let mut ws = FragmentCollector::new(ws);
    loop {
        let frame = ws.read_frame().await?;
        match (frame.opcode, &*frame.payload) {
            (OpCode::Close, _) => return Ok(()),
            (OpCode::Text, b"!close") => ws.write_frame(Frame::close(4001, b"bye")).await?,
            (OpCode::Text, b"!ping") => ws.write_frame(new(true, OpCode::Ping, b"interop")).await?,
            (OpCode::Text, b"!header") => {
                ws.write_frame(new(true, OpCode::Text, header.as_bytes())).await?;
            }
            (OpCode::Text, b"!fragments") => {
                ws.write_frame(new(false, OpCode::Text, b"one ")).await?;
                ws.write_frame(new(false, OpCode::Continuation, b"two ")).await?;
                ws.write_frame(new(true, OpCode::Continuation, b"three")).await?;
            }
            (OpCode::Text | OpCode::Binary, _) => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}

fn new(fin: bool, opcode: OpCode, payload: &[u8]) -> Frame<'_> {
    // A client sets the mask when it writes.
    Frame::new(fin, opcode, None, Payload::Borrowed(payload))
}

async fn serve(port: &str) -> Outcome<()> {
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let http = http1::Builder::new();
            let connection = http.serve_connection(TokioIo::new(stream), service_fn(answer));
            if let Err(error) = connection.with_upgrades().await {
                eprintln!("{error}");
            }
        });
    }
}

async fn answer(mut request: Request<Incoming>) -> Outcome<Response<Full<Bytes>>> {
    if request.uri().path() == "/refuse" {
        return Ok(Response::builder().status(403).body("no entry".into())?);
    }
    let field = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let header = field("X-Interop").unwrap_or_default().to_owned();
    let chats = field("Sec-WebSocket-Protocol").is_some_and(|names| names.contains("chat"));
    let (response, upgrade) = fastwebsockets::upgrade::upgrade(&mut request)?;
    tokio::spawn(async move {
        let outcome = match upgrade.await {
            Ok(ws) => echo(ws, header).await,
            Err(error) => Err(error),
        };
        outcome.unwrap_or_else(|error| eprintln!("{error}"));
    });
    let mut response = response.map(|_| Full::default());
    if chats {
        response.headers_mut().insert("Sec-WebSocket-Protocol", "chat".parse()?);
    }
    Ok(response)
}

async fn client(url: &str) -> Outcome<()> {
    let uri: hyper::Uri = url.parse()?;
    let authority = uri.authority().ok_or("no host")?.to_string();
    let stream = TcpStream::connect(&authority).await?;
    stream.set_nodelay(true)?;
    let mut request = Request::get(uri.path())
        .header("Host", authority)
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", fastwebsockets::handshake::generate_key())
        .header("Sec-WebSocket-Version", "13");
    for (variable, name) in [("SUBPROTOCOL", "Sec-WebSocket-Protocol"), ("HEADER", "X-Interop")] {
        if let Ok(value) = env::var(variable) {
            request = request.header(name, value);
        }
    }
    let request = request.body(Empty::<Bytes>::new())?;
    let (ws, _) = fastwebsockets::handshake::client(&Executor, request, stream).await?;
    Ok(echo(ws, String::new()).await?)
}

struct Executor;

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}
