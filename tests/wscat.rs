//! Tests the example `wscat` as a process: its messages, its output, and its exit codes.

#[cfg(feature = "tls")]
#[path = "wire/tls.rs"]
mod tls;
mod wire;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use tightwire::handshake::Response;
use tightwire::{Acceptor, Message};
use wire::{PATIENCE, Raw, answer_upgrade, close_body, echo_server, field, raw_server};

/// The result of a run.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Outcome {
    #[track_caller]
    fn has_note(&self, note: &str) {
        assert!(self.err.lines().any(|line| line == format!("* {note}")), "{note:?}: {self:#?}");
    }
}

/// Returns the path of the example, which Cargo builds next to the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let name = format!("wscat{}", std::env::consts::EXE_SUFFIX);
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "run `cargo build --example wscat` first: {program:?}");
    program
}

fn start(arguments: &[&str]) -> Child {
    let mut command = wire::command(program());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits for the end of the process, and kills it after a timeout.
fn finish(mut child: Child) -> Outcome {
    drop(child.stdin.take());
    let (done, is_done) = mpsc::channel();
    let id = child.id();
    let waiting = thread::spawn(move || {
        let output = child.wait_with_output();
        let _ = done.send(());
        output.unwrap()
    });
    if is_done.recv_timeout(PATIENCE).is_err() {
        // The waiting thread owns the child.
        let _ = Command::new("kill").arg(id.to_string()).status();
        panic!("wscat does not end");
    }
    let output = waiting.join().unwrap();
    Outcome {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(arguments: &[&str], input: &str) -> Outcome {
    let mut child = start(arguments);
    // The process may have ended without reading any input.
    let _ = child.stdin.as_mut().unwrap().write_all(input.as_bytes());
    finish(child)
}

fn url(address: SocketAddr) -> String {
    format!("ws://{address}/")
}

/// Serves one client: completes the opening handshake, then calls `serve`.
fn after_upgrade<T: Send + 'static>(
    serve: impl FnOnce(&mut Raw) -> T + Send + 'static,
) -> (String, thread::JoinHandle<T>) {
    raw_server(|mut raw| {
        answer_upgrade(&mut raw);
        serve(&mut raw)
    })
}

fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let body = close_body(code, reason);
    [&[0x88, body.len() as u8], &body[..]].concat()
}

#[test]
fn lines_are_sent_and_messages_are_printed() {
    let address = echo_server();
    let outcome = run(&[&url(address)], "hello\nwörld\n\nlast, without an end");
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(outcome.out, "hello\nwörld\n\nlast, without an end\n");
    outcome.has_note(&format!("connected to ws://{address}/"));
    outcome.has_note("closed, and the server answered: 1000 (normal closure)");
    assert!(!outcome.err.contains('\x1b'), "colours are for terminals: {outcome:#?}");
}

#[cfg(feature = "deflate")]
#[test]
fn compression_is_offered() {
    let acceptor = Acceptor::new().deflate(tightwire::deflate::DeflateConfig::new());
    let address = wire::run(wire::server().acceptor(acceptor), wire::echo);
    let text = "again and ".repeat(100);
    let outcome = run(&[&url(address)], &text);
    assert_eq!((outcome.code, outcome.out), (Some(0), format!("{text}\n")));
    assert!(outcome.err.contains("/, permessage-deflate\n"), "{}", outcome.err);
}

#[test]
fn the_scheme_may_be_left_out() {
    let outcome = run(&[&echo_server().to_string()], "hello\n");
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), "hello\n"));
}

#[test]
fn binary_data_is_entered_and_shown_in_hexadecimal() {
    let url = url(echo_server());
    let outcome = run(&["--binary", &url], "00 ff 4142\n000102030405060708090a0b0c0d0e0f1011\n\n");
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    let lines: Vec<_> = outcome.out.lines().collect();
    assert_eq!(lines[0], "00000000  00 ff 41 42                                       |..AB|");
    assert_eq!(
        lines[1..],
        [
            "00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|",
            "00000010  10 11                                             |..|",
            "",
        ]
    );
}

#[test]
fn invalid_hexadecimal_is_not_sent() {
    for (input, why) in [
        ("0\n", "an odd number of hexadecimal digits"),
        ("0g\n", "not hexadecimal"),
        ("é\n", "not hexadecimal"),
    ] {
        let outcome = run(&["--binary", &url(echo_server())], &format!("01\n{input}02\n"));
        assert_eq!(outcome.code, Some(1), "{outcome:#?}");
        outcome.has_note(&format!("not sent: {why}"));
        assert_eq!(outcome.out.lines().count(), 1, "what follows is not sent: {outcome:#?}");
    }
}

#[test]
fn the_request_has_the_fields_of_the_options() {
    let (url, server) = raw_server(|mut raw| answer_upgrade(&mut raw));
    let asked = ["-H", "X-One: 1", "--header", "X-Two:a: b", "-o", "https://a.example"];
    let outcome = run(&[&asked[..], &["-s", "v2", "--subprotocol", "v1", &url]].concat(), "");
    assert_eq!(outcome.code, Some(3), "the server went without a Close: {outcome:#?}");
    let request = server.join().unwrap();
    for (name, value) in [
        ("X-One", "1"),
        ("X-Two", "a: b"),
        ("Origin", "https://a.example"),
        ("Sec-WebSocket-Protocol", "v2, v1"),
    ] {
        assert_eq!(field(&request, name).as_deref(), Some(value), "{request}");
    }
}

#[test]
fn the_subprotocol_is_shown() {
    let server = wire::server().acceptor(Acceptor::new().subprotocols(["v1"]));
    let address = wire::run(server, wire::echo);
    let outcome = run(&["-s", "v2", "-s", "v1", &url(address)], "");
    outcome.has_note(&format!("connected to ws://{address}/, subprotocol v1"));
}

#[test]
fn close_options_set_the_code_and_the_reason() {
    for (arguments, input) in [
        (&["--close", "4001", "bye \u{1f980}"][..], "one\n"),
        (&["--commands"][..], "one\n/close 4001 bye \u{1f980}\nnot sent\n"),
    ] {
        let (url, server) = after_upgrade(|raw| {
            let frames = [raw.read_frame(), raw.read_frame()];
            raw.send(close_frame(4001, "bye"));
            frames
        });
        let outcome = run(&[arguments, &[&url]].concat(), input);
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        outcome.has_note("closed, and the server answered: 4001 (private use): bye");
        let [message, close] = server.join().unwrap();
        assert_eq!(message, (0x81, b"one".to_vec()));
        assert_eq!(close, (0x88, close_body(4001, "bye \u{1f980}")));
    }
}

#[test]
fn a_close_by_the_server_is_shown_by_name_and_exit_code() {
    for (code, reason, exit, note) in [
        (1000, "", 0, "1000 (normal closure)"),
        (1001, "restart", 0, "1001 (going away): restart"),
        (1008, "no\x1b[2Jentry", 3, "1008 (policy violation): no\\u{1b}[2Jentry"),
        (1011, "", 3, "1011 (internal error)"),
        (3000, "", 3, "3000 (registered by a library or application)"),
    ] {
        let (url, server) = after_upgrade(move |raw| {
            raw.send(close_frame(code, reason));
            assert_eq!(raw.read_frame().0, 0x88);
        });
        // The input stays open.
        let mut child = start(&[&url]);
        let input = child.stdin.take();
        let outcome = finish(child);
        drop(input);
        assert_eq!(outcome.code, Some(exit), "{outcome:#?}");
        outcome.has_note(&format!("the server closed: {note}"));
        server.join().unwrap();
    }
}

#[test]
fn a_lost_connection_and_a_broken_rule_have_their_own_exit_codes() {
    for (bytes, code, error) in [
        (&b""[..], 3, "the stream ended without a Close frame"),
        (&b"\x83\x00"[..], 4, "reserved opcode 0x3 (RFC 6455 §5.2)"),
    ] {
        let (url, server) = after_upgrade(move |raw| {
            raw.send(bytes);
            raw.end_writing();
            raw.read_to_end();
        });
        let mut child = start(&[&url]);
        let input = child.stdin.take();
        let outcome = finish(child);
        drop(input);
        assert_eq!(outcome.code, Some(code), "{outcome:#?}");
        assert!(outcome.err.contains(error), "{outcome:#?}");
        server.join().unwrap();
    }
}

#[test]
fn a_failed_connection_exits_with_2() {
    // Nobody listens at this address any more.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = run(&[&url(free)], "hello\n");
    assert_eq!(outcome.code, Some(2), "{outcome:#?}");

    let acceptor = Acceptor::new().on_request(|_| Response::new(404).with_body("no\x1b room\n"));
    let outcome = run(&[&url(wire::run(wire::server().acceptor(acceptor), wire::echo))], "");
    assert_eq!(outcome.code, Some(2), "{outcome:#?}");
    assert!(outcome.err.contains("status 404"), "{outcome:#?}");
    outcome.has_note("the server says: no\\u{1b} room");
    assert_eq!(outcome.out, "");
}

#[test]
fn an_invalid_command_line_exits_with_1() {
    let address = echo_server();
    let (url, http) = (url(address), format!("http://{address}"));
    for arguments in [
        &[][..],
        &["--nonsense", &url],
        &[&url, &url],
        &[&http],
        &["--header", "no colon", &url],
        &["-H", "Upgrade: h2c", &url],
        &["-s", "no token", &url],
        &["--ping", "0", &url],
        &["--wait", "-1", &url],
        &["--close", "1005", "", &url],
        &["--close", "70000", "", &url],
        &["--close", "1000", &"x".repeat(124), &url],
        &["--close", "1000"],
        &[&url, "--origin"],
    ] {
        let outcome = run(arguments, "");
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""), "{arguments:?}");
        assert_ne!(outcome.err, "", "{arguments:?}");
    }
}

#[test]
fn help_names_every_option_and_exit_code() {
    let outcome = run(&["--help"], "");
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    let words = "--header --subprotocol --origin --binary --ping --wait --close --timings \
                 --commands --no-color --help /ping /hex /close 0 1 2 3 4";
    for word in words.split_whitespace() {
        let is_there = outcome
            .out
            .lines()
            .any(|line| line.trim_start().split([' ', ',']).any(|listed| listed == word));
        assert!(is_there, "{word} is not in {}", outcome.out);
    }
}

#[test]
fn pings_and_pongs_are_shown() {
    let (url, server) = after_upgrade(|raw| {
        // A message comes in between, cut so that the Ping begins in the middle of a read.
        raw.send(b"\x82\x04\x89\x00");
        raw.send(b"\x8a\x00\x89\x02hi\x81\x02ok");
        // The client may send the Ping of its input before it has read ours.
        let mut frames = [raw.read_frame(), raw.read_frame()];
        frames.sort();
        assert_eq!(frames, [(0x89, b"one".to_vec()), (0x8a, b"hi".to_vec())]);
        // The first Pong does not answer this Ping, but the second does.
        raw.send(b"\x8a\x01\xff\x8a\x03one");
        raw.send(close_frame(1000, ""));
        assert_eq!(raw.read_frame().0, 0x88);
    });
    // The input ends at once, but the client must not close before it has read the Ping.
    let mut child = start(&["--commands", "--wait", "20", &url]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"/ping one\n").unwrap();
    drop(input);
    let outcome = finish(child);
    server.join().unwrap();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(outcome.out.lines().count(), 2, "a message of bytes, and one of text: {outcome:#?}");
    outcome.has_note("< ping \"hi\", answered");
    outcome.has_note("> ping \"one\"");
    outcome.has_note("< pong 0xff");
    assert!(outcome.err.contains("* < pong \"one\" after "), "{outcome:#?}");
    assert_eq!(outcome.err.matches("< p").count(), 3, "{outcome:#?}");
}

/// Inside TLS, only the library and the stream that it uses see the frames.
#[cfg(feature = "tls")]
#[test]
fn pings_and_pongs_of_a_tls_server_are_shown() {
    let (server, url) = tls::server();
    wire::run(server, |ws, request| {
        ws.ping(b"hi")?;
        wire::echo(ws, request)
    });
    let root = tls::PemFile::new(&tls::AUTHORITY.root());
    let mut command = wire::command(program());
    command.args(["--commands", &url]).env("SSL_CERT_FILE", &root.0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"/ping one\nhello\n").unwrap();
    let outcome = finish(child);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), "hello\n"), "{outcome:#?}");
    outcome.has_note("< ping \"hi\", answered");
    assert!(outcome.err.contains("* < pong \"one\" after "), "{outcome:#?}");
}

#[test]
fn pings_are_sent_repeatedly() {
    let (url, server) = after_upgrade(|raw| {
        for n in 1..=3 {
            let (first, data) = raw.read_frame();
            assert_eq!((first, data), (0x89, n.to_string().into_bytes()));
        }
        raw.send(close_frame(1000, ""));
    });
    let mut child = start(&["--ping", "0.01", &url]);
    let input = child.stdin.take();
    let outcome = finish(child);
    drop(input);
    server.join().unwrap();
    outcome.has_note("> ping \"3\"");
}

#[test]
fn commands_work_only_with_their_option() {
    let url = url(echo_server());
    let outcome = run(&[&url], "/hex 41\n");
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), "/hex 41\n"));

    let outcome = run(&["--commands", &url], "//hex 41\n/hex 41\n/nonsense\nstill there\n");
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    let lines: Vec<_> = outcome.out.lines().collect();
    assert_eq!((lines[0], lines[2]), ("/hex 41", "still there"));
    assert!(lines[1].ends_with("|A|"), "{outcome:#?}");
    assert!(outcome.err.contains("not sent: no command /nonsense"), "{outcome:#?}");
}

#[test]
fn wait_keeps_the_connection_open_for_later_messages() {
    let (closed, is_closed) = mpsc::channel();
    let address = wire::run(wire::server(), move |ws, _| {
        let asked = ws.recv()?;
        assert_eq!(asked, Some(Message::from("a question")));
        ws.send("an answer")?;
        ws.close()?;
        let _ = closed.send(());
        Ok(())
    });
    // This is longer than a test may take. The server ends it.
    let outcome = run(&["--wait", "60", &url(address)], "a question\n");
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), "an answer\n"));
    outcome.has_note("the server closed: 1000 (normal closure)");
    is_closed.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn timings_are_shown_on_request() {
    let url = url(echo_server());
    let outcome = run(&["--timings", &url], "hello\nyou\n");
    for step in ["name resolution: ", "TCP connection: ", "opening handshake: ", "first message: "]
    {
        assert_eq!(outcome.err.matches(step).count(), 1, "{step}: {outcome:#?}");
    }
    assert!(outcome.err.contains("* received: 2 messages, 8 bytes; open: "), "{outcome:#?}");
    let outcome = run(&[&url], "hello\n");
    assert!(!outcome.err.contains(" ms"), "{outcome:#?}");
}
