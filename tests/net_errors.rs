//! Tests the texts of errors, and the three questions that a caller asks of them.

#[path = "wire/pipe.rs"]
mod pipe;
mod wire;

use std::error::Error as _;
use std::io;
use std::time::Duration;

use pipe::{Pipe, Then};
use tightwire::handshake::{HandshakeError, HttpError, ProxyError, Response};
use tightwire::{
    Acceptor, Client, CloseCode, CloseStatus, Error, Operation, Role, SendError, State, Timeouts,
};
use wire::{PATIENCE, close_body};

fn refused(status: u16) -> Error {
    HandshakeError::Refused(Box::new(Response::new(status))).into()
}

fn refused_by_proxy(status: u16) -> Error {
    ProxyError::Refused(Box::new(Response::new(status))).into()
}

/// Returns errors, and for each whether it is a timeout, is fatal, and may succeed on a retry.
fn table() -> Vec<(Error, [bool; 3])> {
    let io = |kind| io::Error::from(kind);
    let (no, yes) = (false, true);
    vec![
        (Error::Io(io(io::ErrorKind::ConnectionReset)), [no, yes, yes]),
        (Error::Io(io(io::ErrorKind::TimedOut)), [yes, yes, yes]),
        (Error::ProxyIo(io(io::ErrorKind::ConnectionRefused)), [no, yes, yes]),
        (Error::ProxyIo(io(io::ErrorKind::TimedOut)), [yes, yes, yes]),
        (Error::Timeout(Operation::Connect), [yes, yes, yes]),
        (Error::Timeout(Operation::Handshake), [yes, yes, yes]),
        (Error::Timeout(Operation::Receive), [yes, no, no]),
        (Error::Timeout(Operation::Queue), [yes, no, no]),
        (Error::Timeout(Operation::Flush), [yes, no, no]),
        (Error::Timeout(Operation::Close), [yes, yes, yes]),
        (Error::Timeout(Operation::Pong), [yes, yes, yes]),
        (refused(401), [no, yes, no]),
        (refused(404), [no, yes, no]),
        (refused(408), [no, yes, yes]),
        (refused(425), [no, yes, yes]),
        (refused(429), [no, yes, yes]),
        (refused(500), [no, yes, yes]),
        (refused(501), [no, yes, no]),
        (refused(503), [no, yes, yes]),
        (refused(505), [no, yes, no]),
        (refused_by_proxy(407), [no, yes, no]),
        (refused_by_proxy(504), [no, yes, yes]),
        (ProxyError::Uri.into(), [no, yes, no]),
        (HandshakeError::Missing("Upgrade").into(), [no, yes, no]),
        (HandshakeError::Http(HttpError::StartLine).into(), [no, yes, no]),
        (tightwire::ProtocolError::Masked.into(), [no, yes, no]),
        (SendError::Closed.into(), [no, no, no]),
        (SendError::ControlTooLong { len: 126 }.into(), [no, no, no]),
        (SendError::NoMaskingKey.into(), [no, no, no]),
        (Error::Tls("no".into()), [no, yes, no]),
        (Error::TlsUnsupported, [no, yes, no]),
        (tightwire::connect("http://h/").unwrap_err(), [no, yes, no]),
    ]
}

#[test]
fn errors_are_classified_as_timeout_fatal_or_retryable() {
    for (error, [is_timeout, is_fatal, may_retry]) in table() {
        assert_eq!(error.is_timeout(), is_timeout, "{error:?}");
        assert_eq!(error.is_fatal(), is_fatal, "{error:?}");
        assert_eq!(error.may_retry(), may_retry, "{error:?}");
    }
}

#[test]
fn an_error_prints_its_source_only_in_the_alternate_form() {
    for (error, _) in table() {
        let short = error.to_string();
        match error.source() {
            Some(source) => {
                let source = source.to_string();
                assert!(!short.contains(&source), "{short:?} has {source:?}");
                assert_eq!(format!("{error:#}"), format!("{short}: {source}"));
            }
            None => assert_eq!(format!("{error:#}"), short),
        }
    }
}

#[test]
fn a_refusal_shows_the_status_and_the_first_line_of_the_body() {
    let acceptor = Acceptor::new()
        .on_request(|_| Response::new(403).with_body("\n no\x1b room \r\nand more\n"));
    let url = format!("ws://{}/", wire::run(wire::server().acceptor(acceptor), wire::echo));
    let error = tightwire::connect(&url).unwrap_err();
    let expected =
        "opening handshake failed: the server answered with status 403: \"no\\u{1b} room\"";
    assert_eq!(format!("{error:#}"), expected);
}

#[test]
fn an_error_distinguishes_a_tls_server_from_one_without_http() {
    // An alert, as a server that expected a ClientHello sends it.
    let (url, server) = wire::raw_server(|mut raw| {
        raw.read_head();
        raw.send([0x15, 3, 3, 0, 2, 2, 70]);
    });
    let error = Client::new().connect(&url).unwrap_err();
    assert!(matches!(error, Error::Handshake(HandshakeError::Http(HttpError::Tls))), "{error:?}");
    assert!(format!("{error:#}").ends_with("the URI may need wss: instead of ws:"), "{error:#}");
    server.join().unwrap();
}

#[test]
fn a_response_sent_before_the_request_was_read_is_received() {
    for (answer, expected) in [
        ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Some(503)),
        ("HTTP/1.1 5", None),
        ("", None),
    ] {
        let pipe = Pipe::new(Role::Client);
        pipe.feed(answer.as_bytes(), Then::End);
        // Writes fail with `BrokenPipe`.
        pipe.state().has_ended = true;
        let error = Client::new().connect_stream("ws://h/", pipe.stream()).unwrap_err();
        let status = match &error {
            Error::Handshake(HandshakeError::Refused(response)) => Some(response.status()),
            Error::Io(error) => {
                assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
                None
            }
            _ => panic!("{error:?}"),
        };
        assert_eq!(status, expected, "{answer:?}");
    }
}

#[test]
fn the_close_code_decides_whether_a_retry_may_help() {
    for (code, may_retry) in [
        (1000, false),
        (1001, true),
        (1002, false),
        (1008, false),
        (1011, true),
        (1012, true),
        (1013, true),
        (1014, true),
        (3000, false),
        (4999, false),
    ] {
        let (url, server) = wire::raw_server(move |mut raw| {
            wire::answer_upgrade(&mut raw);
            raw.send([&[0x88, 2], &close_body(code, "")[..]].concat());
            raw.read_frame();
        });
        let mut ws = tightwire::connect(&url).unwrap();
        assert_eq!(ws.recv().unwrap(), None);
        let status: &CloseStatus = ws.close_status().unwrap();
        assert_eq!((status.code(), status.may_retry()), (code, may_retry));
        assert_eq!(status.close_code(), CloseCode::new(code));
        server.join().unwrap();
    }
}

#[test]
fn an_eof_error_says_where_the_stream_ended() {
    let begun = [0x01, 0x01, b'a'];
    let cases = [
        (&[][..], Then::End, "the stream ended without a Close frame"),
        (&begun[..1], Then::End, "the stream ended without a Close frame"),
        (&begun, Then::End, "the stream ended inside a message"),
        (&[], Then::Reset, "connection reset"),
        (&begun, Then::Reset, "connection reset"),
    ];
    for (bytes, then, expected) in cases {
        let pipe = Pipe::new(Role::Client);
        pipe.feed(bytes, then);
        let mut ws = pipe.open(Timeouts::new());
        let error = ws.recv().unwrap_err();
        assert!(matches!(error, Error::Io(_)), "{error:?}");
        assert_eq!(format!("{error:#}"), format!("I/O error: {expected}"));
        assert!(ws.recv().unwrap().is_none());
        assert_eq!(ws.close_status().unwrap().code(), 1006);
    }
}

#[test]
fn a_sender_knows_that_both_close_frames_have_passed() {
    let pipe = Pipe::new(Role::Server);
    let mut ws = pipe.open(Timeouts::new().linger(PATIENCE));
    pipe.feed_frame(0x88, &close_body(1000, ""));
    // The peer has not ended TCP yet.
    let outcome = ws.recv_timeout(Duration::ZERO);
    assert!(matches!(outcome, Err(Error::Timeout(Operation::Receive))), "{outcome:?}");
    pipe.await_frame(0x88, &close_body(1000, ""));
    assert_eq!((ws.sender().state(), ws.state()), (State::Closed, State::Closing));
    pipe.feed(&[], Then::End);
    assert!(ws.recv().unwrap().is_none());
    assert_eq!(ws.state(), State::Closed);
}
