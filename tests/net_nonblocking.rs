//! A socket that is handed over in non-blocking mode is set to blocking: otherwise a thread that
//! waits would keep a core busy.

mod wire;

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tightwire::handshake::Negotiated;
use tightwire::{Acceptor, Client, WebSocket};
use wire::{PATIENCE, Raw};

/// The two ends of a TCP connection. The second one is in non-blocking mode, and the third is
/// another handle of it.
fn sockets() -> (TcpStream, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let ours = listener.accept().unwrap().0;
    ours.set_nonblocking(true).unwrap();
    let probe = ours.try_clone().unwrap();
    (peer, ours, probe)
}

/// A socket in non-blocking mode would not wait for the byte that comes a little later.
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
fn a_connection_that_is_taken_over_is_set_to_blocking() {
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
fn a_connection_that_is_accepted_is_set_to_blocking() {
    let (peer, ours, probe) = sockets();
    let accepting = thread::spawn(move || Acceptor::new().accept(ours).unwrap());
    let mut raw = Raw::new(peer);
    raw.send(wire::REQUEST);
    assert_eq!(raw.read_head(), wire::RESPONSE);
    let _ws = accepting.join().unwrap();
    assert_blocking(raw.stream, &probe);
}

#[test]
fn a_connection_whose_client_makes_the_handshake_is_set_to_blocking() {
    let (peer, ours, probe) = sockets();
    let client =
        thread::spawn(move || Client::new().connect_stream("ws://localhost/", ours).unwrap());
    let mut raw = Raw::new(peer);
    wire::answer_upgrade(&mut raw);
    let _ws = client.join().unwrap();
    assert_blocking(raw.stream, &probe);
}
