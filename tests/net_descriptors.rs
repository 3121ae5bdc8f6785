//! Tests that a connection that has ended releases its stream, and with it the file descriptor,
//! even if the program keeps senders or hub members.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
mod wire;

use pipe::{Pipe, Then};
use task::{LONG, Task};
use tightwire::{
    Error, Hub, Receiver, Role, SendError, Sender, SlowPolicy, State, Timeouts, WebSocket,
};
use wire::{PATIENCE, close_body};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn open(pipe: &Pipe) -> WebSocket {
    let timeouts = Timeouts::new().write(LONG).close(LONG).ping(None);
    pipe.open(timeouts)
}

#[track_caller]
fn await_drop(pipe: &Pipe) {
    pipe.await_that("the end of the stream", |state| state.is_dropped);
}

/// Asserts that a connection of which only a sender is left has released its stream.
#[track_caller]
fn assert_closed(sender: &Sender) {
    assert_eq!(sender.state(), State::Closed);
    let outcome = sender.send("late");
    assert!(matches!(outcome, Err(Error::Send(SendError::Closed))), "{outcome:?}");
    sender.abort();
    assert_eq!(sender.state(), State::Closed);
}

#[test]
fn a_closing_handshake_releases_the_stream() {
    for role in ROLES {
        let pipe = Pipe::new(role);
        let mut ws = open(&pipe);
        let sender = ws.sender();
        pipe.feed(&pipe.frame(0x88, &close_body(1000, "")), Then::End);
        assert_eq!(ws.recv().unwrap(), None);
        await_drop(&pipe);
        assert_closed(&sender);
        assert_eq!(ws.recv().unwrap(), None);
        assert!(ws.close_status().unwrap().was_clean());
    }
}

#[test]
fn our_own_close_releases_the_stream() {
    for role in ROLES {
        let pipe = Pipe::new(role);
        let mut ws = open(&pipe);
        let sender = ws.sender();
        pipe.feed(&pipe.frame(0x88, &close_body(1000, "")), Then::End);
        ws.close().unwrap();
        await_drop(&pipe);
        assert_closed(&sender);
        ws.close().unwrap();
    }
}

#[test]
fn a_failure_and_a_lost_peer_release_the_stream() {
    for role in ROLES {
        for bytes in [vec![0xff, 0xff], vec![]] {
            let pipe = Pipe::new(role);
            let (sender, mut receiver) = open(&pipe).split();
            pipe.feed(&bytes, Then::End);
            assert!(receiver.recv().is_err());
            await_drop(&pipe);
            assert_closed(&sender);
            assert_eq!(receiver.recv().unwrap(), None);
        }
    }
}

#[test]
fn dropping_the_receiver_releases_the_stream() {
    let pipe = Pipe::new(Role::Server);
    let (sender, receiver) = open(&pipe).split();
    drop(receiver);
    await_drop(&pipe);
    assert_closed(&sender);

    let pipe = Pipe::new(Role::Server);
    let ws = open(&pipe);
    let sender = ws.sender();
    drop(ws);
    await_drop(&pipe);
    assert_closed(&sender);
}

#[test]
fn a_hub_member_does_not_keep_the_stream() {
    let pipe = Pipe::new(Role::Server);
    let mut ws = open(&pipe);
    let hub = Hub::new(SlowPolicy::Drop);
    let member = hub.join(ws.sender());
    pipe.feed(&pipe.frame(0x88, b""), Then::End);
    assert_eq!(ws.recv().unwrap(), None);
    drop(ws);
    await_drop(&pipe);
    assert!(hub.is_empty());
    assert_eq!(hub.broadcast("late").delivered, 0);
    drop(member);
}

#[test]
fn an_abort_releases_the_stream_once_no_thread_uses_it() {
    // One thread is in a receive, which returns.
    let pipe = Pipe::new(Role::Server);
    let (sender, mut receiver): (Sender, Receiver) = open(&pipe).split();
    let receiving = Task::spawn(move || {
        let _ = receiver.recv();
        receiver
    });
    pipe.await_reader();
    sender.abort();
    let _receiver = receiving.end();
    await_drop(&pipe);
    assert_closed(&sender);
}

#[test]
fn a_blocked_write_keeps_the_stream_until_it_returns() {
    let end_by: [fn(&Sender, Receiver) -> Option<Receiver>; 2] = [
        |_, receiver| {
            drop(receiver);
            None
        },
        |sender, mut receiver| {
            sender.abort();
            let _ = receiver.recv();
            Some(receiver)
        },
    ];
    for end in end_by {
        let pipe = Pipe::new(Role::Server);
        let (sender, receiver) = open(&pipe).split();
        pipe.set_stuck(true);
        let sending = Task::spawn({
            let sender = sender.clone();
            move || sender.send("message")
        });
        pipe.await_writer();
        let ending = {
            let sender = sender.clone();
            Task::spawn(move || end(&sender, receiver))
        };
        let _receiver = ending.end();
        assert!(pipe.state().is_shut && !pipe.state().is_dropped, "the write is still blocked");
        pipe.set_stuck(false);
        assert!(sending.end().is_err());
        await_drop(&pipe);
        assert_closed(&sender);
    }
}

/// The other tests of this file open no files.
#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "/proc/self/fd is read, which Linux has")]
fn kept_senders_hold_no_open_files_in_a_server() {
    use std::sync::{Arc, Mutex};

    use task::await_that;
    use wire::Raw;

    fn open_files() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    let kept = Arc::new(Mutex::new(Vec::new()));
    let server = wire::server();
    let handle = server.handle();
    let keeper = Arc::clone(&kept);
    let address = wire::run(server, move |ws, request| {
        keeper.lock().unwrap().push(ws.sender());
        wire::echo(ws, request)
    });
    let serve_one = || {
        let mut raw = Raw::upgraded(address);
        raw.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        raw.send_frame(0x88, &close_body(1000, ""));
        assert_eq!(raw.read_frame(), (0x88, close_body(1000, "")));
        assert!(raw.read_to_end().is_empty());
    };
    // The first connection opens the files that the server keeps.
    serve_one();
    await_that("the end of a connection", || handle.connection_count() == 0);
    let before = open_files();
    (0..20).for_each(|_| serve_one());
    await_that("the end of the connections", || handle.connection_count() == 0);
    await_that("their files are closed", || open_files() <= before);
    assert_eq!(kept.lock().unwrap().len(), 21);
}
