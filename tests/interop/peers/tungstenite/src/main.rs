use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::{env, thread};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::{HeaderValue, StatusCode};
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::{HandshakeError, Message, WebSocket, accept_hdr, client};

type Outcome<T> = Result<T, Box<dyn Error>>;

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    match &*arguments[1] {
        "client" => run_client(&arguments[2]),
        _ => serve(&arguments[2]),
    }
}

fn echo(mut ws: WebSocket<Box<dyn Stream>>, header: &str) -> Outcome<()> {
    loop {
        let message = match ws.read() {
            Ok(message) => message,
            Err(tungstenite::Error::ConnectionClosed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let command = if let Message::Text(text) = &message { text.as_str() } else { "" };
        match command {
            "!close" => {
                ws.close(Some(CloseFrame { code: CloseCode::from(4001), reason: "bye".into() }))?;
            }
            "!ping" => ws.send(Message::Ping("interop".into()))?,
            "!header" => ws.send(header.into())?,
            "!fragments" => {
                let parts =
                    [("one ", Data::Text), ("two ", Data::Continue), ("three", Data::Continue)];
                for (part, opcode) in parts {
                    let frame = Frame::message(part, OpCode::Data(opcode), part == "three");
                    ws.send(Message::Frame(frame))?;
                }
            }
            _ if message.is_text() || message.is_binary() => ws.send(message)?,
            _ => {}
        }
    }
}

fn serve(port: &str) -> Outcome<()> {
    let tls = match env::var("CERT") {
        Ok(cert) => {
            let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<_, _>>()?;
            let key = PrivateKeyDer::from_pem_file(env::var("KEY")?)?;
            let builder = ServerConfig::builder().with_no_client_auth();
            Some(Arc::new(builder.with_single_cert(chain, key)?))
        }
        Err(_) => None,
    };
    for stream in TcpListener::bind(format!("127.0.0.1:{port}"))?.incoming() {
        let (stream, tls) = (stream?, tls.clone());
        thread::spawn(move || accept(stream, tls).unwrap_or_else(|error| eprintln!("{error}")));
    }
    Ok(())
}

fn accept(stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match tls {
        Some(tls) => Box::new(rustls::StreamOwned::new(ServerConnection::new(tls)?, stream)),
        None => Box::new(stream),
    };
    let mut header = String::new();
    let callback = |request: &Request, mut response: Response| {
        if request.uri().path() == "/refuse" {
            let refusal = Response::builder().status(StatusCode::FORBIDDEN);
            return Err(refusal.body(()).unwrap().map(|()| Some("no entry".to_owned())));
        }
        let field = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        header = field("X-Interop").unwrap_or_default().to_owned();
        if field("Sec-WebSocket-Protocol").is_some_and(|names| names.contains("chat")) {
            let name = HeaderValue::from_static("chat");
            response.headers_mut().insert("Sec-WebSocket-Protocol", name);
        }
        Ok(response)
    };
    let ws = accept_hdr(stream, callback).map_err(|error| error.to_string())?;
    echo(ws, &header)
}

fn run_client(url: &str) -> Outcome<()> {
    let mut request = url.into_client_request()?;
    if let Ok(name) = env::var("SUBPROTOCOL") {
        request.headers_mut().insert("Sec-WebSocket-Protocol", name.parse()?);
    }
    if let Ok(value) = env::var("HEADER") {
        request.headers_mut().insert("X-Interop", value.parse()?);
    }
    let port = request.uri().port_u16().ok_or("no port")?;
    let tcp = TcpStream::connect(("127.0.0.1", port))?;
    tcp.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match env::var("CA") {
        Ok(path) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(path)?)?;
            let builder = ClientConfig::builder().with_root_certificates(roots);
            let config = Arc::new(builder.with_no_client_auth());
            let tls = ClientConnection::new(config, "localhost".try_into()?)?;
            Box::new(rustls::StreamOwned::new(tls, tcp))
        }
        Err(_) => Box::new(tcp),
    };
    match client(request, stream) {
        Ok((ws, _)) => echo(ws, ""),
        Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => {
            let body = response.body().as_deref().unwrap_or_default();
            println!("refused {} {}", response.status().as_u16(), String::from_utf8_lossy(body));
            Ok(())
        }
        Err(error) => Err(error.to_string().into()),
    }
}
