//! Tests the promises of the chat over several processes, while parts of it are killed.
//!
//! Each test has its own Redis, three nodes and HAProxy. Six people talk through the proxy all the
//! time. At the end, each of them must have seen every acknowledged message once, and in the order
//! in which its sender said it.

mod stage;

use stage::people::{Note, People, assert_all_was_seen_once_and_in_order, show};
use stage::programs::{Cluster, NAMES, Persistence, are_there, get};

const PEOPLE: [&str; 6] = ["Ann", "Ben", "Carol", "Dave", "Eve", "Frank"];

/// The number of messages of each person that are acknowledged between two events.
const SOME: u64 = 20;

#[test]
fn a_node_is_killed() {
    if !are_there() {
        return;
    }
    let mut cluster = Cluster::start(Persistence::Nothing);
    let mut people = gather(&cluster);
    let victim = people.notes()[0].node.clone().unwrap();
    // A member that is connected directly to that node, and does not come back.
    let ghost = people.come("Ghost", cluster.node(&victim).address, false);
    people.until("all see the ghost", |all| all.iter().all(|note| note.members.len() == 7));
    let before = some_is_said(&people);

    cluster.node(&victim).program().kill();
    let was_there = |note: &Note| note.node.as_ref() == Some(&victim);
    people.until("those of the dead node are elsewhere", |all| {
        all.iter().zip(&before).take(PEOPLE.len()).all(|(note, before)| {
            !was_there(before) || note.node.as_ref().is_some_and(|node| *node != victim)
        })
    });
    assert_eq!(people.notes()[ghost].closes, [1006]);
    people.until("nobody sees the ghost", |all| {
        all.iter().take(PEOPLE.len()).all(|note| note.members.len() == PEOPLE.len())
    });
    some_is_said(&people);

    cluster.restart_node(&victim);
    let grace = people.come("Grace", cluster.address, true);
    assert_eq!(people.notes()[grace].node.as_ref(), Some(&victim), "it is the emptiest");
    let notes = conclude(&people);
    for (note, before) in notes.iter().zip(&before) {
        assert_eq!(note.welcomes, if was_there(before) { 2 } else { 1 }, "{}", show(&notes));
    }
}

#[test]
fn a_node_is_drained() {
    if !are_there() {
        return;
    }
    let mut cluster = Cluster::start(Persistence::Nothing);
    let people = gather(&cluster);
    let before = some_is_said(&people);
    let victim = before[0].node.clone().unwrap();

    cluster.node(&victim).program().signal("TERM");
    cluster.node(&victim).until_health_is(503);
    cluster.until_state_is(&victim, "DOWN");
    let notes = people.notes();
    assert!(notes.iter().all(|note| note.closes.is_empty()), "too early\n{}", show(&notes));
    let was_there = |note: &Note| note.node.as_ref() == Some(&victim);
    people.until("those of the node are elsewhere", |all| {
        all.iter().zip(&before).all(|(note, before)| {
            !was_there(before) || note.node.as_ref().is_some_and(|node| *node != victim)
        })
    });
    assert!(cluster.node(&victim).program().until_it_ends().success());
    some_is_said(&people);

    let notes = conclude(&people);
    for (note, before) in notes.iter().zip(&before) {
        let closes: &[u16] = if was_there(before) { &[1001] } else { &[] };
        assert_eq!(note.closes, closes, "{}", show(&notes));
        assert_eq!(note.delayed, 0, "{}", show(&notes));
    }
}

/// Redis keeps nothing on disk, and loses nothing: when it continues, it executes the commands that
/// arrived while it stood still. Messages that were sent again by then are there once.
#[test]
fn redis_stands_still() {
    if !are_there() {
        return;
    }
    let mut cluster = Cluster::start(Persistence::Nothing);
    let people = gather(&cluster);
    some_is_said(&people);
    cluster.redis().signal("STOP");
    redis_is_missed(&cluster, &people);
    cluster.redis().signal("CONT");
    redis_is_back(&cluster, &people);
}

/// Redis writes everything to disk before it answers.
#[test]
fn redis_is_killed_and_started_again() {
    if !are_there() {
        return;
    }
    let mut cluster = Cluster::start(Persistence::Everything);
    let people = gather(&cluster);
    some_is_said(&people);
    cluster.redis().kill();
    redis_is_missed(&cluster, &people);
    cluster.restart_redis();
    redis_is_back(&cluster, &people);
}

/// Connects six people, two to each node. They begin to talk once each of them sees all.
fn gather(cluster: &Cluster) -> People {
    let mut people = People::new();
    for name in PEOPLE {
        people.come(name, cluster.address, true);
    }
    let notes = people
        .until("all see all", |all| all.iter().all(|note| note.members.len() == PEOPLE.len()));
    for name in NAMES {
        let there = notes.iter().filter(|note| note.node.as_deref() == Some(name)).count();
        assert_eq!(there, 2, "{}", show(&notes));
    }
    people.talk(PEOPLE.len(), true);
    people
}

/// Waits until `SOME` more messages of each person are acknowledged.
fn some_is_said(people: &People) -> Vec<Note> {
    let before = people.notes();
    people.until("some is said", |all| {
        all.iter().zip(&before).take(PEOPLE.len()).all(|(n, before)| n.said >= before.said + SOME)
    })
}

/// Waits until each person gets `delayed`, and the health checks and the proxy answer 503.
fn redis_is_missed(cluster: &Cluster, people: &People) {
    let before = people.notes();
    people.until("all are put off", |all| {
        all.iter().zip(&before).all(|(note, before)| note.delayed > before.delayed)
    });
    cluster.nodes.iter().for_each(|node| node.until_health_is(503));
    NAMES.iter().for_each(|name| cluster.until_state_is(name, "DOWN"));
    assert_eq!(get(cluster.address, "/").map(|(status, _)| status), Some(503));
}

fn redis_is_back(cluster: &Cluster, people: &People) {
    NAMES.iter().for_each(|name| cluster.until_state_is(name, "UP"));
    some_is_said(people);
    people.until("all see all again", |all| {
        all.iter().all(|note| note.members.len() == PEOPLE.len())
    });
    let notes = conclude(people);
    for note in notes {
        assert_eq!((note.welcomes, note.closes), (1, Vec::new()), "nobody had to come back");
    }
}

/// Stops all talk, waits until all messages have arrived, and checks them.
fn conclude(people: &People) -> Vec<Note> {
    people.talk(PEOPLE.len(), false);
    let talkers = |all: &[Note]| all[..PEOPLE.len()].to_vec();
    people.until("all is said", |all| all[..PEOPLE.len()].iter().all(Note::has_all_said));
    let notes = people.until("all is seen", |all| {
        let all = &all[..PEOPLE.len()];
        all.iter().all(|note| {
            all.iter().all(|other| note.seen.contains(&(other.name.clone(), other.said)))
        })
    });
    let notes = talkers(&notes);
    assert_all_was_seen_once_and_in_order(&notes);
    notes
}
