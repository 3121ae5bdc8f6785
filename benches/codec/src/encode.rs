//! Encoding messages one after the other, into a buffer that is emptied at 64 KiB.

use std::hint::black_box;
use std::io::IoSlice;

use tightwire::frame::MaskingKey;
use tightwire::protocol::Outbound;
use tightwire::{MessageRef, Role};

use crate::entropy::masking_key;
use crate::measure::{Candidate, Table};
use crate::payloads::{Payload, all};
use crate::{by_hand, peers};

const FLUSH_AT: usize = 64 << 10;
/// From this length on, the library writes a payload from its own memory. A client masks a copy of
/// it, in pieces of FLUSH_AT bytes.
const COPY_MAX: usize = 4 << 10;

pub fn run(rounds: usize) {
    for role in [Role::Server, Role::Client] {
        let title = match role {
            Role::Server => "Encoding as a server, unmasked",
            Role::Client => "Encoding as a client, masked",
        };
        let mut table = Table::new(title, rounds);
        for payload in all() {
            row(&mut table, role, &payload);
        }
    }
}

fn row(table: &mut Table, role: Role, payload: &Payload) {
    let count = payload.count();
    let is_client = role == Role::Client;
    let outbound = || if is_client { Outbound::client(masking_key) } else { Outbound::server() };
    let mut copying = outbound();
    let mut vectored = outbound();
    let message = if payload.is_text {
        MessageRef::Text(payload.text())
    } else {
        MessageRef::Binary(&payload.bytes)
    };
    let mut out_by_hand = Vec::new();
    let mut out = Vec::new();
    let mut out_vectored = Vec::new();
    let mut candidates = vec![
        Candidate::new("by hand", || {
            for _ in 0..count {
                let key = if is_client { masking_key().map(|key| key.0) } else { None };
                let bytes = black_box(payload.bytes.as_slice());
                by_hand::encode(bytes, payload.is_text, key, &mut out_by_hand);
                flush(&mut out_by_hand, FLUSH_AT);
            }
        }),
        Candidate::new("tightwire", || {
            for _ in 0..count {
                copying.encode_message(black_box(message), &mut out).expect("it may be sent");
                flush(&mut out, FLUSH_AT);
            }
        }),
        Candidate::new("tightwire, vectored", || {
            for _ in 0..count {
                send(&mut vectored, black_box(message), &mut out_vectored);
            }
        }),
    ];
    candidates.extend(peers::encode(role, payload));
    table.row(payload.name, count, candidates);
}

fn flush(out: &mut Vec<u8>, at: usize) {
    if out.len() >= at {
        black_box(out.as_slice());
        out.clear();
    }
}

/// As a connection of the library does it.
fn send(outbound: &mut Outbound, message: MessageRef<'_>, out: &mut Vec<u8>) {
    let payload = message.as_bytes();
    if payload.len() <= COPY_MAX {
        outbound.encode_message(message, out).expect("it may be sent");
        flush(out, FLUSH_AT);
        return;
    }
    let key =
        outbound.encode_message_header(message.kind(), payload.len(), out).expect("it may be sent");
    match key {
        None => {
            black_box([IoSlice::new(out), IoSlice::new(payload)]);
            out.clear();
        }
        Some(key) => mask_in_pieces(key, payload, out),
    }
}

fn mask_in_pieces(key: MaskingKey, payload: &[u8], out: &mut Vec<u8>) {
    for piece in payload.chunks(FLUSH_AT) {
        let start = out.len();
        out.extend_from_slice(piece);
        key.apply(&mut out[start..], 0);
        flush(out, 0);
    }
}
