//! Tests the server that the guide builds, `examples/from_scratch.rs`, with the client of tightwire
//! and with raw bytes.

#[allow(dead_code, reason = "the tests call `serve`, and never `main`")]
#[path = "../examples/from_scratch.rs"]
mod from_scratch;
mod wire;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use tightwire::{CloseCode, Message, MessageKind, WebSocket};
use wire::{PATIENCE, REQUEST, RESPONSE, Raw, close_body};

/// Starts the server, which runs until the tests end.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || from_scratch::serve(&listener));
    address
}

fn connect() -> WebSocket {
    tightwire::connect(&format!("ws://{}/", server())).unwrap()
}

/// Asserts that the server answers these bytes with a Close frame, and ends TCP without a reset.
#[track_caller]
fn assert_closes_with(bytes: &[u8], code: u16) {
    let mut raw = Raw::upgraded(server());
    raw.send(bytes);
    let (first, body) = raw.read_frame();
    assert_eq!((first, &body[..2]), (0x88, &code.to_be_bytes()[..]), "{bytes:02x?}");
    assert!(!body[2..].is_empty() && std::str::from_utf8(&body[2..]).is_ok(), "{body:02x?}");
    assert_eq!(raw.read_to_end(), b"", "{bytes:02x?}");
}

#[test]
fn messages_of_every_length_form_are_echoed() {
    let mut ws = connect();
    for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        for message in [Message::from("x".repeat(len)), Message::from(vec![0xFF; len])] {
            ws.send(&message).unwrap();
            let echo = ws.recv_timeout(PATIENCE).unwrap();
            assert!(echo.as_ref() == Some(&message), "{len} bytes, text: {}", message.is_text());
        }
    }
    ws.close().unwrap();
}

#[test]
fn fragments_come_back_as_one_message() {
    let mut ws = connect();
    let mut writer = ws.writer(MessageKind::Text);
    // The second cut is inside the euro sign.
    for piece in [&b"5 "[..], b"\xE2\x82", b"\xAC"] {
        writer.write_all(piece).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(ws.recv_timeout(PATIENCE).unwrap(), Some(Message::from("5 €")));
    ws.close().unwrap();
}

#[test]
fn a_ping_between_fragments_is_answered_before_the_message() {
    let mut raw = Raw::upgraded(server());
    raw.send_frame(0x01, b"Hel");
    raw.send_frame(0x89, b"?");
    assert_eq!(raw.read_frame(), (0x8A, b"?".to_vec()));
    raw.send_frame(0x8A, b"nobody asked");
    raw.send_frame(0x00, b"");
    raw.send_frame(0x80, b"lo");
    assert_eq!(raw.read_frame(), (0x81, b"Hello".to_vec()));
}

#[test]
fn bytes_may_arrive_one_by_one() {
    let mut raw = Raw::connect(server());
    for byte in REQUEST.bytes() {
        raw.send([byte]);
    }
    assert_eq!(raw.read_head(), RESPONSE);
    for payload in [vec![7; 3], vec![8; 200]] {
        for byte in wire::masked(0x82, &payload) {
            raw.send([byte]);
        }
        assert_eq!(raw.read_frame(), (0x82, payload));
    }
}

#[test]
fn frames_sent_with_the_request_are_not_lost() {
    let mut raw = Raw::connect(server());
    raw.send([REQUEST.as_bytes(), &wire::masked(0x81, b"early")].concat());
    assert_eq!(raw.read_head(), RESPONSE);
    assert_eq!(raw.read_frame(), (0x81, b"early".to_vec()));
}

#[test]
fn the_closing_handshake_repeats_the_code() {
    let mut ws = connect();
    ws.close_with(CloseCode::new(4001).unwrap(), "had enough").unwrap();
    let status = ws.close_status().unwrap();
    assert_eq!((status.code(), status.reason(), status.was_clean()), (4001, "", true));

    for (body, answer) in [(close_body(1000, "bye"), close_body(1000, "")), (vec![], vec![])] {
        let mut raw = Raw::upgraded(server());
        raw.send_frame(0x88, &body);
        // The server ignores bytes after a Close frame.
        raw.send([0xFF; 100]);
        assert_eq!(raw.read_frame(), (0x88, answer));
        assert_eq!(raw.read_to_end(), b"");
    }
}

#[test]
fn broken_framing_is_answered_with_1002() {
    assert_closes_with(b"\x81\x05Hello", 1002); // not masked
    assert_closes_with(&wire::masked(0xC1, b"Hello"), 1002); // RSV1
    assert_closes_with(&wire::masked(0x83, b""), 1002); // opcode 3
    assert_closes_with(&wire::masked(0x8B, b""), 1002); // opcode 11
    assert_closes_with(&wire::masked(0x09, b""), 1002); // a Ping without FIN
    assert_closes_with(&wire::masked(0x89, &[0; 126]), 1002); // a long Ping
    assert_closes_with(&wire::masked(0x80, b"lo"), 1002); // nothing to continue
    let inside = [wire::masked(0x01, b"Hel"), wire::masked(0x81, b"lo")].concat();
    assert_closes_with(&inside, 1002);
    assert_closes_with(b"\x82\xFE\0\x7D\0\0\0\0", 1002); // 125 in 16 bits
    assert_closes_with(b"\x82\xFF\0\0\0\0\0\0\xFF\xFF\0\0\0\0", 1002); // 65,535 in 64 bits
    assert_closes_with(b"\x82\xFF\x80\0\0\0\0\0\0\0\0\0\0\0", 1002); // 2^63
    assert_closes_with(&wire::masked(0x88, b"\x03"), 1002); // half a code
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        assert_closes_with(&wire::masked(0x88, &close_body(code, "")), 1002);
    }
}

#[test]
fn text_that_is_not_utf8_is_answered_with_1007() {
    assert_closes_with(&wire::masked(0x81, b"\xFF"), 1007);
    let cut = [wire::masked(0x01, b"\xE2\x82"), wire::masked(0x80, b"")].concat();
    assert_closes_with(&cut, 1007);
    assert_closes_with(&wire::masked(0x88, b"\x03\xE8\xFF"), 1007);
}

#[test]
fn messages_over_16_mib_are_answered_with_1009() {
    // The header announces 16 MiB and one byte. The payload need not arrive.
    assert_closes_with(b"\x82\xFF\0\0\0\0\x01\0\0\x01\0\0\0\0", 1009);
    let mut frames = wire::masked(0x02, &vec![7; 16 << 20]);
    frames.extend(wire::masked(0x80, b"x"));
    assert_closes_with(&frames, 1009);
}

#[test]
fn a_client_in_the_middle_of_an_upload_can_read_why_it_was_closed() {
    let mut raw = Raw::upgraded(server());
    let mut bytes = wire::masked(0x83, b"");
    bytes.resize(1 << 20, 0);
    raw.send(bytes);
    assert_eq!(raw.read_frame(), (0x88, close_body(1002, "reserved bit or opcode")));
    assert_eq!(raw.read_to_end(), b"");
}

#[test]
fn a_request_that_is_not_an_opening_handshake_is_answered_with_400() {
    for (from, to) in [
        ("GET ", "POST "),
        ("HTTP/1.1", "HTTP/1.0"),
        ("Host: localhost\r\n", ""),
        ("Upgrade: websocket", "Upgrade: websockets"),
        ("Connection: Upgrade", "Connection: noupgradeplease"),
        ("Version: 13", "Version: 8"),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Clef"),
        ("ZQ==", "ZQ="),
    ] {
        let request = REQUEST.replacen(from, to, 1);
        assert_ne!(request, REQUEST, "{from:?}");
        let mut raw = Raw::connect(server());
        raw.send(request);
        assert!(raw.read_head().starts_with("HTTP/1.1 400 "), "{from:?} -> {to:?}");
        assert_eq!(raw.read_to_end(), b"");
    }
    // A head that never ends, and one that the client leaves incomplete.
    for (request, ends) in [("x".repeat(20_000), false), ("GET / HTTP/1.1\r\n".into(), true)] {
        let mut raw = Raw::connect(server());
        raw.send(request);
        if ends {
            raw.end_writing();
        }
        assert!(raw.read_head().starts_with("HTTP/1.1 400 "));
        assert_eq!(raw.read_to_end(), b"");
    }
}

#[test]
fn header_fields_may_vary_in_order_case_and_spacing() {
    let mut raw = Raw::connect(server());
    raw.send(
        "GET / HTTP/1.1\r\nsec-websocket-version:13\r\nCONNECTION: keep-alive ,upgrade\r\n\
         Sec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ== \r\nupgrade: WebSocket\r\nhost: a\r\n\r\n",
    );
    assert_eq!(raw.read_head(), RESPONSE);
}
