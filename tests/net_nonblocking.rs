//! Tests that a socket in non-blocking mode is set to blocking. Otherwise, a waiting thread would
//! keep a core busy.

mod wire;

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tightwire::handshake::Negotiated;
use tightwire::{Acceptor, Client, WebSocket};
use wire::{PATIENCE, Raw};

/// Returns the two ends of a TCP connection. The second one is in non-blocking mode, and the third
/// value is another handle of it.
fn sockets() -> (TcpStream, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let ours = listener.accept().unwrap().0;
    ours.set_nonblocking(true).unwrap();
    let probe = ours.try_clone().unwrap();
    (peer, ours, probe)
}

/// Asserts that the socket waits for a byte that arrives a little later.
fn assert_blocking(peer: TcpStream, probe: &TcpStream) {
    let late = thread::spawn(move || {
        let mut peer = peer;
        thread::sleep(Duration::from_millis(50));
        peer.write_all(b"\x89").unwrap();
        peer
    });
    probe.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(probe.peek(&mut [0]).map_err(|error| error.kind()), Ok::<_, ErrorKind>(1));
    drop(late.join().unwrap());
}

#[test]
fn an_upgraded_stream_is_set_to_blocking() {
    let from_upgraded: [fn(TcpStream) -> WebSocket; 2] = [
        |stream| Acceptor::new().from_upgraded(stream, Negotiated::default(), Vec::new()).unwrap(),
        |stream| Client::new().from_upgraded(stream, Negotiated::default(), Vec::new()).unwrap(),
    ];
    for open in from_upgraded {
        let (peer, ours, probe) = sockets();
        let _ws = open(ours);
        assert_blocking(peer, &probe);
    }
}

#[test]
fn an_accepted_stream_is_set_to_blocking() {
    let (peer, ours, probe) = sockets();
    let accepting = thread::spawn(move || Acceptor::new().accept(ours).unwrap());
    let mut raw = Raw::new(peer);
    raw.send(wire::REQUEST);
    assert_eq!(raw.read_head(), wire::RESPONSE);
    let _ws = accepting.join().unwrap();
    assert_blocking(raw.stream, &probe);
}

#[test]
fn a_stream_given_to_a_client_is_set_to_blocking() {
    let (peer, ours, probe) = sockets();
    let client =
        thread::spawn(move || Client::new().connect_stream("ws://localhost/", ours).unwrap());
    let mut raw = Raw::new(peer);
    wire::answer_upgrade(&mut raw);
    let _ws = client.join().unwrap();
    assert_blocking(raw.stream, &probe);
}
