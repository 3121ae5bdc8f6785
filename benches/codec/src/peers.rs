//! Other libraries, each through its public API over a [`Mock`].

use std::hint::black_box;

use fastwebsockets::{FragmentCollector, Frame};
use futures_util::{SinkExt, StreamExt};
use tightwire::Role;
use tokio_websockets::{ClientBuilder, Config, ServerBuilder, WebSocketStream};

use crate::measure::Candidate;
use crate::mock::{Mock, block_on};
use crate::payloads::Payload;

/// The bytes that libraries with a write buffer collect before they write.
const FLUSH_AT: usize = 64 << 10;

pub fn decode<'a>(role: Role, wire: &'a [u8], count: usize) -> Vec<Candidate<'a>> {
    let mut tungstenite = tungstenite(role, wire);
    let mut fastwebsockets = FragmentCollector::new(fastwebsockets(role, wire));
    let mut tokio_websockets = tokio_websockets(role, wire);
    vec![
        Candidate::new("tungstenite", move || {
            for _ in 0..count {
                black_box(tungstenite.read().expect("a message"));
            }
        }),
        Candidate::new("fastwebsockets", move || {
            for _ in 0..count {
                black_box(block_on(fastwebsockets.read_frame()).expect("a message"));
            }
        }),
        Candidate::new("tokio-websockets", move || {
            for _ in 0..count {
                let message = block_on(tokio_websockets.next()).expect("the stream never ends");
                black_box(message.expect("a message"));
            }
        }),
    ]
}

pub fn encode(role: Role, payload: &Payload) -> Vec<Candidate<'_>> {
    let count = payload.count();
    // Libraries that take owned messages get shared ones, which is the cheapest way.
    let shared = tungstenite::Bytes::from(payload.bytes.clone());
    let message = if payload.is_text {
        tungstenite::Message::Text(shared.clone().try_into().expect("text"))
    } else {
        tungstenite::Message::Binary(shared.clone())
    };
    let tokio_message = if payload.is_text {
        tokio_websockets::Message::text(payload.text().to_owned())
    } else {
        tokio_websockets::Message::binary(shared)
    };
    let mut tungstenite = tungstenite(role, &[]);
    let mut fastwebsockets = fastwebsockets(role, &[]);
    let mut tokio_websockets = tokio_websockets(role, &[]);
    vec![
        Candidate::new("tungstenite", move || {
            for _ in 0..count {
                tungstenite.write(black_box(&message).clone()).expect("it is taken");
            }
            tungstenite.flush().expect("it is taken");
        }),
        Candidate::new("fastwebsockets", move || {
            for _ in 0..count {
                let bytes = black_box(payload.bytes.as_slice()).into();
                let frame = if payload.is_text { Frame::text(bytes) } else { Frame::binary(bytes) };
                block_on(fastwebsockets.write_frame(frame)).expect("it is taken");
            }
        }),
        Candidate::new("tokio-websockets", move || {
            for _ in 0..count {
                let message = black_box(&tokio_message).clone();
                block_on(tokio_websockets.feed(message)).expect("it is taken");
            }
            block_on(tokio_websockets.flush()).expect("it is taken");
        }),
    ]
}

fn tungstenite(role: Role, wire: &[u8]) -> tungstenite::WebSocket<Mock<'_>> {
    use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
    let role = match role {
        Role::Client => TheirRole::Client,
        Role::Server => TheirRole::Server,
    };
    let config = WebSocketConfig::default().write_buffer_size(FLUSH_AT);
    WebSocket::from_raw_socket(Mock::new(wire), role, Some(config))
}

fn fastwebsockets(role: Role, wire: &[u8]) -> fastwebsockets::WebSocket<Mock<'_>> {
    let role = match role {
        Role::Client => fastwebsockets::Role::Client,
        Role::Server => fastwebsockets::Role::Server,
    };
    fastwebsockets::WebSocket::after_handshake(Mock::new(wire), role)
}

fn tokio_websockets(role: Role, wire: &[u8]) -> WebSocketStream<Mock<'_>> {
    let config = Config::default().flush_threshold(FLUSH_AT);
    match role {
        Role::Client => ClientBuilder::new().config(config).take_over(Mock::new(wire)),
        Role::Server => ServerBuilder::new().config(config).serve(Mock::new(wire)),
    }
}
