//! Tests what single members receive across nodes: after they come back, when they send a message
//! twice, and when they want the same name.

mod stage;

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};
use stage::PATIENCE;
use stage::programs::{Cluster, Persistence, are_there, until};
use tightwire::{Client, Message, WebSocket};

/// A connection to a node.
struct Caller(WebSocket);

impl Caller {
    /// Connects, and sends `join`.
    fn call(address: SocketAddr, join: &Value) -> Self {
        let ws = Client::new().connect(&format!("ws://{address}/ws")).unwrap();
        ws.send(join.to_string()).unwrap();
        Self(ws)
    }

    fn say(&self, key: &str) {
        self.0.send(json!({ "type": "say", "key": key, "text": key }).to_string()).unwrap();
    }

    fn next(&mut self) -> Option<Value> {
        match self.0.recv_timeout(PATIENCE).unwrap()? {
            Message::Text(text) => Some(serde_json::from_str(&text).unwrap()),
            Message::Binary(_) => panic!("nodes send text"),
        }
    }

    /// Skips replies until one of these kinds comes.
    fn until(&mut self, kinds: &[&str]) -> Value {
        self.until_it(|reply| kinds.iter().any(|kind| reply["type"] == *kind))
    }

    /// Skips replies until one meets this condition. A node sends the latency again and again, so a
    /// timeout for each reply alone would never end this.
    fn until_it(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.next().expect("the connection is open");
            if is_so(&reply) {
                return reply;
            }
            assert!(Instant::now() < deadline, "no such reply in time; the last one was {reply}");
        }
    }

    /// Skips replies until the list of members is this one.
    fn until_members_are(&mut self, names: &[&str]) {
        self.until_it(|reply| reply["type"] == "members" && reply["members"] == json!(names));
    }

    /// Sends a message, and returns the answer.
    fn ask(&mut self, key: &str) -> Value {
        self.say(key);
        let answer = self.until(&["said", "delayed", "refused"]);
        assert_eq!(answer["key"], key);
        answer
    }

    /// Waits for the end, and returns its code.
    fn end(mut self) -> u16 {
        while self.next().is_some() {}
        self.0.close_status().unwrap().code()
    }
}

fn join(name: &str, session: &str, after: Option<&str>) -> Value {
    json!({ "type": "join", "room": "lobby", "name": name, "session": session, "after": after })
}

fn texts(lines: &Value) -> Vec<String> {
    let lines = lines.as_array().unwrap().iter();
    lines.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

fn redis(cluster: &Cluster) -> redis::Connection {
    redis::Client::open(cluster.redis_url()).unwrap().get_connection().unwrap()
}

#[test]
fn a_member_that_comes_back_gets_the_missed_lines_and_learns_of_lost_ones() {
    if !are_there() {
        return;
    }
    let cluster = Cluster::start(Persistence::Nothing);
    let [one, two, three] = [0, 1, 2].map(|n| cluster.nodes[n].address);
    let mut ann = Caller::call(one, &join("Ann", "a", None));
    ann.until(&["welcome"]);
    let first = ann.ask("0")["number"].as_str().unwrap().to_owned();
    ann.0.close().unwrap();

    // More than two pages. Four members share the work, because the rate of one is limited.
    let mut said = Vec::new();
    for name in ["Ben", "Carol", "Dave", "Eve"] {
        let mut caller = Caller::call(two, &join(name, name, None));
        caller.until(&["welcome"]);
        for n in 0..33 {
            said.push(format!("{name}-{n}"));
            assert_eq!(caller.ask(&said[said.len() - 1])["type"], "said");
        }
    }

    let mut ann = Caller::call(three, &join("Ann", "a", Some(&first)));
    let mut missed = Vec::new();
    let welcome = loop {
        let reply = ann.until(&["history", "welcome"]);
        let field = if reply["type"] == "welcome" { "history" } else { "lines" };
        assert!(reply[field].as_array().unwrap().len() <= 50);
        missed.extend(texts(&reply[field]));
        if reply["type"] == "welcome" {
            break reply;
        }
    };
    assert_eq!(missed, said);
    assert_eq!(welcome["missed"], false);

    // A new member gets the latest lines.
    let frank = Caller::call(one, &join("Frank", "f", None)).until(&["welcome"]);
    assert_eq!(texts(&frank["history"]), said[said.len() - 50..]);
    assert_eq!(frank["missed"], false);

    // Lines that Redis no longer keeps are missed, and the welcome says so.
    let mut trim = redis::cmd("XTRIM");
    trim.arg("chat:said:lobby").arg("MAXLEN").arg(10);
    trim.query::<u64>(&mut redis(&cluster)).unwrap();
    let grace = Caller::call(one, &join("Grace", "g", Some(&first))).until(&["welcome"]);
    assert_eq!(texts(&grace["history"]), said[said.len() - 10..]);
    assert_eq!(grace["missed"], true);
}

#[test]
fn a_message_that_is_sent_twice_is_said_once_on_any_node() {
    if !are_there() {
        return;
    }
    let cluster = Cluster::start(Persistence::Nothing);
    let mut ann = Caller::call(cluster.nodes[0].address, &join("Ann", "a", None));
    ann.until(&["welcome"]);
    let first = ann.ask("key")["number"].clone();
    assert_eq!(ann.ask("key")["number"], first);
    // The same session on another node, while the first connection is still there.
    let mut again = Caller::call(cluster.nodes[1].address, &join("Ann", "a", None));
    assert_eq!(texts(&again.until(&["welcome"])["history"]), ["key"]);
    assert_eq!(again.ask("key")["number"], first);
    assert_eq!(ann.end(), 4001, "it has come back on another connection");
    // Another session may use the same key.
    let mut ben = Caller::call(cluster.nodes[2].address, &join("Ben", "b", None));
    ben.until(&["welcome"]);
    assert_ne!(ben.ask("key")["number"], first);
    let carol = Caller::call(cluster.nodes[0].address, &join("Carol", "c", None));
    assert_eq!(texts(&{ carol }.until(&["welcome"])["history"]), ["key", "key"]);
}

#[test]
fn a_name_is_that_of_one_session_on_all_nodes() {
    if !are_there() {
        return;
    }
    let cluster = Cluster::start(Persistence::Nothing);
    let [one, two] = [0, 1].map(|n| cluster.nodes[n].address);
    let mut ann = Caller::call(one, &join("Ann", "a", None));
    ann.until(&["welcome"]);
    let mut other = Caller::call(two, &join("aNN", "b", None));
    assert_eq!(other.until(&["refused"])["key"], Value::Null);
    let mut ben = Caller::call(two, &join("Ben", "b", None));
    assert_eq!(ben.until(&["welcome"])["members"], json!(["Ann", "Ben"]));
    // Without this wait Ben could be gone before Ann's node looks, and Ann would be told nothing.
    ann.until_members_are(&["Ann", "Ben"]);
    drop(ben);
    ann.until_members_are(&["Ann"]);
    let mut redis = redis(&cluster);
    let moves = redis::cmd("XREVRANGE").arg("chat:moves:lobby").arg("+").arg("-").clone();
    let mut moves = || moves.query::<redis::streams::StreamRangeReply>(&mut redis).unwrap().ids;
    let before = moves();
    ann.0.close().unwrap();
    // Leaving is a move, unlike a place that expires.
    until("Ann leaves", || moves().iter().any(|entry| !before.contains(entry)));
    Caller::call(two, &join("aNN", "b", None)).until(&["welcome"]);
}

#[test]
fn a_message_that_was_put_off_is_overtaken_by_no_other() {
    if !are_there() {
        return;
    }
    let mut cluster = Cluster::start(Persistence::Nothing);
    let mut ann = Caller::call(cluster.nodes[0].address, &join("Ann", "a", None));
    ann.until(&["welcome"]);
    cluster.redis().signal("STOP");
    assert_eq!(ann.ask("first")["type"], "delayed");
    cluster.nodes.iter().for_each(|node| node.until_health_is(503));
    cluster.redis().signal("CONT");
    cluster.nodes.iter().for_each(|node| node.until_health_is(200));
    // Redis could take it now.
    assert_eq!(ann.ask("second")["type"], "delayed");
    // A message that is refused does not change that.
    ann.0.send(json!({ "type": "say", "key": "empty", "text": " " }).to_string()).unwrap();
    assert_eq!(ann.until(&["refused", "said", "delayed"])["type"], "refused");
    assert_eq!(ann.ask("second")["type"], "delayed");
    assert_eq!(ann.ask("first")["type"], "said");
    assert_eq!(ann.ask("second")["type"], "said");
    let mut ben = Caller::call(cluster.nodes[1].address, &join("Ben", "b", None));
    assert_eq!(texts(&ben.until(&["welcome"])["history"]), ["first", "second"]);
}
