//! People who talk, who reconnect when their connection breaks, and who send again the messages
//! that were not acknowledged.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tightwire::{Client, Error, Message, Operation, Timeouts, WebSocket};

use super::PATIENCE;

/// The maximum number of messages of one person that may be unacknowledged.
const WINDOW: usize = 4;
/// How often each person says something new: a little less often than the nodes allow.
const PACE: Duration = Duration::from_millis(60);
/// The longest pause before a reconnect. A pause is between zero and this.
const BACK_OFF: Duration = Duration::from_millis(200);

/// All people, and their notes.
pub struct People {
    notes: Arc<Notes>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Notes {
    all: Mutex<Vec<Note>>,
    changed: Condvar,
}

/// The notes of one person.
#[derive(Clone, Default)]
pub struct Note {
    pub name: String,
    /// The node of the connection, while there is one.
    pub node: Option<String>,
    pub welcomes: usize,
    /// The code with which each connection ended.
    pub closes: Vec<u16>,
    /// How often a message was delayed, and how often a node reported missed lines.
    pub delayed: usize,
    pub missed: usize,
    pub refused: Vec<String>,
    pub members: Vec<String>,
    /// The lines that this person saw, in order: the speaker, and the number in the text.
    pub seen: Vec<(String, u64)>,
    /// How many messages of this person are acknowledged.
    pub said: u64,
    /// The messages that are not acknowledged yet.
    waiting: VecDeque<u64>,
    last: Option<(u64, u64)>,
    is_talking: bool,
    is_leaving: bool,
}

/// One person, on a thread.
struct Person {
    notes: Arc<Notes>,
    index: usize,
    name: String,
    address: SocketAddr,
    comes_back: bool,
    next: Instant,
    /// When to send delayed messages again.
    again: Option<Instant>,
}

impl People {
    pub fn new() -> Self {
        Self { notes: Arc::default(), threads: Vec::new() }
    }

    /// Connects a person, and waits for the welcome.
    pub fn come(&mut self, name: &str, address: SocketAddr, comes_back: bool) -> usize {
        let mut all = self.notes.lock();
        let index = all.len();
        all.push(Note { name: name.to_owned(), ..Note::default() });
        drop(all);
        let (notes, name) = (Arc::clone(&self.notes), name.to_owned());
        let next = Instant::now();
        let person = Person { notes, index, name, address, comes_back, next, again: None };
        self.threads.push(thread::spawn(move || person.live()));
        self.until("a welcome", |all| all[index].welcomes > 0);
        index
    }

    /// Makes the first `people` people talk, or fall silent.
    pub fn talk(&self, people: usize, is_talking: bool) {
        let mut all = self.notes.lock();
        all.iter_mut().take(people).for_each(|note| note.is_talking = is_talking);
    }

    /// Waits until the notes meet a condition, and returns them.
    pub fn until(&self, what: &str, is_so: impl Fn(&[Note]) -> bool) -> Vec<Note> {
        let waits = |all: &mut Vec<Note>| !is_so(all);
        let waited = self.notes.changed.wait_timeout_while(self.notes.lock(), PATIENCE, waits);
        let (all, waited) = waited.unwrap();
        assert!(!waited.timed_out(), "timed out: {what}\n{}", show(&all));
        all.clone()
    }

    pub fn notes(&self) -> Vec<Note> {
        self.notes.lock().clone()
    }
}

impl Drop for People {
    fn drop(&mut self) {
        self.notes.lock().iter_mut().for_each(|note| note.is_leaving = true);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "somebody panicked");
        }
    }
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Vec<Note>> {
        self.all.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Note {
    pub fn has_all_said(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Person {
    fn live(mut self) {
        let timeouts = Timeouts::new().connect(Duration::from_secs(5)).ping(Duration::from_secs(2));
        let client = Client::new().timeouts(timeouts);
        while !self.note(|note| note.is_leaving) {
            if let Ok(mut ws) = client.connect(&format!("ws://{}/ws", self.address)) {
                let code = self.attend(&mut ws).unwrap_or(1006);
                self.note(|note| {
                    note.node = None;
                    note.closes.push(code);
                });
                if !self.comes_back {
                    return;
                }
            }
            // People must not all reconnect at once. The clock is random enough for this.
            let nanos = u64::from(Instant::now().duration_since(self.next).subsec_nanos());
            thread::sleep(BACK_OFF.mul_f64((nanos % 1_000) as f64 / 1e3));
        }
    }

    /// Stays in the room until the connection ends, and returns the close code.
    fn attend(&mut self, ws: &mut WebSocket) -> Result<u16, Error> {
        let last = self.note(|note| note.last);
        ws.send(
            json!({
                "type": "join", "room": "lobby", "name": self.name,
                "session": format!("session-of-{}", self.name),
                "after": last.map(|(millis, count)| format!("{millis}-{count}")),
            })
            .to_string(),
        )?;
        self.again = None;
        loop {
            match ws.recv_timeout(Duration::from_millis(10)) {
                Ok(Some(Message::Text(text))) => {
                    let reply = serde_json::from_str(&text).expect("nodes speak JSON");
                    self.hear(ws, &reply)?;
                }
                Ok(Some(_)) => panic!("nodes send text"),
                Ok(None) => return Ok(ws.close_status().map_or(1006, |status| status.code())),
                Err(Error::Timeout(Operation::Receive)) => {}
                Err(error) => return Err(error),
            }
            if self.note(|note| note.is_leaving) {
                ws.close()?;
                return Ok(1000);
            }
            self.speak(ws)?;
        }
    }

    /// Says something new, or sends delayed messages again.
    fn speak(&mut self, ws: &WebSocket) -> Result<(), Error> {
        if self.again.is_some_and(|at| at <= Instant::now()) {
            self.again = None;
            return self.say_again(ws);
        }
        if self.again.is_some() || self.next > Instant::now() {
            return Ok(());
        }
        let number = self.note(|note| {
            let may = note.node.is_some() && note.is_talking && note.waiting.len() < WINDOW;
            may.then(|| {
                let number = note.said + note.waiting.len() as u64 + 1;
                note.waiting.push_back(number);
                number
            })
        });
        self.next = Instant::now() + PACE;
        number.map_or(Ok(()), |number| say(ws, number))
    }

    fn say_again(&self, ws: &WebSocket) -> Result<(), Error> {
        self.note(|note| note.waiting.clone()).into_iter().try_for_each(|number| say(ws, number))
    }

    fn hear(&mut self, ws: &WebSocket, reply: &Value) -> Result<(), Error> {
        let text = |field: &str| reply[field].as_str().unwrap_or_default().to_owned();
        match reply["type"].as_str().expect("each has a type") {
            "welcome" => {
                self.note(|note| {
                    lines(note, &reply["history"]);
                    note.members = names(&reply["members"]);
                    note.node = Some(text("node"));
                    note.welcomes += 1;
                    note.missed += usize::from(reply["missed"] == true);
                });
                self.say_again(ws)?;
            }
            "history" => self.note(|note| lines(note, &reply["lines"])),
            "line" => self.note(|note| line(note, reply)),
            "members" => self.note(|note| note.members = names(&reply["members"])),
            "said" => {
                let number: u64 = text("key").parse().unwrap();
                self.note(|note| {
                    // A message that was sent twice gets a second answer, which is not new.
                    if note.waiting.front() == Some(&number) {
                        note.waiting.pop_front();
                        note.said = number;
                    }
                    assert!(number <= note.said, "{number} is said before {:?}", note.waiting);
                });
            }
            "delayed" => {
                self.again.get_or_insert(Instant::now() + Duration::from_millis(100));
                self.note(|note| note.delayed += 1);
            }
            "missed" => self.note(|note| note.missed += 1),
            "refused" => self.note(|note| note.refused.push(text("why"))),
            "latency" => {}
            other => panic!("unknown reply {other}"),
        }
        Ok(())
    }

    fn note<T>(&self, change: impl FnOnce(&mut Note) -> T) -> T {
        let outcome = change(&mut self.notes.lock()[self.index]);
        self.notes.changed.notify_all();
        outcome
    }
}

fn say(ws: &WebSocket, number: u64) -> Result<(), Error> {
    let number = number.to_string();
    ws.send(json!({ "type": "say", "key": number, "text": number }).to_string())
}

fn lines(note: &mut Note, lines: &Value) {
    lines.as_array().expect("lines").iter().for_each(|said| line(note, said));
}

/// Notes a line if its number is new. Lines can come twice, for instance after the welcome of a
/// node that is a little behind. Skipping them is up to the client.
fn line(note: &mut Note, said: &Value) {
    let number = said["number"].as_str().and_then(|number| number.split_once('-')).unwrap();
    let number: (u64, u64) = (number.0.parse().unwrap(), number.1.parse().unwrap());
    if note.last.is_none_or(|last| last < number) {
        note.last = Some(number);
        let name = said["name"].as_str().unwrap().to_owned();
        note.seen.push((name, said["text"].as_str().unwrap().parse().unwrap()));
    }
}

fn names(members: &Value) -> Vec<String> {
    let names = members.as_array().expect("names").iter();
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Asserts that each person has seen all messages of each speaker once and in order, and that all
/// people have seen them in the same order.
pub fn assert_all_was_seen_once_and_in_order(notes: &[Note]) {
    let first = &notes[0];
    for note in notes {
        assert_eq!(note.missed, 0, "{} was told of lines that are gone", note.name);
        assert_eq!(note.refused, Vec::<String>::new(), "{}", note.name);
        assert!(note.seen == first.seen, "{} saw another order\n{}", note.name, show(notes));
        let speakers: BTreeSet<_> = note.seen.iter().map(|(name, _)| name).collect();
        assert!(speakers.iter().all(|name| notes.iter().any(|other| other.name == **name)));
        for speaker in notes {
            let of_speaker = note.seen.iter().filter(|(name, _)| *name == speaker.name);
            let seen: Vec<_> = of_speaker.map(|(_, number)| *number).collect();
            let said: Vec<_> = (1..=speaker.said).collect();
            assert_eq!(seen, said, "what {} saw of {}", note.name, speaker.name);
        }
    }
}

pub fn show(notes: &[Note]) -> String {
    let show = |note: &Note| {
        format!(
            "{}: at {:?}, {} welcomes, closed {:?}, said {}, waiting {:?}, saw {}, delayed {}, \
             missed {}, refused {:?}, sees {:?}\n",
            note.name,
            note.node,
            note.welcomes,
            note.closes,
            note.said,
            note.waiting,
            note.seen.len(),
            note.delayed,
            note.missed,
            note.refused,
            note.members
        )
    };
    notes.iter().map(show).collect()
}
