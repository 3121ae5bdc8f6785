//! Decoding from one buffer that holds many messages.

use std::hint::black_box;
use std::io::Read;

use tightwire::Role;
use tightwire::protocol::{Event, Inbound, Limits};

use crate::measure::{Candidate, Table};
use crate::mock::Mock;
use crate::payloads::{Payload, all};
use crate::{by_hand, peers};

/// The largest buffer that a connection of the library reads into.
const READ: usize = 256 << 10;

pub fn run(rounds: usize) {
    for role in [Role::Server, Role::Client] {
        let title = match role {
            Role::Server => "Decoding as a server, masked (owned messages)",
            Role::Client => "Decoding as a client, unmasked (owned messages)",
        };
        let mut table = Table::new(title, rounds);
        for payload in all() {
            row(&mut table, role, &payload);
        }
    }
}

fn row(table: &mut Table, role: Role, payload: &Payload) {
    let count = payload.count();
    let masked = role == Role::Server;
    let wire = payload.wire(masked);
    let mut inbound = Inbound::new(role, Limits::default());
    let mut reading = Inbound::new(role, Limits::default());
    let mut mock = Mock::new(&wire);
    let mut buffer = vec![0; READ];
    let mut candidates = vec![
        Candidate::new("by hand", || {
            let mut input = black_box(wire.as_slice());
            for _ in 0..count {
                black_box(by_hand::decode(&mut input, masked).expect("a message"));
            }
        }),
        Candidate::new("tightwire", || {
            let mut input = black_box(wire.as_slice());
            while let Ok(Some(Event::Message(message))) = inbound.next_event(&mut input) {
                black_box(message);
            }
        }),
        // The peers read before they decode, so compare them with this one.
        Candidate::new("tightwire, reading", || {
            let mut left = wire.len();
            while left > 0 {
                let count = mock.read(&mut buffer).expect("bytes");
                left -= count;
                let mut input = &buffer[..count];
                while let Some(event) = reading.next_event(&mut input).expect("no rule is broken") {
                    black_box(event);
                }
            }
        }),
    ];
    candidates.extend(peers::decode(role, &wire, count));
    table.row(payload.name, count, candidates);
}
