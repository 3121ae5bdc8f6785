//! Checks of permessage-deflate (RFC 7692), which look at how many bytes a message takes.

use std::fmt::Write;

use tightwire::deflate::DeflateConfig;
use tightwire::{Message, WebSocket};

use super::messages::{bytes, expect, expect_messages, receive};
use super::{explain, with};
use crate::Failure;
use crate::echo::text;
use crate::peer::Role;
use crate::session::{Connection, Session, Wishes};

fn wishes(config: DeflateConfig) -> Wishes {
    Wishes { deflate: Some(config), ..Wishes::default() }
}

pub(crate) fn deflate(session: &Session) -> Result<(), Failure> {
    with(session, &wishes(DeflateConfig::new()), |Connection { ws, .. }| {
        negotiated(ws)?;
        exchange_all(ws)?;
        let records = records();
        let (sent, _) = exchange(ws, &records)?;
        if sent < records.len() as u64 * 3 / 4 {
            return Ok(());
        }
        Err(format!("{} bytes took {sent}", records.len()))
    })
}

/// An end that agreed to compress need not do it (RFC 7692 §6).
pub(crate) fn peer_compresses(session: &Session) -> Result<(), Failure> {
    with(session, &wishes(DeflateConfig::new()), |Connection { ws, .. }| {
        negotiated(ws)?;
        let records = records();
        let (_, received) = exchange(ws, &records)?;
        if received > records.len() as u64 * 3 / 4 {
            return Err(format!("{} bytes took {received}", records.len()));
        }
        exchange_all(ws)
    })
}

pub(crate) fn takeover(session: &Session) -> Result<(), Failure> {
    with(session, &wishes(DeflateConfig::new()), |Connection { ws, .. }| {
        let params = negotiated(ws)?;
        let takeover = (params.server.context_takeover, params.client.context_takeover);
        expect("takeover of server and client", takeover, (true, true))?;
        let records = records();
        let first = exchange(ws, &records)?;
        let second = exchange(ws, &records)?;
        if second.0 > first.0 / 2 || second.1 > first.1 / 2 {
            return Err(format!("{first:?} bytes sent and received at first, then {second:?}"));
        }
        exchange_all(ws)
    })
}

pub(crate) fn no_takeover(session: &Session) -> Result<(), Failure> {
    let config = DeflateConfig::new().no_context_takeover();
    with(session, &wishes(config), |Connection { ws, .. }| {
        let params = negotiated(ws)?;
        // A server need not repeat what the client says of itself (RFC 7692 §7.1.1.2).
        expect("takeover of the server", params.server.context_takeover, false)?;
        let records = records();
        let first = exchange(ws, &records)?;
        for _ in 0..3 {
            let later = exchange(ws, &records)?;
            if later.0 < first.0 * 3 / 4 || later.1 < first.1 * 3 / 4 {
                return Err(format!("{first:?} bytes sent and received at first, then {later:?}"));
            }
        }
        exchange_all(ws)
    })
}

/// As a server we can bound the window of the peer alone: only a client may ask for ours.
pub(crate) fn window(session: &Session) -> Result<(), Failure> {
    for bits in [9, 12] {
        let config = DeflateConfig::new().recv_window_bits(bits).send_window_bits(bits);
        with(session, &wishes(config), |Connection { ws, .. }| {
            let params = negotiated(ws)?;
            let window = if session.role == Role::Client { params.client } else { params.server };
            if window.window_bits > bits {
                return Err(format!("{} bits were agreed on, not {bits}", window.window_bits));
            }
            for _ in 0..3 {
                exchange(ws, &records())?;
            }
            exchange_all(ws)
        })?;
    }
    Ok(())
}

fn negotiated(ws: &WebSocket) -> Result<tightwire::deflate::Params, Failure> {
    ws.negotiated().deflate.ok_or_else(|| "permessage-deflate was not agreed on".into())
}

/// An empty message needs a block, too (RFC 7692 §7.2.3.6).
pub(crate) fn empty(session: &Session) -> Result<(), Failure> {
    with(session, &wishes(DeflateConfig::new().min_len(0)), |Connection { ws, .. }| {
        negotiated(ws)?;
        let empty = [text(""), Message::Binary(Vec::new()), text(""), text("Hello"), text("")];
        expect_messages(ws, &empty)
    })
}

/// Each message may be compressed or not (RFC 7692 §6).
pub(crate) fn mixed(session: &Session) -> Result<(), Failure> {
    with(session, &wishes(DeflateConfig::new()), |Connection { ws, .. }| {
        negotiated(ws)?;
        let plain = ws.sender().uncompressed();
        let records = records();
        for _ in 0..2 {
            plain.send(&*records).map_err(explain("sending"))?;
            expect("the echo", receive(ws)?, Some(text(&*records)))?;
            exchange(ws, &records)?;
        }
        Ok(())
    })
}

/// Data that cannot be compressed, longer than the buffers of most peers.
pub(crate) fn noise(session: &Session) -> Result<(), Failure> {
    with(session, &wishes(DeflateConfig::new()), |Connection { ws, .. }| {
        negotiated(ws)?;
        let noise = bytes(70_000).into_iter().scan(1_u32, |state, byte| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some(byte ^ (*state >> 24) as u8)
        });
        expect_messages(ws, &[Message::Binary(noise.collect()), text(records())])
    })
}

/// Short and long messages.
fn exchange_all(ws: &mut WebSocket) -> Result<(), Failure> {
    let scripts = "Grüße, 世界 🦀. Жизнь прекрасна. ".repeat(40);
    let messages = [
        text(scripts.clone()),
        Message::Binary(bytes(70_000)),
        text(records().repeat(40)),
        text(scripts),
    ];
    expect_messages(ws, &messages)
}

/// Has a message echoed. Returns the bytes that it took to send and to receive.
fn exchange(ws: &mut WebSocket, message: &str) -> Result<(u64, u64), Failure> {
    let before = ws.counters();
    ws.send(message).map_err(explain("sending"))?;
    expect("the echo", receive(ws)?, Some(text(message)))?;
    let after = ws.counters();
    Ok((after.bytes_sent - before.bytes_sent, after.bytes_received - before.bytes_received))
}

/// Some 2 kB of JSON, whose records differ: a window of 12 bits holds all of it.
fn records() -> String {
    let mut json = String::from("[");
    for n in 0..40_u32 {
        let id = n.wrapping_mul(2_654_435_761);
        let tag = ["new", "sold", "reserved"][n as usize * 5 % 7 % 3];
        let _ = write!(json, "{{\"id\":{id},\"tag\":\"{tag}\",\"even\":{}}},", id % 2 == 0);
    }
    json + "0]"
}
