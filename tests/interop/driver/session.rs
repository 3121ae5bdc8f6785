//! Connections to a peer in one of its roles: its processes, and what we ask of it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tightwire::deflate::DeflateConfig;
use tightwire::handshake::Request;
use tightwire::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tightwire::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tightwire::{Acceptor, Client, Error, Timeouts, WebSocket};

use crate::Failure;
use crate::echo::{self, EchoServer};
use crate::peer::{Peer, Role, variable};
use crate::process::Program;

/// The body of a refusal.
pub(crate) const REFUSAL: &str = "no entry";
/// The value of the field `X-Interop`.
pub(crate) const HEADER: &str = "sent by the client";
/// The name and password for a forward proxy.
pub(crate) const AUTH: &str = "edna:secret";

/// How long a peer may take to start.
const START: Duration = Duration::from_secs(40);
/// How long a client may take to end after its connection.
const EXIT: Duration = Duration::from_secs(15);

/// The properties of a connection that a check needs.
#[derive(Clone, Default)]
pub(crate) struct Wishes {
    /// `/` if empty.
    pub(crate) path: &'static str,
    pub(crate) deflate: Option<DeflateConfig>,
    pub(crate) subprotocol: bool,
    pub(crate) header: bool,
    pub(crate) tls: bool,
    /// A forward proxy is to ask for a password, and gets this one.
    pub(crate) auth: Option<&'static str>,
}

/// An open connection. If the peer is the client, its process and its request are there too.
pub(crate) struct Connection {
    pub(crate) ws: WebSocket,
    pub(crate) request: Option<Request>,
    client: Option<Program>,
}

pub(crate) struct Session {
    pub(crate) peer: Arc<Peer>,
    pub(crate) role: Role,
    servers: Mutex<Vec<RunningServer>>,
    /// Behind a proxy: without TLS, and with it.
    upstreams: Mutex<[Option<EchoServer>; 2]>,
}

/// A server of the peer, and the mode in which it was started.
struct RunningServer {
    program: Program,
    port: u16,
    mode: Mode,
}

type Mode = Vec<(&'static str, String)>;

impl Session {
    pub(crate) fn new(peer: Arc<Peer>, role: Role) -> Self {
        Self { peer, role, servers: Mutex::default(), upstreams: Mutex::default() }
    }

    /// Opens a connection between the peer and us.
    pub(crate) fn open(&self, wishes: &Wishes) -> Result<Connection, Failure> {
        if self.role == Role::Client {
            return self.accept(wishes);
        }
        let ws = self.connect(wishes)?.map_err(|error| format!("cannot connect: {error:#}"))?;
        Ok(Connection { ws, request: None, client: None })
    }

    /// Connects to the peer's server, or through its proxy. The outer error is not the peer's
    /// answer.
    pub(crate) fn connect(&self, wishes: &Wishes) -> Result<Result<WebSocket, Error>, Failure> {
        let mut client = Client::new().timeouts(timeouts());
        if let Some(config) = &wishes.deflate {
            client = client.deflate(config.clone());
        }
        if wishes.subprotocol {
            client = client.subprotocols(["other", "chat"]);
        }
        if wishes.header {
            client = client.header("X-Interop", HEADER);
        }
        if wishes.tls {
            client = client.tls(client_config()?);
        }
        let mut port = self.server(wishes)?;
        if self.role == Role::ForwardProxy {
            let user = wishes.auth.map(|auth| format!("{auth}@")).unwrap_or_default();
            client = client.proxy(&format!("http://{user}127.0.0.1:{port}"));
            port = self.upstream(wishes.tls)?.port();
        }
        Ok(client.connect(&url(wishes, port)))
    }

    /// Starts the peer's client, and accepts its connection.
    fn accept(&self, wishes: &Wishes) -> Result<Connection, Failure> {
        let (mut program, url, streams) = self.start_client(wishes)?;
        let mut notes = String::new();
        let begin = Instant::now();
        while begin.elapsed() < START {
            let has_ended = program.has_ended();
            match streams.recv_timeout(Duration::from_millis(if has_ended { 300 } else { 20 })) {
                Ok(Ok((ws, request))) => {
                    return Ok(Connection { ws, request: Some(request), client: Some(program) });
                }
                Ok(Err(error)) => notes += &format!("; {error:#}"),
                Err(_) if has_ended => break,
                Err(_) => {}
            }
        }
        Err(format!("the client does not connect to {url}{notes}{}", program.printed()))
    }

    /// Starts the peer's client, which is refused. Returns what it printed.
    pub(crate) fn refuse(&self) -> Result<String, Failure> {
        let wishes = Wishes { path: "/refuse", ..Wishes::default() };
        let (mut program, _, _streams) = self.start_client(&wishes)?;
        program.wait(START).map_err(|error| format!("{error}{}", program.printed()))?;
        Ok(program.out())
    }

    /// Starts the peer's client and a listener for it.
    fn start_client(
        &self,
        wishes: &Wishes,
    ) -> Result<(Program, String, Receiver<Opened>), Failure> {
        let mut acceptor = Acceptor::new().timeouts(timeouts()).on_request(echo::answer);
        let mut mode = mode(wishes)?;
        if let Some(config) = &wishes.deflate {
            acceptor = acceptor.deflate(config.clone());
        }
        if wishes.subprotocol {
            acceptor = acceptor.subprotocols(["chat"]);
            mode.push(("SUBPROTOCOL", "chat".into()));
        }
        if wishes.header {
            mode.push(("HEADER", HEADER.into()));
        }
        if wishes.tls {
            acceptor = acceptor.tls(server_config()?);
        }
        let (address, streams) = listen(acceptor).map_err(|error| format!("listening: {error}"))?;
        let url = url(wishes, address.port());
        let program = self.peer.start(&["client", &url], &mode)?;
        Ok((program, url, streams))
    }

    /// The port of a server or proxy of the peer that runs in the mode that the check needs.
    fn server(&self, wishes: &Wishes) -> Result<u16, Failure> {
        let mode = mode(wishes)?;
        let mut servers = lock(&self.servers);
        servers.retain_mut(|server| !server.program.has_ended());
        if let Some(server) = servers.iter().find(|server| server.mode == mode) {
            return Ok(server.port);
        }
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let mut arguments = vec![self.role.name().to_owned(), port.to_string()];
        if self.role == Role::ReverseProxy {
            arguments.push(self.upstream(false)?.port().to_string());
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut program = self.peer.start(&arguments, &mode)?;
        await_listener(port, &mut program)?;
        servers.push(RunningServer { program, port, mode });
        Ok(port)
    }

    fn upstream(&self, is_tls: bool) -> Result<SocketAddr, Failure> {
        let mut upstreams = lock(&self.upstreams);
        let upstream = &mut upstreams[usize::from(is_tls)];
        if let Some(server) = upstream {
            return Ok(server.address);
        }
        let server = EchoServer::start(is_tls)?;
        Ok(upstream.insert(server).address)
    }

    /// Kills the peer's servers, and says what they printed.
    pub(crate) fn stop(&self) -> String {
        let servers = std::mem::take(&mut *lock(&self.servers));
        servers.iter().map(|server| server.program.printed()).collect()
    }
}

impl Connection {
    /// Kills the peer: the client, or all its servers.
    pub(crate) fn kill(&mut self, session: &Session) {
        match &mut self.client {
            Some(client) => client.kill(),
            None => drop(session.stop()),
        }
    }

    /// Closes the connection if it is open, and expects the client to end.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let closed = self.ws.close().map_err(|error| format!("closing: {error:#}"));
        let outcome = closed.and_then(|()| match &mut self.client {
            None => Ok(()),
            Some(client) => {
                let status = client.wait(EXIT)?;
                if status.success() { Ok(()) } else { Err(format!("the client: {status}")) }
            }
        });
        outcome.map_err(|failure| self.explain(failure))
    }

    /// Adds to a failure what the client printed.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let printed = self.client.as_ref().map(Program::printed).unwrap_or_default();
        format!("{failure}{printed}")
    }
}

type Opened = Result<(WebSocket, Request), Error>;

/// Accepts connections for a while, each in its own thread.
fn listen(acceptor: Acceptor) -> io::Result<(SocketAddr, Receiver<Opened>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let (sender, receiver) = mpsc::channel();
    // A browser opens connections ahead and leaves them idle, so none may hold up the others.
    thread::spawn(move || {
        let begin = Instant::now();
        while begin.elapsed() < START {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(Duration::from_millis(2));
                continue;
            };
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            thread::spawn(move || {
                let opened = stream.set_nonblocking(false).map_err(Error::from);
                // Nobody waits for it if the check is over.
                let _ = sender.send(opened.and_then(|()| acceptor.accept(stream)));
            });
        }
    });
    Ok((address, receiver))
}

/// Waits until the peer listens.
fn await_listener(port: u16, program: &mut Program) -> Result<(), Failure> {
    let begin = Instant::now();
    while begin.elapsed() < START {
        // Without a listener, a socket can connect to itself, because the port is one of those from
        // which the system takes the port of a client.
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            if stream.local_addr().ok() != stream.peer_addr().ok() {
                return Ok(());
            }
        }
        if program.has_ended() {
            let _ = program.wait(EXIT);
            return Err(format!("the peer does not start{}", program.printed()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(format!("the peer does not listen after {START:?}{}", program.printed()))
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn url(wishes: &Wishes, port: u16) -> String {
    let scheme = if wishes.tls { "wss://localhost" } else { "ws://127.0.0.1" };
    let path = if wishes.path.is_empty() { "/" } else { wishes.path };
    format!("{scheme}:{port}{path}")
}

/// The variables with which a peer is started.
fn mode(wishes: &Wishes) -> Result<Mode, Failure> {
    let mut mode = Mode::new();
    if wishes.deflate.is_some() {
        mode.push(("DEFLATE", "1".into()));
    }
    if wishes.tls {
        let certs = variable("TIGHTWIRE_CERTS")?;
        for (name, file) in [("CERT", "cert"), ("KEY", "key"), ("CA", "root")] {
            mode.push((name, format!("{certs}/{file}.pem")));
        }
    }
    if wishes.auth.is_some() {
        mode.push(("AUTH", AUTH.into()));
    }
    Ok(mode)
}

fn timeouts() -> Timeouts {
    Timeouts::new().handshake(Duration::from_secs(15)).write(Duration::from_secs(20))
}

fn client_config() -> Result<ClientConfig, Failure> {
    let path = variable("TIGHTWIRE_CERTS")? + "/root.pem";
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(&path).map_err(|error| format!("{path}: {error}"))?;
    roots.add(root).map_err(|error| format!("{path}: {error}"))?;
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

pub(crate) fn server_config() -> Result<ServerConfig, Failure> {
    let certs = variable("TIGHTWIRE_CERTS")?;
    let explain = |error: &dyn std::fmt::Display| format!("{certs}: {error}");
    let chain = CertificateDer::pem_file_iter(format!("{certs}/cert.pem"))
        .and_then(Iterator::collect)
        .map_err(|error| explain(&error))?;
    let key = PrivateKeyDer::from_pem_file(format!("{certs}/key.pem"))
        .map_err(|error| explain(&error))?;
    let builder = ServerConfig::builder().with_no_client_auth();
    builder.with_single_cert(chain, key).map_err(|error| explain(&error))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
