//! Tests compressed messages over TCP: the negotiation, the bytes on the wire, and all ways to send
//! and receive, with and without compression.
#![cfg(feature = "deflate")]

mod support;
mod wire;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use support::deflate::Item::{Literals, Match};
use support::deflate::{Blocks, Inflated, TAIL, inflate};
use tightwire::deflate::{DeflateConfig, DirectionParams, ParamsError};
use tightwire::handshake::{AcceptOptions, HandshakeError};
use tightwire::{
    Acceptor, Client, CloseCode, Error, Hub, Limits, Message, MessageKind, Operation,
    PreparedMessage, ProtocolError, Server, SlowPolicy, Timeouts, WebSocket,
};
use wire::{PATIENCE, REQUEST, Raw, close_body, echo, field, hex, run, server};

const OFFER: &str = "permessage-deflate; client_max_window_bits";

fn compressing(config: DeflateConfig) -> Server {
    server().acceptor(Acceptor::new().deflate(config))
}

/// Text that is compressible and long enough to be compressed.
fn text(len: usize) -> String {
    let mut text: String = (0..len / 10 + 1).map(|i| format!("line {:4}\n", i % 1000)).collect();
    text.truncate(len);
    text
}

/// Connects as a raw client with this offer, and returns the response to it.
fn raw_client(address: SocketAddr, offer: &str) -> (Peer, Option<String>) {
    let mut raw = Raw::connect(address);
    let fields = format!("Sec-WebSocket-Extensions: {offer}\r\n\r\n");
    raw.send(REQUEST.replace("\r\n\r\n", &format!("\r\n{fields}")));
    let head = raw.read_head();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    (Peer::new(raw), field(&head, "Sec-WebSocket-Extensions"))
}

/// Responds to the opening handshake of a client with this extension.
fn answer(raw: &mut Raw, extension: &str) -> String {
    let request = raw.read_head();
    let key = field(&request, "Sec-WebSocket-Key").unwrap();
    let accept = tightwire::handshake::accept_value(&key);
    raw.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: {extension}\r\n\r\n"
    ));
    request
}

/// A peer with its own decompressor.
#[derive(Debug)]
struct Peer {
    raw: Raw,
    /// The content of the compressed messages so far.
    before: Vec<u8>,
    /// The number of Pings that it has answered.
    pings: usize,
}

/// A received message.
#[derive(Debug)]
struct Came {
    /// The first bytes of its frames.
    firsts: Vec<u8>,
    /// The payload on the wire.
    payload: Vec<u8>,
    data: Vec<u8>,
    largest_distance: usize,
}

impl Peer {
    fn new(raw: Raw) -> Self {
        Self { raw, before: Vec::new(), pings: 0 }
    }

    /// Reads a message, and answers Pings as a client does.
    #[track_caller]
    fn read_message(&mut self) -> Came {
        let (mut firsts, mut payload) = (Vec::new(), Vec::new());
        loop {
            let (first, data) = self.raw.read_frame();
            if first == 0x89 {
                self.raw.send_frame(0x8a, &data);
                self.pings += 1;
                continue;
            }
            assert!(first & 0x08 == 0, "{first:x} {data:02x?}");
            firsts.push(first);
            payload.extend(data);
            if first & 0x80 != 0 {
                break;
            }
        }
        if firsts[0] & 0x40 == 0 {
            return Came { firsts, data: payload.clone(), payload, largest_distance: 0 };
        }
        let Inflated { data, largest_distance, .. } = inflate(&payload, &self.before).unwrap();
        self.before.extend_from_slice(&data);
        Came { firsts, payload, data, largest_distance }
    }
}

/// Returns the two ends of a connection.
fn pair(client: &Client, acceptor: &Acceptor) -> (WebSocket, WebSocket) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    thread::scope(|scope| {
        let client = scope.spawn(move || client.connect(&url).unwrap());
        let (server, _) = acceptor.accept(listener.accept().unwrap().0).unwrap();
        (client.join().unwrap(), server)
    })
}

/// Returns a client and a server with default compression.
fn usual_pair() -> (WebSocket, WebSocket) {
    let (client, acceptor) = (Client::new(), Acceptor::new());
    pair(&client.deflate(DeflateConfig::new()), &acceptor.deflate(DeflateConfig::new()))
}

// proves 7692-3-3, 7692-5-20, 7692-5-27, 7692-5-29
#[test]
fn both_ends_apply_the_negotiated_parameters() {
    let config = DeflateConfig::new;
    let small = || config().send_window_bits(9).recv_window_bits(10);
    let cases = [
        (None, None, None),
        (Some(config()), None, None),
        (None, Some(config()), None),
        (Some(config()), Some(config()), Some(((true, 15), (true, 15)))),
        (Some(config().no_context_takeover()), Some(config()), Some(((false, 15), (false, 15)))),
        (Some(config()), Some(config().no_context_takeover()), Some(((false, 15), (false, 15)))),
        (Some(small()), Some(config()), Some(((true, 10), (true, 9)))),
        (Some(config()), Some(small()), Some(((true, 15), (true, 10)))),
        (Some(config().send_window_bits(8)), Some(config()), Some(((true, 15), (true, 8)))),
    ];
    for (client, server, expected) in cases {
        let case = format!("{client:?} {server:?}");
        let client = client.into_iter().fold(Client::new(), Client::deflate);
        let acceptor = server.into_iter().fold(Acceptor::new(), Acceptor::deflate);
        let (mut client, mut server) = pair(&client, &acceptor);
        assert_eq!(client.negotiated(), server.negotiated(), "{case}");
        let one = |coding: DirectionParams| (coding.context_takeover, coding.window_bits);
        let negotiated =
            client.negotiated().deflate.map(|params| (one(params.server), one(params.client)));
        assert_eq!(negotiated, expected, "{case}");
        let extension = client.response().unwrap().headers().get("Sec-WebSocket-Extensions");
        assert_eq!(extension.is_some(), expected.is_some(), "{case}");
        for len in [0, 10, 1000, 100_000] {
            let text = text(len);
            client.send(&*text).unwrap();
            assert_eq!(server.recv().unwrap(), Some(Message::from(&*text)), "{case}");
            server.send(text.as_bytes()).unwrap();
            assert_eq!(client.recv().unwrap(), Some(Message::from(text.into_bytes())), "{case}");
        }
    }
}

// proves 7692-7-10, 7692-5-28
#[test]
fn a_client_refuses_an_invalid_deflate_response() {
    for (extension, expected) in [
        ("permessage-deflate; foo", ParamsError::Unknown("foo".to_owned())),
        ("permessage-deflate", ParamsError::NotGranted("server_no_context_takeover")),
    ] {
        let (url, server) = wire::raw_server(move |mut raw| {
            answer(&mut raw, extension);
            raw.read_to_end()
        });
        let client = Client::new().deflate(DeflateConfig::new().no_context_takeover());
        let error = client.connect(&url).unwrap_err();
        let Error::Handshake(HandshakeError::Deflate(error)) = error else { panic!("{error}") };
        assert_eq!(error, expected);
        assert_eq!(server.join().unwrap(), b"", "nothing is said on the connection");
    }
}

// proves 7692-5-27
#[test]
fn rsv1_is_an_error_after_the_offer_was_declined() {
    let address = run(compressing(DeflateConfig::new()), echo);
    let (mut peer, extension) = raw_client(address, "permessage-deflate; foo");
    assert_eq!(extension, None);
    peer.raw.send_frame(0x81, b"plain");
    assert_eq!(peer.raw.read_frame(), (0x81, b"plain".to_vec()));
    peer.raw.send_frame(0xc1, &hex("f2 48 cd c9 c9 07 00"));
    let reason = ProtocolError::ReservedBits.to_string();
    assert_eq!(peer.raw.read_frame(), (0x88, close_body(1002, &reason)));
}

// proves 6455-9.1-9
#[test]
fn a_client_whose_offer_was_declined_compresses_nothing() {
    let (url, server) = wire::raw_server(|mut raw| {
        let request = wire::answer_upgrade(&mut raw);
        assert_eq!(field(&request, "Sec-WebSocket-Extensions").as_deref(), Some(OFFER));
        let frames = [raw.read_frame(), raw.read_frame()];
        raw.send_frame(0xc1, &hex("f2 48 cd c9 c9 07 00"));
        frames
    });
    let mut ws = Client::new().deflate(DeflateConfig::new()).connect(&url).unwrap();
    assert_eq!(ws.negotiated().deflate, None);
    let text = text(10_000);
    ws.send(&*text).unwrap();
    ws.send(text.as_bytes()).unwrap();
    let error = ws.recv().unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::ReservedBits)), "{error}");
    let plain = text.into_bytes();
    assert_eq!(server.join().unwrap(), [(0x81, plain.clone()), (0x82, plain)]);
}

// proves 7692-6-1, 7692-6.1-6, 7692-6.1-8, 7692-7.3-1
#[test]
fn compressed_messages_take_fewer_bytes() {
    let address = run(compressing(DeflateConfig::new()), echo);
    let (mut peer, extension) = raw_client(address, OFFER);
    assert_eq!(extension.as_deref(), Some("permessage-deflate"));
    let text = text(10_000);
    for round in 0..3 {
        peer.raw.send_frame(0x82, text.as_bytes());
        let came = peer.read_message();
        assert_eq!((came.firsts, &came.data[..]), (vec![0xc2], text.as_bytes()));
        // The second message has almost nothing new.
        let bound = if round == 0 { text.len() / 3 } else { 200 };
        assert!(came.payload.len() < bound, "{round}: {}", came.payload.len());
    }
    peer.raw.send_frame(0xc1, &hex("f2 48 cd c9 c9 07 00"));
    assert_eq!(peer.raw.read_frame(), (0x81, b"Hello".to_vec()));
    peer.raw.send_frame(0x89, &[b'a'; 125]);
    assert_eq!(peer.raw.read_frame(), (0x8a, vec![b'a'; 125]));

    let (url, server) = wire::raw_server(|mut raw| {
        let request = answer(&mut raw, "permessage-deflate; client_max_window_bits=10");
        assert_eq!(field(&request, "Sec-WebSocket-Extensions").as_deref(), Some(OFFER));
        let mut peer = Peer::new(raw);
        let came = [peer.read_message(), peer.read_message()];
        // The messages of the peer are compressed with the largest window, and not masked.
        let hello = Blocks::new().fixed(false, &[Literals(b"Hello")]).payload();
        peer.raw.send([&[0xc1, hello.len() as u8], &hello[..]].concat());
        came
    });
    let mut ws = Client::new().deflate(DeflateConfig::new()).connect(&url).unwrap();
    ws.send(&*text).unwrap();
    ws.send(&*text).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("Hello")));
    for came in server.join().unwrap() {
        assert_eq!((came.firsts, &came.data[..]), (vec![0xc1], text.as_bytes()));
        assert!(came.payload.len() < text.len() / 3, "{}", came.payload.len());
        assert!((1..=1024).contains(&came.largest_distance), "{}", came.largest_distance);
    }
}

#[test]
fn a_message_is_streamed_in_both_directions() {
    let text = text(300_000).replace('4', "\u{20ac}");
    for (client, acceptor) in [
        (
            Client::new().deflate(DeflateConfig::new()),
            Acceptor::new().deflate(DeflateConfig::new()),
        ),
        (
            Client::new().deflate(DeflateConfig::new().no_context_takeover().send_window_bits(9)),
            Acceptor::new().deflate(DeflateConfig::new().send_window_bits(8)),
        ),
    ] {
        let (mut client, mut server) = pair(&client, &acceptor);
        let (text, kinds) = (&text, [MessageKind::Text, MessageKind::Binary, MessageKind::Text]);
        thread::scope(|scope| {
            scope.spawn(move || {
                for kind in kinds {
                    let mut reader = server.recv_reader().unwrap().unwrap();
                    assert_eq!(reader.kind(), kind);
                    let mut data = Vec::new();
                    reader.read_to_end(&mut data).unwrap();
                    drop(reader);
                    let mut writer = server.writer(kind);
                    for part in data.chunks(50_000) {
                        writer.write_all(part).unwrap();
                        writer.flush().unwrap();
                    }
                    writer.finish().unwrap();
                }
            });
            for kind in kinds {
                let mut writer = client.writer(kind);
                for part in text.as_bytes().chunks(999) {
                    writer.write_all(part).unwrap();
                    if part[0] % 8 == 0 {
                        writer.flush().unwrap();
                    }
                }
                writer.finish().unwrap();
                let mut came = Vec::new();
                let mut reader = client.recv_reader().unwrap().unwrap();
                assert_eq!(reader.kind(), kind);
                reader.read_to_end(&mut came).unwrap();
                assert!(came == text.as_bytes(), "{kind:?}");
            }
        });
    }
}

// proves 7692-6.1-9, 7692-7.2.1-10, 7692-7.2.1-11
#[test]
fn a_streamed_message_is_compressed_piece_by_piece() {
    let (address, done) = wire::reporting_server(compressing(DeflateConfig::new()), |ws| {
        let mut writer = ws.writer(MessageKind::Text);
        for _ in 0..3 {
            writer.write_all(b"Hello, ").unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap();
        let mut writer = ws.sender().uncompressed().writer(MessageKind::Text);
        writer.write_all(b"Hello").unwrap();
        writer.flush().unwrap();
        writer.finish().unwrap();
        ws.send(&*text(500)).unwrap();
    });
    let (mut peer, _) = raw_client(address, OFFER);
    let frames: Vec<_> = (0..4).map(|_| peer.raw.read_frame()).collect();
    let firsts: Vec<_> = frames.iter().map(|(first, _)| *first).collect();
    assert_eq!(firsts, [0x41, 0x00, 0x00, 0x80]);
    assert!(frames[..3].iter().all(|(_, payload)| payload.ends_with(&TAIL)), "{frames:02x?}");
    assert_eq!(frames[3].1, [0x00]);
    let payload: Vec<u8> = frames.into_iter().flat_map(|(_, payload)| payload).collect();
    peer.before = inflate(&payload, b"").unwrap().data;
    assert_eq!(peer.before, b"Hello, Hello, Hello, ");
    let came = peer.read_message();
    assert_eq!((came.firsts, came.data), (vec![0x01, 0x80], b"Hello".to_vec()));
    assert_eq!(peer.read_message().data, text(500).into_bytes());
    done.recv_timeout(PATIENCE).unwrap();
}

// proves 7692-6.1-6, 7692-7.3-3
#[test]
fn a_sender_may_leave_its_messages_uncompressed() {
    let (address, done) = wire::reporting_server(compressing(DeflateConfig::new()), |ws| {
        let text = text(1000);
        let uncompressed = ws.sender().uncompressed();
        for _ in 0..2 {
            ws.send(&*text).unwrap();
            uncompressed.send(&*text).unwrap();
            uncompressed.clone().feed(&*text).unwrap();
            uncompressed.send_prepared(&PreparedMessage::new(&*text)).unwrap();
            uncompressed.flush().unwrap();
        }
    });
    let (mut peer, _) = raw_client(address, OFFER);
    for round in 0..2 {
        for first in [0xc1, 0x81, 0x81, 0x81] {
            let came = peer.read_message();
            assert_eq!((came.firsts, came.data), (vec![first], text(1000).into_bytes()));
            if first == 0xc1 && round > 0 {
                assert!(came.payload.len() < 30, "it refers to the first compressed one");
            }
        }
    }
    done.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn messages_below_the_minimum_length_are_not_compressed() {
    let level = |level| DeflateConfig::new().level(level).min_len(500);
    for acceptor in [
        Acceptor::new().deflate(level(9)),
        // The decision about a request overrides the setting of the acceptor.
        Acceptor::new()
            .deflate(DeflateConfig::new().level(1).min_len(0))
            .on_request(move |_| AcceptOptions::new().deflate(level(9))),
        Acceptor::new().on_request(move |_| AcceptOptions::new().deflate(level(9))),
    ] {
        let address = run(server().acceptor(acceptor), echo);
        let (mut peer, extension) = raw_client(address, OFFER);
        assert_eq!(extension.as_deref(), Some("permessage-deflate"));
        for (len, first) in [(499, 0x81), (500, 0xc1)] {
            peer.raw.send_frame(0x81, text(len).as_bytes());
            assert_eq!(peer.read_message().firsts, [first], "{len}");
        }
    }
}

/// Broadcasts to all members, then sends the same messages to each of them.
fn broadcast_and_send(members: &[WebSocket], hub: &Hub) {
    let news = PreparedMessage::new(&*text(3000));
    for ws in members {
        ws.send(&*text(2000)).unwrap();
    }
    for _ in 0..2 {
        let report = hub.broadcast(&*text(3000));
        assert_eq!(report.delivered, members.len() as u64);
        for ws in members {
            ws.send(&*text(2000)).unwrap();
            ws.feed("short").unwrap();
            ws.send_prepared(&news).unwrap();
            ws.send(&*text(2000)).unwrap();
            let mut writer = ws.writer(MessageKind::Text);
            writer.write_all(text(40_000).as_bytes()).unwrap();
            writer.finish().unwrap();
            // This setting applies to one message: the next broadcast is compressed.
            ws.sender().uncompressed().send_prepared(&news).unwrap();
        }
    }
    // A short broadcast is not compressed, and reaches every member all the same.
    assert_eq!(hub.broadcast("short").delivered, members.len() as u64);
}

/// The lengths of the messages of [`broadcast_and_send`], in order.
const LENS: [usize; 7] = [3000, 2000, 5, 3000, 2000, 40_000, 3000];

// proves 7692-7.2.1-16, 7692-7.2.1-20
#[test]
fn a_broadcast_suits_every_member_whatever_it_negotiated() {
    let offers = [
        ("x-other", 0, false),
        ("permessage-deflate", 1 << 15, true),
        ("permessage-deflate; client_max_window_bits", 1 << 15, true),
        ("permessage-deflate; server_no_context_takeover", 1 << 15, false),
        ("permessage-deflate; server_max_window_bits=9", 1 << 9, true),
        ("permessage-deflate; server_max_window_bits=8; server_no_context_takeover", 1, false),
    ];
    let acceptor = Acceptor::new().deflate(DeflateConfig::new());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hub = Hub::new(SlowPolicy::Wait(PATIENCE));
    let (mut members, mut peers) = (Vec::new(), Vec::new());
    for (offer, ..) in offers {
        let peer = thread::spawn(move || raw_client(address, offer));
        members.push(acceptor.accept(listener.accept().unwrap().0).unwrap().0);
        peers.push(peer.join().unwrap().0);
    }
    let joined: Vec<_> = members.iter().map(|ws| hub.join(ws.sender())).collect();
    let readers: Vec<_> = peers
        .into_iter()
        .zip(offers)
        .map(|(mut peer, (offer, window, takes_over))| {
            thread::spawn(move || {
                let mut broadcasts = Vec::new();
                let mut read = |len: usize, is_plain: bool| {
                    if !takes_over {
                        peer.before.clear();
                    }
                    let came = peer.read_message();
                    let expected = if len == 5 { "short".to_owned() } else { text(len) };
                    assert!(came.data == expected.as_bytes(), "{offer} {len}");
                    let is_compressed = came.firsts[0] & 0x40 != 0;
                    assert_eq!(is_compressed, window > 0 && !is_plain, "{offer} {len}");
                    assert!(came.largest_distance <= window, "{offer} {}", came.largest_distance);
                    came.payload
                };
                read(2000, false);
                for _ in 0..2 {
                    for (index, len) in LENS.into_iter().enumerate() {
                        let payload = read(len, index == 2 || index == 6);
                        if index == 0 || index == 3 {
                            broadcasts.push(payload);
                        }
                    }
                }
                read(5, true);
                broadcasts
            })
        })
        .collect();
    broadcast_and_send(&members, &hub);
    let broadcasts: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    for (one, (offer, window, _)) in broadcasts.iter().zip(offers) {
        assert!(one.windows(2).all(|pair| pair[0] == pair[1]), "{offer}: always the same bytes");
        if window > 0 {
            // The payload refers to no earlier message, so it can be shared by all members with
            // these parameters.
            assert_eq!(inflate(&one[0], b"").unwrap().data, text(3000).into_bytes(), "{offer}");
        }
    }
    assert_eq!(broadcasts[1], broadcasts[3], "with takeover or without");
    assert_ne!(broadcasts[1], broadcasts[4], "but not with another window");
    drop(joined);
}

#[test]
fn clients_send_prepared_messages() {
    let client = Client::new().deflate(DeflateConfig::new());
    let (client, mut server) = pair(&client, &Acceptor::new().deflate(DeflateConfig::new()));
    let news = PreparedMessage::new(&*text(5000));
    for _ in 0..3 {
        client.send(&*text(4000)).unwrap();
        client.send_prepared(&news).unwrap();
        client.feed(&*text(4000)).unwrap();
        client.send_prepared(&news).unwrap();
    }
    for len in [4000, 5000, 4000, 5000].repeat(3) {
        assert_eq!(server.recv().unwrap(), Some(Message::from(text(len))));
    }
}

// proves 7692-5-29
#[test]
fn both_ends_send_and_receive_at_once() {
    const COUNT: usize = 200;
    let (client, server) = usual_pair();
    let len = |i: usize| i * i * 7 % 20_000;
    let ends: Vec<_> = [client, server]
        .into_iter()
        .map(|ws| {
            let (sender, mut receiver) = ws.split();
            let sending = thread::spawn(move || {
                for i in 0..COUNT {
                    if i % 3 == 0 {
                        sender.ping(b"are you there?").unwrap();
                    }
                    match i % 5 {
                        0 => sender.uncompressed().send(&*text(len(i))).unwrap(),
                        1 => sender.feed(&*text(len(i))).unwrap(),
                        _ => sender.send(&*text(len(i))).unwrap(),
                    }
                }
                sender.flush().unwrap();
                sender
            });
            let receiving = thread::spawn(move || {
                for i in 0..COUNT {
                    let message = receiver.recv().unwrap();
                    assert!(message == Some(Message::from(text(len(i)))), "{i}");
                }
                receiver
            });
            (sending, receiving)
        })
        .collect();
    for (sending, receiving) in ends {
        sending.join().unwrap();
        receiving.join().unwrap();
    }
}

// proves 7692-6.1-9, 7692-7.2.1-9
#[test]
fn a_long_message_is_compressed_in_fragments() {
    let data = text(100_000);
    let (url, server) = wire::raw_server(|mut raw| {
        answer(&mut raw, "permessage-deflate");
        let mut peer = Peer::new(raw);
        [peer.read_message(), peer.read_message(), peer.read_message()]
    });
    let client = Client::new().deflate(DeflateConfig::new()).fragment_len(30_000);
    let ws = client.connect(&url).unwrap();
    ws.send(&*data).unwrap();
    ws.send_prepared(&PreparedMessage::new(&*data)).unwrap();
    ws.sender().uncompressed().send(&*data).unwrap();
    let [sent, prepared, plain] = server.join().unwrap();
    for came in [&sent, &prepared, &plain] {
        assert!(came.data == data.as_bytes());
    }
    assert_eq!(sent.firsts, [0x41, 0x00, 0x00, 0x80]);
    assert_eq!(prepared.firsts, [0x41, 0x00, 0x00, 0x80]);
    assert_eq!(plain.firsts, [0x01, 0x00, 0x00, 0x80]);

    let (mut client, mut server) =
        pair(&client, &Acceptor::new().deflate(DeflateConfig::new()).fragment_len(1));
    client.send(&*data).unwrap();
    assert!(server.recv().unwrap() == Some(Message::from(&*data)));
    server.send(&*text(3000)).unwrap();
    assert!(client.recv().unwrap() == Some(Message::from(text(3000))));
}

#[test]
fn a_receive_that_times_out_resumes_inside_a_compressed_message() {
    let (timed_out, is_late) = mpsc::channel();
    let (address, messages) =
        wire::reporting_server(compressing(DeflateConfig::new()), move |ws| {
            let mut messages = Vec::new();
            while messages.len() < 2 {
                match ws.recv_timeout(Duration::from_millis(5)) {
                    Ok(message) => messages.extend(message),
                    Err(Error::Timeout(Operation::Receive)) => timed_out.send(()).unwrap(),
                    Err(error) => panic!("{error}"),
                }
            }
            messages
        });
    let (mut peer, _) = raw_client(address, OFFER);
    let data = text(100);
    let payload = Blocks::new()
        .fixed(false, &[Literals(data.as_bytes())])
        .stored(false, b"and ")
        .fixed(true, &[Match { len: 100, distance: 104 }])
        .payload();
    let (a, b) = payload.split_at(payload.len() / 2);
    let frames = [wire::masked(0x41, a), wire::masked(0x80, b), wire::masked(0xc1, &payload)];
    let bytes = frames.concat();
    for piece in bytes.chunks(bytes.len() / 5) {
        // Timeouts from before the last piece prove nothing.
        while is_late.try_recv().is_ok() {}
        is_late.recv_timeout(PATIENCE).unwrap();
        peer.raw.send(piece);
    }
    let expected = Message::from(format!("{data}and {data}"));
    let messages = messages.recv_timeout(PATIENCE).unwrap();
    assert_eq!(messages, [expected.clone(), expected]);
}

// proves 7692-6.1-10, 7692-6.1-11, 7692-7.2.2-2
#[test]
fn a_server_reports_invalid_compression_to_its_client() {
    let big = Blocks::new().fixed(false, &[Literals(b"a"), Match { len: 258, distance: 1 }]);
    let too_big = ProtocolError::MessageTooBig { limit: 200 };
    type Case<'a> = (&'a [(u8, &'a [u8])], ProtocolError, u16);
    let cases: [Case<'_>; 7] = [
        (&[(0xc1, b"\x06")], ProtocolError::InvalidDeflate, 1007),
        (&[(0xc1, b"")], ProtocolError::InvalidDeflate, 1007),
        (&[(0x41, b"\xff\xff")], ProtocolError::InvalidDeflate, 1007),
        (&[(0xc1, b"\x00\x01\x00\xfe\xff\xff\x00")], ProtocolError::InvalidUtf8, 1007),
        (&[(0xc2, &big.payload())], too_big, 1009),
        (&[(0x41, b"\xf2\x48\xcd"), (0xc0, b"\xc9")], ProtocolError::ReservedBits, 1002),
        (&[(0xc9, b"")], ProtocolError::ReservedBits, 1002),
    ];
    for streams in [false, true] {
        for (frames, error, code) in &cases {
            let limits = Limits::new().max_message_len(200).max_stream_len(200);
            let acceptor = Acceptor::new().deflate(DeflateConfig::new()).limits(limits);
            let server = server().acceptor(acceptor);
            let (address, outcome) = wire::reporting_server(server, move |ws| {
                let error = if streams {
                    match ws.recv_reader() {
                        Ok(reader) => {
                            let error = reader.unwrap().read_to_end(&mut Vec::new()).unwrap_err();
                            error.downcast::<Error>().unwrap()
                        }
                        Err(error) => error,
                    }
                } else {
                    ws.recv().unwrap_err()
                };
                (error, ws.close_status().cloned())
            });
            let (mut peer, _) = raw_client(address, OFFER);
            for (first, payload) in *frames {
                peer.raw.send_frame(*first, payload);
            }
            let body = close_body(*code, &error.to_string());
            assert_eq!(peer.raw.read_frame(), (0x88, body), "{frames:02x?}");
            peer.raw.end_writing();
            let (seen, status) = outcome.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(seen, Error::Protocol(seen) if seen == *error), "{seen}");
            assert_eq!(status.unwrap().code(), 1006);
        }
    }
}

#[test]
fn a_client_reports_invalid_compression_to_its_server() {
    let (url, server) = wire::raw_server(|mut raw| {
        answer(&mut raw, "permessage-deflate");
        raw.send(hex("c1 01 06"));
        let frame = raw.read_frame();
        raw.end_writing();
        frame
    });
    let mut ws = Client::new().deflate(DeflateConfig::new()).connect(&url).unwrap();
    let error = ws.recv().unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::InvalidDeflate)), "{error}");
    let body = close_body(1007, &ProtocolError::InvalidDeflate.to_string());
    assert_eq!(server.join().unwrap(), (0x88, body));
}

/// Returns a server that compresses, and sends a Ping after this many milliseconds of silence.
fn server_that_pings(milliseconds: u64) -> Server {
    let timeouts = Timeouts::new().ping(Duration::from_millis(milliseconds));
    server().acceptor(Acceptor::new().deflate(DeflateConfig::new()).timeouts(timeouts))
}

#[test]
fn two_pings_since_the_last_message_reset_the_compressor() {
    let address = run(server_that_pings(5), |ws, _| {
        loop {
            // No Ping is sent between these two messages.
            ws.send(&*text(1000))?;
            ws.send(&*text(1000))?;
            if ws.recv()?.is_none() {
                return Ok(());
            }
        }
    });
    let (mut peer, _) = raw_client(address, OFFER);
    for _ in 0..3 {
        let first = peer.read_message();
        assert_eq!(
            inflate(&first.payload, b"").unwrap().data,
            first.data,
            "it needs no earlier message"
        );
        let second = peer.read_message();
        assert!(inflate(&second.payload, b"").is_err(), "it refers to an earlier message");
        for _ in 0..2 {
            let (first, data) = peer.raw.read_frame();
            assert_eq!(first, 0x89);
            peer.raw.send_frame(0x8a, &data);
        }
        peer.raw.send_frame(0xc1, &hex("f2 48 cd c9 c9 07 00"));
    }
}

#[test]
fn one_ping_since_the_last_message_keeps_the_compressor() {
    let address = run(server_that_pings(50), |ws, _| {
        while ws.recv()?.is_some() {
            ws.send(&*text(1000))?;
        }
        Ok(())
    });
    let (mut peer, _) = raw_client(address, OFFER);
    let hello = hex("f2 48 cd c9 c9 07 00");
    peer.raw.send_frame(0xc1, &hello);
    peer.read_message();
    for _ in 0..200 {
        let (first, data) = peer.raw.read_frame();
        assert_eq!(first, 0x89);
        peer.raw.send_frame(0x8a, &data);
        peer.raw.send_frame(0xc1, &hello);
        peer.pings = 1;
        let message = peer.read_message();
        // If this test was too slow, a second Ping has arrived.
        if peer.pings == 1 {
            assert!(inflate(&message.payload, b"").is_err(), "it refers to an earlier message");
            return;
        }
    }
    panic!("there was never just one Ping");
}

#[test]
fn the_window_of_a_silent_peer_is_kept() {
    let address = run(server_that_pings(5), echo);
    let (mut peer, _) = raw_client(address, OFFER);
    for payload in ["f2 48 cd c9 c9 07 00", "f2 00 11 00 00", "f2 00 11 00 00"] {
        for _ in 0..3 {
            let (first, data) = peer.raw.read_frame();
            assert_eq!(first, 0x89);
            peer.raw.send_frame(0x8a, &data);
        }
        peer.raw.send_frame(0xc1, &hex(payload));
        assert_eq!(peer.read_message().data, b"Hello");
    }
}

#[test]
fn a_connection_that_compresses_closes_like_any_other() {
    let (mut client, mut server) = usual_pair();
    client.send(&*text(1000)).unwrap();
    let closing =
        thread::spawn(move || client.close_with(CloseCode::NORMAL, "done").map(|()| client));
    assert_eq!(server.recv().unwrap(), Some(Message::from(text(1000))));
    assert_eq!(server.recv().unwrap(), None);
    assert_eq!(server.close_status().unwrap().code(), 1000);
    assert_eq!(closing.join().unwrap().unwrap().close_status().unwrap().code(), 1000);
}

#[test]
fn an_upgraded_stream_uses_its_negotiated_compression() {
    let (near, far) = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    };
    let (_, negotiated) = support::deflate::accept(&[OFFER], &DeflateConfig::new());
    let client = Client::new().from_upgraded(near, negotiated.clone(), Vec::new()).unwrap();
    let mut server = Acceptor::new().from_upgraded(far, negotiated, Vec::new()).unwrap();
    client.send(&*text(1000)).unwrap();
    assert_eq!(server.recv().unwrap(), Some(Message::from(text(1000))));
}

/// Without a buffer for the message, compressed bytes are read in small pieces.
#[test]
fn skipping_a_compressed_message_keeps_the_next_one() {
    const LEN: u16 = 3_000;
    let block = [&[0][..], &LEN.to_le_bytes(), &(!LEN).to_le_bytes(), &[7; LEN as usize], &[0]];
    let sent = [wire::masked(0xc2, &block.concat()), wire::masked(0x81, b"next")].concat();
    let acceptor = Acceptor::new().deflate(DeflateConfig::new());
    for reads in [true, false] {
        let server = server().acceptor(acceptor.clone());
        let (address, outcome) = wire::reporting_server(server, move |ws| {
            let mut data = Vec::new();
            let mut reader = ws.recv_reader().unwrap().unwrap();
            if reads {
                reader.read_to_end(&mut data).unwrap();
            }
            (data.len(), ws.recv().unwrap())
        });
        let (mut peer, _) = raw_client(address, OFFER);
        peer.raw.send(&sent);
        let expected = if reads { usize::from(LEN) } else { 0 };
        let next = Some(Message::from("next"));
        assert_eq!(outcome.recv_timeout(PATIENCE).unwrap(), (expected, next));
    }
}
