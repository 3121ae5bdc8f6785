//! Tests the server of the example `chat` as a process: its page, its rooms, and the requests that
//! it refuses. `tests/browser/run` tests the page in a browser.

mod wire;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tightwire::handshake::HandshakeError;
use tightwire::{Client, Error, WebSocket};
use wire::{PATIENCE, Raw, field};

const MEMBERS_MAX: usize = 100;
const ROOMS_MAX: usize = 100;
const HISTORY_MAX: usize = 50;
/// The number of messages that a member may send in one burst.
const AT_ONCE: usize = 20;

/// The chat server on a free port. It ends when its input ends, and dropping this ends the input.
#[derive(Debug)]
struct Chat {
    child: Child,
    address: SocketAddr,
}

impl Chat {
    /// Starts the example, which Cargo builds next to the tests.
    fn start(arguments: &[&str]) -> Self {
        let test = std::env::current_exe().unwrap();
        let name = format!("chat{}", std::env::consts::EXE_SUFFIX);
        let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
        assert!(program.exists(), "run `cargo build --example chat` first: {program:?}");
        let mut command = wire::command(program);
        command
            .args(["127.0.0.1:0", "--until-eof"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let address = url["http://".len()..].trim_end_matches('/').parse().unwrap();
        Self { child, address }
    }

    fn connect(&self) -> WebSocket {
        tightwire::connect(&format!("ws://{}/ws", self.address)).unwrap()
    }

    /// Connects and asks to join a room. Returns the connection and the reply.
    fn ask(&self, room: &str, name: &str, session: &str) -> (WebSocket, Value) {
        let mut ws = self.connect();
        let join = json!({"type": "join", "room": room, "name": name, "session": session});
        ws.send(join.to_string()).unwrap();
        let answer = next_reply(&mut ws);
        (ws, answer)
    }

    /// Joins a room, and panics if the server refuses.
    fn join(&self, room: &str, name: &str) -> WebSocket {
        let (ws, answer) = self.ask(room, name, &format!("session of {name}"));
        assert_eq!(answer["type"], "welcome", "{answer}");
        ws
    }

    /// Sends a plain HTTP request. Returns the head and the body of the response.
    fn get(&self, request_line: &str) -> (String, String) {
        let mut raw = Raw::connect(self.address);
        raw.send(format!("{request_line} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address));
        let head = raw.read_head();
        (head, String::from_utf8(raw.read_to_end()).unwrap())
    }

    /// Waits for the process, and returns its exit code. `Child::wait` has no timeout, so this
    /// polls.
    fn wait(mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn next_reply(ws: &mut WebSocket) -> Value {
    let message = ws.recv_timeout(PATIENCE).unwrap().expect("it is open");
    serde_json::from_str(message.as_text().unwrap()).unwrap()
}

/// Returns the next reply of this type, and skips the others.
fn reply_of_type(ws: &mut WebSocket, kind: &str) -> Value {
    let begun = Instant::now();
    loop {
        let reply = next_reply(ws);
        // The server repeats the latency forever, so silence cannot end the loop.
        assert!(begun.elapsed() < PATIENCE, "no {kind}, but {reply}");
        if reply["type"] == kind {
            return reply;
        }
    }
}

fn say(ws: &WebSocket, key: &str, text: &str) {
    ws.send(json!({"type": "say", "key": key, "text": text}).to_string()).unwrap();
}

/// Receives until the server closes, and returns the code and the reason.
fn ended(ws: &mut WebSocket) -> (u16, String) {
    let begun = Instant::now();
    while let Some(message) = ws.recv_timeout(PATIENCE).unwrap() {
        assert!(begun.elapsed() < PATIENCE, "no end, but {message:?}");
    }
    let status = ws.close_status().unwrap();
    (status.code(), status.reason().to_owned())
}

#[test]
fn the_page_runs_only_its_own_script() {
    let chat = Chat::start(&[]);
    let nonces: Vec<_> = (0..2)
        .map(|_| {
            let (head, body) = chat.get("GET /");
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            let header = |name| field(&head, name).unwrap();
            assert_eq!(header("Content-Type"), "text/html; charset=utf-8");
            assert_eq!(header("X-Content-Type-Options"), "nosniff");
            let policy = header("Content-Security-Policy");
            assert!(policy.starts_with("default-src 'none'; "), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            let (_, nonce) = policy.split_once("script-src 'nonce-").unwrap();
            let nonce = nonce.split_once('\'').unwrap().0.to_owned();
            assert_eq!(nonce.len(), 32);
            assert_eq!(body.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
            assert_eq!(body.matches("<script").count() + body.matches("<style").count(), 2);
            assert!(!body.contains("{{") && !body.contains("style=\""), "{body}");
            assert!(!body.contains("innerHTML"));
            nonce
        })
        .collect();
    assert_ne!(nonces[0], nonces[1]);
}

#[test]
fn other_paths_and_methods_are_refused() {
    let chat = Chat::start(&[]);
    for (request_line, status) in
        [("GET /favicon.ico", 404), ("GET /page.html", 404), ("POST /", 405), ("GET /ws", 426)]
    {
        let (head, _) = chat.get(request_line);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request_line}: {head}");
    }
}

#[test]
fn scripts_of_other_sites_cannot_connect() {
    let chat = Chat::start(&["--origin", "https://chat.example"]);
    let (url, port) = (format!("ws://{}/ws", chat.address), chat.address.port());
    for origin in [
        &format!("http://127.0.0.1:{port}"),
        &format!("http://localhost:{port}"),
        "https://chat.example",
    ] {
        Client::new().origin(origin).connect(&url).unwrap();
    }
    for origin in ["http://evil.example", "http://127.0.0.1", "http://chat.example", "null"] {
        match Client::new().origin(origin).connect(&url) {
            Err(Error::Handshake(HandshakeError::Refused(response))) => {
                assert_eq!(response.status(), 403, "{origin}");
            }
            other => panic!("{origin}: {other:?}"),
        }
    }
}

#[test]
fn a_message_goes_to_its_room_and_history() {
    let chat = Chat::start(&[]);
    let mut ann = chat.join("lobby", "Ann");
    let mut else_where = chat.join("garden", "Ann");
    let mut ben = chat.join("lobby", " Ben ");
    assert_eq!(next_reply(&mut ann), json!({"type": "members", "members": ["Ann"]}));
    assert_eq!(next_reply(&mut ann), json!({"type": "members", "members": ["Ann", "Ben"]}));
    say(&ben, "k1", " <b>Hello</b> \n ");
    for ws in [&mut ann, &mut ben] {
        let mut line = reply_of_type(ws, "line");
        assert!(line["at"].take().as_u64().unwrap() > 1_700_000_000_000);
        let text = "<b>Hello</b>";
        let expected = json!({
            "type": "line", "number": 0, "name": "Ben", "text": text, "key": "k1", "at": null,
        });
        assert_eq!(line, expected, "without the session, which is Ben's own");
    }
    let (_carol, welcome) = chat.ask("lobby", "Carol", "c");
    assert_eq!(welcome["members"], json!(["Ann", "Ben", "Carol"]));
    assert_eq!(welcome["history"][0]["text"], "<b>Hello</b>");
    assert_eq!(welcome["history"].as_array().unwrap().len(), 1);

    ben.close().unwrap();
    reply_of_type(&mut ann, "members");
    assert_eq!(next_reply(&mut ann), json!({"type": "members", "members": ["Ann", "Carol"]}));
    // Nothing of this reaches the other room.
    assert_eq!(next_reply(&mut else_where), json!({"type": "members", "members": ["Ann"]}));
    say(&else_where, "k2", "echo");
    assert_eq!(reply_of_type(&mut else_where, "line")["number"], 0);
}

#[test]
fn the_history_is_bounded() {
    let chat = Chat::start(&[]);
    let mut speakers: Vec<_> = (0..3).map(|n| chat.join("lobby", &format!("{n}"))).collect();
    // They speak in turn: each waits until its last message has come back.
    for (n, speaker) in speakers.iter_mut().enumerate() {
        for m in 0..AT_ONCE {
            let text = format!("{}", n * AT_ONCE + m);
            say(speaker, &text, &text);
        }
        let last = ((n + 1) * AT_ONCE - 1).to_string();
        while reply_of_type(speaker, "line")["text"] != *last {}
    }
    let (_late, welcome) = chat.ask("lobby", "late", "late");
    let texts: Vec<_> =
        welcome["history"].as_array().unwrap().iter().map(|line| line["text"].clone()).collect();
    let expected: Vec<_> =
        (3 * AT_ONCE - HISTORY_MAX..3 * AT_ONCE).map(|n| json!(n.to_string())).collect();
    assert_eq!(texts, expected);
}

#[test]
fn a_refused_visitor_learns_the_reason() {
    let chat = Chat::start(&[]);
    let _ann = chat.join("lobby", "Ärna");
    let long = "ä".repeat(25);
    for (room, name, session, why) in [
        ("lobby", " ", "s", "needed"),
        ("", "Ben", "s", "needed"),
        ("lobby", &long, "s", "too long"),
        (&long, "Ben", "s", "too long"),
        ("lobby", "a\u{202}b\u{7}", "s", "odd"),
        ("lobby", " äRNA ", "s", "has that name already"),
        ("lobby", "Ben", "", "key"),
        ("lobby", "Ben", &"s".repeat(65), "key"),
    ] {
        let (mut ws, answer) = chat.ask(room, name, session);
        assert_eq!((&answer["type"], &answer["key"]), (&json!("refused"), &Value::Null));
        assert!(answer["why"].as_str().unwrap().contains(why), "{answer}");
        assert_eq!(ended(&mut ws).0, 1000);
    }
    // Names and sessions of the maximum length are accepted.
    let (_ws, answer) = chat.ask(&long[2..], &long[2..], &"s".repeat(64));
    assert_eq!(answer["type"], "welcome", "{answer}");
}

#[test]
fn a_refused_message_is_named_by_its_key() {
    let chat = Chat::start(&[]);
    let mut ann = chat.join("lobby", "Ann");
    for (key, text, why) in [
        ("1", " \n", "nothing"),
        ("2", &*"ä".repeat(501), "too long"),
        ("3", "\u{1b}[2J", "odd"),
        ("", "no key", "key"),
    ] {
        say(&ann, key, text);
        let refused = reply_of_type(&mut ann, "refused");
        assert_eq!(refused["key"], key);
        assert!(refused["why"].as_str().unwrap().contains(why), "{refused}");
    }
    say(&ann, "5", &"ä".repeat(500));
    assert_eq!(reply_of_type(&mut ann, "line")["key"], "5");
}

#[test]
fn a_member_that_floods_a_room_is_refused() {
    let chat = Chat::start(&[]);
    let mut ann = chat.join("lobby", "Ann");
    for n in 0..3 * AT_ONCE {
        say(&ann, &n.to_string(), "me, me, me");
    }
    let refused = reply_of_type(&mut ann, "refused");
    let first: usize = refused["key"].as_str().unwrap().parse().unwrap();
    assert!((AT_ONCE..3 * AT_ONCE).contains(&first), "{refused}");
}

#[test]
fn a_message_sent_twice_appears_once() {
    let chat = Chat::start(&[]);
    let mut ann = chat.join("lobby", "Ann");
    let mut ben = chat.join("lobby", "Ben");
    say(&ann, "k", "once");
    reply_of_type(&mut ann, "line");
    // The page reconnects before the server notices that the old connection is dead.
    let (mut again, welcome) = chat.ask("lobby", "Ann", "session of Ann");
    assert_eq!(welcome["members"], json!(["Ben", "Ann"]));
    assert_eq!(welcome["history"][0]["key"], "k");
    say(&again, "k", "once");
    say(&again, "l", "more");
    assert_eq!(reply_of_type(&mut again, "line")["key"], "l");
    assert_eq!(ended(&mut ann), (4001, "you came back on another connection".into()));
    assert_eq!(reply_of_type(&mut ben, "line")["key"], "k");
    // The same key from another member is another message.
    say(&ben, "k", "mine");
    assert_eq!(reply_of_type(&mut ben, "line")["key"], "l");
    assert_eq!(reply_of_type(&mut ben, "line")["text"], "mine");
}

#[test]
fn a_client_that_breaks_the_chat_protocol_is_disconnected() {
    let chat = Chat::start(&[]);
    for (message, code) in [
        ("", 1008),
        ("{", 1008),
        (r#"{"type": "shout"}"#, 1008),
        (r#"{"type": "say", "key": "k", "text": "before I joined"}"#, 1008),
        (&*"[".repeat(10_000), 1008),
        (&*" ".repeat(17 << 10), 1009),
    ] {
        let mut ws = chat.connect();
        ws.send(message).unwrap();
        assert_eq!(ended(&mut ws).0, code, "{:.40}", message);
    }
    for (message, code) in
        [(r#"{"type": "join", "room": "b", "name": "b", "session": "b"}"#, 1008), ("{}", 1008)]
    {
        let mut ws = chat.join("lobby", "Ann");
        ws.send(message).unwrap();
        assert_eq!(ended(&mut ws).0, code, "{message}");
    }
    let mut ws = chat.connect();
    ws.send(b"\0").unwrap();
    assert_eq!(ended(&mut ws).0, 1003);
}

#[test]
fn a_full_room_refuses_new_members() {
    let chat = Chat::start(&[]);
    let mut members: Vec<_> =
        (0..MEMBERS_MAX).map(|n| chat.join("lobby", &n.to_string())).collect();
    let (_ws, answer) = chat.ask("lobby", "late", "late");
    assert_eq!(
        (&answer["type"], &answer["why"]),
        (&json!("refused"), &json!("That room is full."))
    );
    // A member of the full room can still reconnect.
    let (back, answer) = chat.ask("lobby", "0", "session of 0");
    assert_eq!(answer["type"], "welcome");
    drop(back);
    let mut last = members.pop().unwrap();
    while reply_of_type(&mut last, "members")["members"].as_array().unwrap().len() == MEMBERS_MAX {}
    chat.join("lobby", "late");
}

#[test]
fn the_number_of_rooms_is_limited() {
    let chat = Chat::start(&[]);
    let mut rooms: Vec<_> = (0..ROOMS_MAX).map(|n| chat.join(&n.to_string(), "Ann")).collect();
    let (_ws, answer) = chat.ask("one more", "Ann", "s");
    assert_eq!(answer["why"], "There are too many rooms.");
    // The last member of a room leaves, so its place is free once the server has noticed that.
    rooms.pop().unwrap().close().unwrap();
    let begun = Instant::now();
    while chat.ask("one more", "Ann", "s").1["type"] != "welcome" {
        assert!(begun.elapsed() < PATIENCE, "there is still no room");
    }
}

#[test]
fn the_server_ends_when_its_input_ends() {
    let mut chat = Chat::start(&[]);
    let mut ann = chat.join("lobby", "Ann");
    drop(chat.child.stdin.take());
    assert_eq!(ended(&mut ann).0, 1001);
    assert_eq!(chat.wait(), Some(0));
}

#[test]
fn a_server_with_a_time_limit_ends() {
    // Nobody reads the output of the server. That must not keep it from ending.
    assert_eq!(Chat::start(&["--for", "1"]).wait(), Some(0));
}
