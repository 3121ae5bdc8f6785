//! Tests that `SlowPolicy::Wait` limits a whole broadcast, however many members are slow, and that
//! the others still get every message.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
mod wire;

use std::mem;
use std::time::Duration;

use pipe::Pipe;
use task::Task;
use tightwire::{Hub, PreparedMessage, Role, SlowPolicy, Timeouts};

const SLOW: u32 = 50;
const FAST: u32 = 5;
const WAIT: Duration = Duration::from_millis(50);
/// The most that slow members may add to this time.
const SLICE: Duration = Duration::from_millis(10);

#[test]
fn a_waiting_broadcast_ends_in_time_however_many_members_are_slow() {
    let hub = Hub::new(SlowPolicy::Wait(WAIT));
    let slow: Vec<_> = (0..SLOW).map(|_| Pipe::with_room(0)).collect();
    let fast: Vec<_> = (0..FAST).map(|_| Pipe::new(Role::Server)).collect();
    let all = slow.iter().chain(&fast);
    let all: Vec<_> = all.map(|pipe| pipe.open(Timeouts::default())).collect();
    let _members: Vec<_> = all.iter().map(|ws| hub.join(ws.sender())).collect();
    for number in 0..4 {
        let (hub, message) = (hub.clone(), PreparedMessage::new(number.to_string()));
        let report = Task::spawn(move || hub.broadcast_prepared(&message)).end();
        assert_eq!(report.disconnected, 0);
        assert!(report.delivered >= u64::from(FAST), "{report:?}");
        // The time spent on members that accept nothing does not depend on the speed of this
        // machine.
        let blocked: Duration = slow.iter().map(|pipe| mem::take(&mut pipe.state().blocked)).sum();
        assert!(blocked <= SLICE, "broadcast {number}: {blocked:?}");
    }
    for pipe in &fast {
        let expected: Vec<_> = (0..4).map(|i: i32| (0x81, i.to_string().into_bytes())).collect();
        assert_eq!(pipe.frames(), expected);
    }
}

#[test]
fn a_broadcast_waits_for_a_member_that_reads_again_in_time() {
    let hub = Hub::new(SlowPolicy::Wait(wire::PATIENCE));
    let (slow, fast) = (Pipe::with_room(0), Pipe::new(Role::Server));
    let all = [&slow, &fast].map(|pipe| pipe.open(Timeouts::default()));
    let _members = all.each_ref().map(|ws| hub.join(ws.sender()));
    let broadcast = Task::spawn(move || hub.broadcast("message"));
    // The other members do not wait for the slow one.
    fast.await_frame(0x81, b"message");
    slow.set_room(usize::MAX);
    let report = broadcast.end();
    assert_eq!((report.delivered, report.dropped), (2, 0));
    slow.await_frame(0x81, b"message");
}
