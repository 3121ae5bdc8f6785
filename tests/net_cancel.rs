//! Tests that another thread can cancel an opening handshake, by shutting down a second handle of
//! its stream.

#[path = "wire/task.rs"]
mod task;
mod wire;

use std::net::{Shutdown, TcpListener, TcpStream};

use task::{LONG, Task};
use tightwire::{Client, Error, Timeouts};
use wire::Raw;

#[test]
fn shutting_down_a_clone_of_the_stream_cancels_a_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let handle = stream.try_clone().unwrap();
    let timeouts = Timeouts::new().handshake(LONG);
    let client = Client::new().timeouts(timeouts);
    let connecting = Task::spawn(move || client.connect_stream("ws://127.0.0.1/", stream));

    // The server reads the request, and never responds.
    let mut server = Raw::new(listener.accept().unwrap().0);
    assert!(server.read_head().starts_with("GET / HTTP/1.1\r\n"));
    handle.shutdown(Shutdown::Both).unwrap();
    let outcome = connecting.end();
    assert!(matches!(outcome, Err(Error::Io(_))), "{outcome:?}");
}

#[test]
fn a_handshake_on_a_stream_that_was_shut_down_fails_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.try_clone().unwrap().shutdown(Shutdown::Both).unwrap();
    let timeouts = Timeouts::new().handshake(LONG);
    let client = Client::new().timeouts(timeouts);
    let connecting = Task::spawn(move || client.connect_stream("ws://127.0.0.1/", stream));
    let outcome = connecting.end();
    assert!(matches!(outcome, Err(Error::Io(_))), "{outcome:?}");
}
