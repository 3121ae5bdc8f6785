//! Tests how long a receive waits in one read: until the receiver next has other work, and no
//! shorter.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
mod wire;

use std::time::Duration;

use pipe::Pipe;
use task::{LONG, Task};
use tightwire::{Error, Hub, MessageKind, Operation, Role, SlowPolicy, Timeouts};
use wire::close_body;

/// Shorter than the uptime of the machine, so that a clock can represent it.
const MINUTE: Duration = Duration::from_secs(60);

fn timeouts() -> Timeouts {
    Timeouts::new().write(LONG).close(LONG).linger(LONG).ping(None)
}

fn read_timeout(pipe: &Pipe) -> Duration {
    pipe.await_reader();
    pipe.state().read_timeout.unwrap()
}

#[test]
fn an_idle_connection_waits_for_the_earliest_of_its_deadlines() {
    for (timeouts, expected) in [
        (timeouts(), LONG),
        (timeouts().close(MINUTE), MINUTE),
        (timeouts().ping(MINUTE), MINUTE),
        (timeouts().ping(2 * MINUTE).close(MINUTE), MINUTE),
        (timeouts().ping(MINUTE).close(2 * MINUTE), MINUTE),
    ] {
        for is_split in [false, true] {
            let pipe = Pipe::new(Role::Server);
            let mut ws = pipe.open(timeouts);
            let sender = ws.sender();
            let receive = if is_split {
                let (_, mut receiver) = ws.split();
                Task::spawn(move || receiver.recv().map(drop))
            } else {
                Task::spawn(move || ws.recv().map(drop))
            };
            assert_eq!(read_timeout(&pipe), expected);
            // Bytes that were written or fed do not change this.
            sender.send("sent").unwrap();
            sender.feed("fed").unwrap();
            pipe.feed_frame(0x8a, b"");
            assert_eq!(read_timeout(&pipe), expected);
            sender.abort();
            assert!(receive.end().is_err());
        }
    }
}

#[test]
fn a_receiver_waits_only_briefly_while_bytes_are_unwritten() {
    for is_split in [false, true] {
        let pipe = Pipe::with_room(0);
        let mut ws = pipe.open(timeouts().write(Duration::ZERO));
        let sender = ws.sender();
        assert!(matches!(sender.send("late"), Err(Error::Timeout(Operation::Flush))));
        let receive = if is_split {
            let (_, mut receiver) = ws.split();
            Task::spawn(move || receiver.recv().map(drop))
        } else {
            // A connection that is not split reports that the peer does not read.
            Task::spawn(move || {
                loop {
                    match ws.recv() {
                        Err(Error::Timeout(Operation::Flush)) => {}
                        outcome => return outcome.map(drop),
                    }
                }
            })
        };
        let timeout = read_timeout(&pipe);
        assert!(timeout < Duration::from_secs(1), "{timeout:?}");
        pipe.set_room(usize::MAX);
        pipe.await_frame(0x81, b"late");
        // From then on, the receiver waits for the full time again.
        pipe.await_that("a long read", |state| state.read_timeout == Some(LONG));
        sender.abort();
        assert!(receive.end().is_err());
    }
}

#[test]
fn a_receiver_waits_only_briefly_while_a_pong_is_unwritten() {
    let pipe = Pipe::with_room(0);
    let (sender, mut receiver) = pipe.open(timeouts().write(Duration::ZERO)).split();
    let receive = Task::spawn(move || receiver.recv().map(drop));
    pipe.await_reader();
    pipe.feed_frame(0x89, b"ping");
    let is_short = |timeout: Option<Duration>| timeout.is_some_and(|t| t < Duration::from_secs(1));
    pipe.await_that("a short read", |state| is_short(state.read_timeout));
    pipe.set_room(usize::MAX);
    pipe.await_frame(0x8a, b"ping");
    sender.abort();
    assert!(receive.end().is_err());
}

#[test]
fn a_broadcast_that_waits_for_a_message_to_end_does_not_shorten_reads() {
    let pipe = Pipe::new(Role::Server);
    let (sender, mut receiver) = pipe.open(timeouts()).split();
    let hub = Hub::new(SlowPolicy::Drop);
    let _member = hub.join(sender.clone());
    let mut writer = sender.writer(MessageKind::Text);
    std::io::Write::write_all(&mut writer, b"first").unwrap();
    std::io::Write::flush(&mut writer).unwrap();
    assert_eq!(hub.broadcast("broadcast").delivered, 1);
    let receive = Task::spawn(move || receiver.recv().map(drop));
    assert_eq!(read_timeout(&pipe), LONG);
    writer.finish().unwrap();
    pipe.await_frame(0x81, b"broadcast");
    sender.abort();
    assert!(receive.end().is_err());
}

#[test]
fn a_nonblocking_write_does_not_count_the_silence_twice() {
    for is_busy in [false, true] {
        let silence = Duration::from_millis(100);
        let (slow, pipe) = (Pipe::with_room(0), Pipe::new(Role::Server));
        let [slow_ws, mut ws] = [&slow, &pipe].map(|pipe| pipe.open(timeouts().ping(silence)));
        let hub = Hub::new(SlowPolicy::Drop);
        let _members = [&slow_ws, &ws].map(|ws| hub.join(ws.sender()));
        if is_busy {
            // The broadcast comes before the read, not during it.
            assert_eq!(hub.broadcast("broadcast").delivered, 2);
        }
        let sender = ws.sender();
        let receive = Task::spawn(move || ws.recv().map(drop));
        pipe.await_that("a Ping", |state| state.frames.iter().any(|frame| frame.0 == 0x89));
        let waited = pipe.state().waited;
        assert!(waited < 2 * silence, "{waited:?}");
        sender.abort();
        assert!(receive.end().is_err());
    }
}

#[test]
fn after_our_close_frame_a_read_waits_for_the_answer_and_no_ping_is_sent() {
    let pipe = Pipe::new(Role::Server);
    let mut ws = pipe.open(timeouts().ping(Duration::from_millis(1)).close(MINUTE));
    ws.sender().close().unwrap();
    let receive = Task::spawn(move || ws.recv());
    let timeout = read_timeout(&pipe);
    assert!(timeout > MINUTE / 2 && timeout <= MINUTE, "{timeout:?}");
    pipe.feed(&pipe.frame(0x88, &close_body(1000, "")), pipe::Then::End);
    assert_eq!(receive.end().unwrap(), None);
    assert_eq!(pipe.opcodes(), [0x88]);
}
