//! Tests connections through tinyproxy 1.11, whose responses are HTTP/1.0.
//!
//! `tests/interop/run tinyproxy` installs it and runs these tests.

mod wire;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::{env, fs, thread};

use tightwire::handshake::{ProxyError, Response};
use tightwire::{Client, CloseCode, Error, Message, Server, WebSocket};

/// A tinyproxy process that ends with the test.
struct Tinyproxy {
    address: SocketAddr,
    process: Child,
}

impl Tinyproxy {
    /// Starts a proxy with these lines in its configuration.
    fn start(lines: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let port = address.port();
        let config = env::temp_dir().join(format!("tightwire-tinyproxy-{port}.conf"));
        let listen = format!("Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\n");
        fs::write(&config, format!("{listen}{lines}\n")).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(&config).stdout(Stdio::piped());
        let mut process = command.spawn().expect("tinyproxy, in the path");
        let mut log = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        // The proxy prints this once it listens. If it fails, its log ends.
        let listens = log.any(|line| line.contains("Starting main loop"));
        fs::remove_file(&config).unwrap();
        // The rest of the log must not fill the pipe.
        thread::spawn(move || log.for_each(drop));
        let this = Self { address, process };
        assert!(listens, "tinyproxy does not start");
        this
    }

    /// Connects through the proxy as this user.
    fn connect(&self, user: &str, url: &str) -> Result<WebSocket, Error> {
        let Self { address, .. } = self;
        Client::new().proxy(&format!("http://{user}{address}")).connect(url)
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[track_caller]
fn assert_echoes(connected: Result<WebSocket, Error>) {
    let mut ws = connected.unwrap_or_else(|error| panic!("{error}"));
    for message in [Message::from("Hello"), Message::Binary(vec![7; 3 << 20])] {
        ws.send(&message).unwrap();
        assert!(ws.recv().unwrap().as_ref() == Some(&message));
    }
    ws.close_with(CloseCode::NORMAL, "done").unwrap();
    assert!(ws.close_status().unwrap().was_clean());
}

#[track_caller]
fn refusal(connected: Result<WebSocket, Error>) -> Response {
    match connected {
        Err(Error::Proxy(ProxyError::Refused(response))) => *response,
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "needs tinyproxy: see tests/interop/run"]
fn messages_pass_through_the_tunnel() {
    let server = wire::echo_server();
    let proxy = Tinyproxy::start(&format!("ConnectPort {}", server.port()));
    // The proxy resolves the name.
    assert_echoes(proxy.connect("", &format!("ws://localhost:{}/", server.port())));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_echoes(proxy.connect("", &format!("ws://{server}/"))));
        }
    });
}

#[test]
#[ignore = "needs tinyproxy: see tests/interop/run"]
fn an_ipv6_address_is_understood() {
    let server = wire::run(Server::bind("[::1]:0").unwrap(), wire::echo);
    let proxy = Tinyproxy::start("");
    assert_echoes(proxy.connect("", &format!("ws://{server}/")));
}

#[test]
#[ignore = "needs tinyproxy: see tests/interop/run"]
fn only_the_right_password_is_accepted() {
    let server = wire::echo_server();
    let url = format!("ws://{server}/");
    let proxy = Tinyproxy::start("BasicAuth edna secret");
    assert_echoes(proxy.connect("edna:s%65cret@", &url));
    // The proxy treats a wrong password as one for the server.
    let cases = [
        ("", 407, "Proxy-Authenticate"),
        ("edna@", 401, "WWW-Authenticate"),
        ("edna:secre@", 401, "WWW-Authenticate"),
        ("Edna:secret@", 401, "WWW-Authenticate"),
    ];
    for (user, status, challenge) in cases {
        let response = refusal(proxy.connect(user, &url));
        assert_eq!(response.status(), status, "{user}");
        assert!(response.headers().get(challenge).unwrap().starts_with("Basic "), "{response:?}");
        assert!(String::from_utf8_lossy(response.body()).contains("<html"), "{response:?}");
    }
}

#[test]
#[ignore = "needs tinyproxy: see tests/interop/run"]
fn a_refused_target_is_distinguished_from_an_unreachable_one() {
    let server = wire::echo_server();
    let proxy = Tinyproxy::start("ConnectPort 443");
    assert_eq!(refusal(proxy.connect("", &format!("ws://{server}/"))).status(), 403);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Tinyproxy::start("");
    for url in [format!("ws://{nobody}/"), "ws://server.invalid/".into()] {
        let status = refusal(proxy.connect("", &url)).status();
        assert!(status >= 500, "{url}: {status}");
    }
}
