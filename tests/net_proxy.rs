//! Tests connections through HTTP proxies: one that works, and many that do not.

#[cfg(feature = "tls")]
#[path = "wire/tls.rs"]
mod tls;
mod wire;

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, io};

use tightwire::handshake::{HeadLimits, HttpError, ProxyError};
use tightwire::{Client, Error, Message, Operation, Timeouts};
use wire::Raw;

/// A name that only a proxy of these tests can resolve (RFC 6761 §6.4).
const SERVER: &str = "ws://server.invalid/chat";

fn impatient() -> Timeouts {
    Timeouts::new().connect(Duration::from_millis(300))
}

/// Starts a proxy for one connection, and returns its URI.
fn raw_proxy<T: Send + 'static>(
    serve: impl FnOnce(Raw) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let (url, thread) = wire::raw_server(serve);
    (url.replace("ws://", "http://edna:secret@"), thread)
}

/// Forwards bytes between the client and the server until both directions have ended.
fn tunnel(client: TcpStream, server: TcpStream) {
    let pass_on = |mut from: TcpStream, mut to: TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let back = thread::spawn(move || pass_on(from_server, to_client));
    pass_on(client, server);
    back.join().unwrap();
}

/// Starts a proxy that responds with these bytes and then connects to `server`, whatever the
/// requested target. Its thread returns the request.
fn proxy_to(server: SocketAddr, answer: &'static str) -> (String, JoinHandle<String>) {
    raw_proxy(move |mut raw| {
        let request = raw.read_head();
        raw.send(answer);
        tunnel(raw.stream, TcpStream::connect(server).unwrap());
        request
    })
}

/// Returns the error of a connection through a proxy that responds with these bytes and ends.
/// Asserts that the proxy receives only the request for a tunnel.
fn refusal(client: &Client, answer: impl Into<Vec<u8>>) -> Error {
    let answer = answer.into();
    let (proxy, thread) = raw_proxy(move |mut raw| {
        raw.read_head();
        raw.send(answer);
        raw.end_writing();
        assert!(raw.read_to_end().is_empty());
    });
    let client = client.clone().proxy(&proxy);
    let error = client.connect(SERVER).unwrap_err();
    thread.join().unwrap();
    let shown = format!("{error} {error:?} {client:?}");
    assert!(!shown.contains("secret") && !shown.contains("ZWRuYTpzZWNyZXQ="), "{shown}");
    error
}

// proves 6455-4.1-12, 6455-4.1-20
#[test]
fn the_proxy_gets_only_a_request_for_a_tunnel() {
    let (url, server) = wire::raw_server(|mut raw| {
        let request = wire::answer_upgrade(&mut raw);
        raw.send([0x81, 2, b'h', b'i']);
        let (first, payload) = raw.read_frame();
        (request, first, payload)
    });
    let address = url.trim_start_matches("ws://").trim_end_matches('/').parse().unwrap();
    let (proxy, thread) = proxy_to(address, "HTTP/1.1 200 Connection established\r\n\r\n");
    let mut ws = Client::new().proxy(&proxy).connect(SERVER).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("hi")));
    ws.send("there").unwrap();
    let (request, first, payload) = server.join().unwrap();
    assert_eq!((first, payload.as_slice()), (0x81, "there".as_bytes()));
    assert!(request.starts_with("GET /chat HTTP/1.1\r\nHost: server.invalid\r\n"), "{request}");
    assert!(!request.contains("Proxy"), "{request}");
    drop(ws);
    assert_eq!(
        thread.join().unwrap(),
        "CONNECT server.invalid:80 HTTP/1.1\r\nHost: server.invalid:80\r\n\
         Proxy-Authorization: Basic ZWRuYTpzZWNyZXQ=\r\n\r\n"
    );
}

#[test]
fn any_2xx_opens_the_tunnel_whatever_its_fields() {
    let server = wire::echo_server();
    let answers = [
        "HTTP/1.0 200 Connection established\r\nProxy-agent: old/1.0\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ];
    for answer in answers {
        let (proxy, thread) = proxy_to(server, answer);
        let mut ws = Client::new().proxy(&proxy).connect(SERVER).unwrap();
        ws.send("through").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::from("through")), "{answer}");
        drop(ws);
        thread.join().unwrap();
    }
}

// proves 6455-4.1-15
#[test]
fn a_proxy_that_does_not_open_a_tunnel_is_reported_as_the_cause() {
    let http = |error| Error::from(ProxyError::from(error));
    let default = HeadLimits::default();
    let long = |start: &str| format!("{start}{}", "x".repeat(20_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101));
    let cases: [(&str, Vec<u8>, Error); 10] = [
        ("garbage", b"\x00\x01\x02\x03".into(), http(HttpError::Control)),
        ("another protocol", "SSH-2.0-x\r\n\r\n".into(), http(HttpError::StartLine)),
        ("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n".into(), http(HttpError::Version)),
        ("bare LF", "HTTP/1.1 200 OK\n\n".into(), http(HttpError::LineEnd)),
        ("two lines in one", "HTTP/1.1 200 OK\rA: b\r\n\r\n".into(), http(HttpError::LineEnd)),
        ("folded", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n".into(), http(HttpError::Folded)),
        (
            "an endless line",
            long("HTTP/1.1 200 ").into(),
            http(HttpError::StartLineTooLong { limit: default.get_max_len() / 2 }),
        ),
        (
            "an endless head",
            long("HTTP/1.1 200 OK\r\nA: ").into(),
            http(HttpError::TooLong { limit: default.get_max_len() }),
        ),
        (
            "many fields",
            many.into(),
            http(HttpError::TooManyFields { limit: default.get_max_fields() }),
        ),
        (
            "a body",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".into(),
            ProxyError::EarlyBytes.into(),
        ),
    ];
    for (case, answer, expected) in cases {
        let (proxy, thread) = raw_proxy(move |mut raw| {
            raw.read_head();
            // The client does not read the rest of a response that it refuses early.
            let _ = raw.stream.write_all(&answer);
        });
        let error = Client::new().proxy(&proxy).connect(SERVER).unwrap_err();
        thread.join().unwrap();
        assert_eq!(format!("{error:?}"), format!("{expected:?}"), "{case}");
        assert!(
            format!("{error:#}").starts_with("the proxy did not open a tunnel: "),
            "{case}: {error:#}"
        );
    }
    for answer in ["", "HTTP/1.1 200 OK\r\nA: b\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let error = refusal(&Client::new(), answer);
        let is_end = matches!(&error, Error::ProxyIo(e) if e.kind() == ErrorKind::UnexpectedEof);
        assert!(is_end, "{answer}: {error:?}");
        assert!(
            format!("{error:#}").starts_with("I/O error on the connection to the proxy: "),
            "{error:#}"
        );
    }
    let limits = HeadLimits::new().max_fields(1);
    let error =
        refusal(&Client::new().head_limits(limits), "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n");
    assert!(format!("{error:#}").contains("limit of 1 header fields"), "{error}");
}

#[test]
fn a_refusal_of_the_proxy_carries_status_headers_and_the_start_of_the_body() {
    let long = "x".repeat(10_000);
    let cases = [
        ("HTTP/1.1 407 Who are you", "Content-Length: 6", "log in and more", "log in"),
        ("HTTP/1.0 407 Who are you", "A: b", "log in", "log in"),
        ("HTTP/1.1 502 Bad Gateway", "Content-Length: 0", "", ""),
        ("HTTP/1.1 503 Busy", "Content-Length: 10000", &long, &long[..4096]),
        ("HTTP/1.1 302 Found", "Location: http://elsewhere/", "", ""),
        ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "", ""),
    ];
    for (line, field, body, kept) in cases {
        let answer = format!("{line}\r\nProxy-Authenticate: Basic\r\n{field}\r\n\r\n{body}");
        let (proxy, thread) = raw_proxy(move |mut raw| {
            raw.read_head();
            // The client may have read enough before the end.
            let _ = raw.stream.write_all(answer.as_bytes());
        });
        let error = Client::new().proxy(&proxy).connect(SERVER).unwrap_err();
        thread.join().unwrap();
        let text = format!("{error:#}");
        let Error::Proxy(ProxyError::Refused(response)) = error else { panic!("{error:?}") };
        assert_eq!(response.status().to_string(), line[9..12]);
        assert_eq!(response.headers().get("proxy-authenticate"), Some("Basic"));
        assert_eq!(response.body(), kept.as_bytes(), "{line}");
        assert!(
            text.starts_with("the proxy did not open a tunnel: ") && text.contains(&line[9..12]),
            "{text}"
        );
    }
    let error = refusal(&Client::new(), "HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(error, Error::Proxy(ProxyError::Refused(_))), "{error:?}");
}

#[test]
fn the_handshake_deadline_covers_the_proxy() {
    // The behaviour of the proxy until the client gives up.
    let ways: [fn(Raw); 4] = [
        // It is silent.
        |mut raw| drop(raw.read_to_end()),
        // Each byte arrives before a timeout for one read would expire.
        |mut raw| drip(&mut raw, b"x"),
        // So does each of its interim responses.
        |mut raw| drip(&mut raw, b"HTTP/1.1 102 Processing\r\n\r\n"),
        // The tunnel leads to a silent server.
        |mut raw| {
            raw.send("HTTP/1.1 200 OK\r\n\r\n");
            assert!(raw.read_head().starts_with("GET /chat "));
            raw.read_to_end();
        },
    ];
    for serve in ways {
        let (proxy, thread) = raw_proxy(move |mut raw| {
            raw.read_head();
            serve(raw);
        });
        let error = Client::new().proxy(&proxy).timeouts(impatient()).connect(SERVER).unwrap_err();
        assert!(matches!(error, Error::Timeout(Operation::Handshake)), "{error:?}");
        thread.join().unwrap();
    }
}

/// Sends the same bytes repeatedly, with short pauses, until the client disconnects.
fn drip(raw: &mut Raw, piece: &[u8]) {
    let start = Instant::now();
    while raw.stream.write_all(piece).is_ok() {
        assert!(start.elapsed() < wire::PATIENCE, "it waited for all of it");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_flood_of_interim_responses_ends_with_the_deadline() {
    let (proxy, thread) = raw_proxy(|mut raw| {
        raw.read_head();
        let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
        let start = Instant::now();
        while raw.stream.write_all(flood.as_bytes()).is_ok() {
            assert!(start.elapsed() < wire::PATIENCE, "it read on");
        }
    });
    let error = Client::new().proxy(&proxy).timeouts(impatient()).connect(SERVER).unwrap_err();
    assert!(matches!(error, Error::Timeout(Operation::Handshake)), "{error:?}");
    thread.join().unwrap();
}

// proves 6455-4.1-15
#[test]
fn an_error_distinguishes_a_missing_proxy_from_a_missing_server() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for proxy in [format!("http://{unused}"), "http://proxy.invalid:3128".into()] {
        let error = Client::new().proxy(&proxy).connect(SERVER).unwrap_err();
        assert!(matches!(error, Error::ProxyIo(_)), "{proxy}: {error:?}");
    }
    let error = Client::new().connect(&format!("ws://{unused}/")).unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error:?}");

    // Errors of the server behind a tunnel are reported as its own.
    let (url, server) = wire::raw_server(|mut raw| {
        raw.read_head();
        raw.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
    let address = url.trim_start_matches("ws://").trim_end_matches('/').parse().unwrap();
    let (proxy, thread) = proxy_to(address, "HTTP/1.1 200 OK\r\n\r\n");
    let error = Client::new().proxy(&proxy).connect(SERVER).unwrap_err();
    assert!(matches!(error, Error::Handshake(_)), "{error:?}");
    server.join().unwrap();
    thread.join().unwrap();
}

#[test]
fn an_unusable_proxy_opens_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cases = [
        (format!("https://edna:secret@{address}"), ProxyError::Unsupported),
        (format!("socks5://edna:secret@{address}"), ProxyError::Unsupported),
        (format!("http://edna:secret@{address}/path"), ProxyError::Uri),
    ];
    for (proxy, expected) in cases {
        let client = Client::new().proxy(&proxy);
        let error = client.connect(&format!("ws://{address}/")).unwrap_err();
        let shown = format!("{error} {error:?} {client:?}");
        assert!(!shown.contains("secret") && !shown.contains("edna"), "{shown}");
        let Error::Proxy(error) = error else { panic!("{error:?}") };
        assert_eq!(error, expected);
    }
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

// proves 6455-4.1-10, 6455-4.1-11
#[test]
fn connects_through_a_proxy_are_serialized_by_name_and_limited_in_number() {
    const MOST: usize = 8;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let (sender, arrivals) = mpsc::channel();
    thread::spawn(move || {
        listener.incoming().try_for_each(|stream| sender.send(Raw::new(stream.unwrap())))
    });
    let accept = || arrivals.recv_timeout(wire::PATIENCE).expect("a connection to the proxy");
    let client = Client::new().proxy(&proxy).serialize_connects(true);
    let connect = |i: usize| {
        let client = client.clone();
        thread::spawn(move || client.connect(&format!("ws://name{i}.invalid/")).is_err())
    };
    let hasty = client.clone().timeouts(impatient());
    let assert_waits = |url: &str| {
        let error = hasty.connect(url).unwrap_err();
        assert!(matches!(error, Error::Timeout(Operation::Connect)), "{url}: {error:?}");
        assert!(arrivals.try_recv().is_err(), "{url}: it reached the proxy");
    };

    // These connections are at the proxy, and none has a response. The same name in another case
    // must wait, and so must a name beyond the limit.
    let mut clients: Vec<_> = (1..MOST).map(connect).collect();
    let mut pending: Vec<_> = (1..MOST).map(|_| accept()).collect();
    assert_waits("ws://NAME1.invalid/");
    clients.push(connect(MOST));
    pending.push(accept());
    assert_waits("ws://another.invalid/");

    // A literal address is not a name, so it does not count.
    let error = hasty.connect("ws://192.0.2.1/").unwrap_err();
    assert!(matches!(error, Error::Timeout(Operation::Handshake)), "{error:?}");
    drop(accept());

    // When one connection ends, another may begin.
    let mut first = pending.remove(0);
    first.read_head();
    first.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    first.read_to_end();
    clients.push(connect(MOST + 1));
    let mut last = accept();
    assert!(last.read_head().starts_with("CONNECT name9.invalid:80 "));
    drop((pending, last));
    for client in clients {
        assert!(client.join().unwrap());
    }
}

/// Runs in a process with its own environment, for the test below.
#[test]
#[ignore = "is run by another test"]
fn connect_with_the_proxy_of_the_environment() {
    let url = env::var("TIGHTWIRE_TEST_URL").unwrap();
    let client = match env::var("TIGHTWIRE_TEST_ASKS").as_deref() {
        Ok("yes") => Client::new().proxy_from_env(),
        _ => Client::new(),
    };
    match client.connect(&url) {
        Ok(ws) => println!("<{}>", ws.response().unwrap().status()),
        Err(error) => println!("<{error:#}>"),
    }
}

#[test]
fn the_environment_is_read_only_if_the_client_enables_it() {
    // The address answers a client without a proxy, and acts as a proxy for others.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("ws://{address}/");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut raw = Raw::new(stream.unwrap());
            let is_proxy = raw.read_head().starts_with("CONNECT");
            raw.send(if is_proxy { "HTTP/1.1 502 x\r\n\r\n" } else { "HTTP/1.1 404 x\r\n\r\n" });
        }
    });
    let proxy = format!("http://{address}");
    let no_proxy = format!("localhost,{address}");
    let (by_proxy, directly) = ("answered CONNECT with status 502>", "answered with status 404>");
    // Whether the client reads the environment, the variables, and the expected result.
    type Case<'a> = (bool, &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        (false, &[("ws_proxy", &proxy), ("all_proxy", &proxy)], directly),
        (true, &[], directly),
        (true, &[("ws_proxy", &proxy)], by_proxy),
        (true, &[("http_proxy", &proxy)], by_proxy),
        (true, &[("ws_proxy", &proxy), ("NO_PROXY", &no_proxy)], directly),
        (true, &[("all_proxy", "socks5://127.0.0.1")], "neither https:// nor SOCKS>"),
    ];
    for (asks, variables, expected) in cases {
        let printed = in_environment(&url, *asks, |command| {
            command.envs(variables.iter().copied());
        });
        assert!(printed.contains(expected), "{variables:?}: {printed}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let value = std::ffi::OsStr::from_bytes(b"http://\xff@127.0.0.1/");
        let printed = in_environment(&url, true, |command| {
            command.env("ws_proxy", value);
        });
        assert!(printed.contains("the address of a proxy is"), "{printed}");
    }
}

/// Returns the output of a process with these variables and no others about proxies.
fn in_environment(url: &str, asks: bool, set: impl FnOnce(&mut Command)) -> String {
    let mut command = wire::command(env::current_exe().unwrap());
    command.args([
        "--ignored",
        "--exact",
        "--nocapture",
        "connect_with_the_proxy_of_the_environment",
    ]);
    for scheme in ["ws", "wss", "http", "https", "all", "no"] {
        let name = format!("{scheme}_proxy");
        command.env_remove(name.to_uppercase()).env_remove(name);
    }
    command.env_remove("REQUEST_METHOD");
    command.env("TIGHTWIRE_TEST_URL", url);
    command.env("TIGHTWIRE_TEST_ASKS", if asks { "yes" } else { "no" });
    set(&mut command);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The certificate is for the name of the server, which only the proxy can resolve.
#[cfg(feature = "tls")]
#[test]
fn tls_goes_through_the_tunnel_to_the_server() {
    use tightwire::rustls::ClientConfig;

    let authority = tls::Authority::new();
    let config = authority.issue(&["server.invalid"]).server_config();
    let server = tightwire::Server::bind("127.0.0.1:0").unwrap();
    let server = wire::run(server.acceptor(tightwire::Acceptor::new().tls(config)), wire::echo);
    let (proxy, thread) = proxy_to(server, "HTTP/1.1 200 OK\r\n\r\n");
    let config =
        ClientConfig::builder().with_root_certificates(authority.roots()).with_no_client_auth();
    let mut ws =
        Client::new().tls(config).proxy(&proxy).connect("wss://server.invalid/chat").unwrap();
    ws.send("Hello").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("Hello")));
    ws.close().unwrap();
    assert!(thread.join().unwrap().starts_with("CONNECT server.invalid:443 HTTP/1.1\r\n"));
}
