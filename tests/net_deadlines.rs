//! Tests that no call takes longer than its timeout, whatever the peer does, and that the next call
//! resumes unfinished work.

mod wire;

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tightwire::handshake::Negotiated;
use tightwire::{Acceptor, Error, Operation, ProtocolError, State, Stream, Timeouts, WebSocket};
use wire::{PATIENCE, Raw, close_body, hex, masked};

/// A timeout that no test reaches. A call that waits for it fails the test.
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(10);

/// Returns the result of `act`, and panics if it hangs.
fn in_time<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(act()));
    receiver.recv_timeout(PATIENCE).expect("an end in time")
}

fn is_timeout(outcome: &Result<(), Error>) -> bool {
    matches!(outcome, Err(Error::Timeout(Operation::Receive)))
}

/// Returns a server connection with long timeouts, and its peer.
fn open() -> (WebSocket, Raw) {
    let timeouts = Timeouts::new().close(LONG).linger(LONG);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let raw = Raw::connect(listener.local_addr().unwrap());
    let stream = listener.accept().unwrap().0;
    let acceptor = Acceptor::new().timeouts(timeouts);
    (acceptor.from_upgraded(stream, Negotiated::default(), Vec::new()).unwrap(), raw)
}

#[test]
fn a_receive_that_times_out_while_the_connection_ends_can_be_resumed() {
    for (bytes, answer) in [
        (masked(0x88, &close_body(1000, "")), close_body(1000, "")),
        (masked(0x83, b""), close_body(1002, "opcode 0x3 is reserved")),
    ] {
        let (mut ws, mut raw) = open();
        raw.send(&bytes);
        let mut ws = in_time(move || {
            // The bytes may arrive in several pieces.
            while ws.state() == State::Open {
                let outcome = ws.recv_timeout(SHORT).map(drop);
                assert!(is_timeout(&outcome), "{outcome:?}");
            }
            for timeout in [SHORT, Duration::ZERO] {
                let outcome = ws.recv_timeout(timeout).map(drop);
                assert!(is_timeout(&outcome), "{outcome:?}");
            }
            assert!(ws.close_status().is_none(), "its end is not known");
            ws
        });
        assert_eq!(raw.read_frame().1[..2], answer[..2]);
        assert!(raw.read_to_end().is_empty(), "the server ends its side, and no reset");
        // The server must read the bytes that follow, and ignores them.
        raw.send(masked(0x81, b"late"));
        raw.end_writing();
        let (outcome, ws) = in_time(move || (ws.recv(), ws));
        let status = ws.close_status().unwrap();
        if answer == close_body(1000, "") {
            assert!(matches!(outcome, Ok(None)), "{outcome:?}");
            assert!(status.was_clean() && status.code() == 1000, "{status:?}");
        } else {
            let error = outcome.unwrap_err();
            assert!(matches!(error, Error::Protocol(ProtocolError::ReservedOpcode(3))), "{error}");
            assert_eq!(status.code(), 1006);
        }
        assert_eq!(ws.state(), State::Closed);
    }
}

#[test]
fn a_reader_keeps_its_timeout_when_the_peer_closes_inside_the_message() {
    let (mut ws, mut raw) = open();
    raw.send(masked(0x02, b"ab"));
    let (mut ws, raw) = in_time(move || {
        let mut reader = ws.recv_reader().unwrap().unwrap();
        let mut start = [0; 2];
        reader.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"ab");
        reader.set_timeout(Some(SHORT));
        raw.send_frame(0x88, b"");
        for _ in 0..3 {
            assert_eq!(reader.read(&mut start).unwrap_err().kind(), ErrorKind::TimedOut);
        }
        assert_eq!(raw.read_to_end(), hex("88 00"));
        raw.end_writing();
        reader.set_timeout(None);
        assert_eq!(reader.read(&mut start).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        drop(reader);
        (ws, raw)
    });
    assert!(matches!(ws.recv(), Ok(None)));
    assert!(ws.close_status().unwrap().was_clean());
    drop(raw);
}

#[test]
fn a_handler_that_returns_while_the_connection_ends_still_ends_it_cleanly() {
    let timeouts = Timeouts::new().close(LONG).linger(LONG);
    let server = wire::server().acceptor(Acceptor::new().timeouts(timeouts));
    let handle = server.handle();
    let (has_left, left) = mpsc::channel();
    let address = wire::run(server, move |ws, _| {
        while ws.state() == State::Open {
            let _ = ws.recv_timeout(SHORT);
        }
        has_left.send(())?;
        Ok(())
    });
    let mut raw = Raw::upgraded(address);
    raw.send_frame(0x88, &close_body(1000, ""));
    left.recv_timeout(PATIENCE).unwrap();
    let shutdown = thread::spawn(move || handle.shutdown(LONG));
    let end = Instant::now() + PATIENCE;
    while TcpListener::bind(address).is_err() {
        assert!(Instant::now() < end, "the server does not accept any more");
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(raw.read_to_end(), hex("88 02 03 e8"));
    drop(raw);
    let report = in_time(move || shutdown.join().unwrap());
    assert_eq!((report.closed, report.failed), (1, 0), "{report:?}");
}

/// A peer that answers a Close frame after a delay, and then keeps TCP open for a while.
#[derive(Debug, Default)]
struct Lingering {
    reads: Mutex<u32>,
    timeouts: Mutex<Vec<Duration>>,
}

impl Lingering {
    /// The delay of its answer.
    const DELAY: Duration = Duration::from_millis(30);
}

impl Stream for Lingering {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut reads = self.reads.lock().unwrap();
        *reads += 1;
        match *reads {
            1 => {
                thread::sleep(Self::DELAY);
                self.timeouts.lock().unwrap().clear();
                let answer = masked(0x88, &close_body(1000, ""));
                buffer[..answer.len()].copy_from_slice(&answer);
                Ok(answer.len())
            }
            2 => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(0),
        }
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.timeouts.lock().unwrap().push(timeout.unwrap());
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_answer_to_a_close_frame_and_the_end_of_tcp_share_one_timeout() {
    let stream = Arc::new(Lingering::default());
    let timeouts = Timeouts::new().close(LONG).ping(None);
    let acceptor = Acceptor::new().timeouts(timeouts);
    let mut ws =
        acceptor.from_upgraded(Arc::clone(&stream), Negotiated::default(), Vec::new()).unwrap();
    ws.close().unwrap();
    assert!(ws.close_status().unwrap().was_clean());
    let after_the_answer = stream.timeouts.lock().unwrap().clone();
    let most = LONG - Lingering::DELAY;
    assert!(!after_the_answer.is_empty());
    assert!(after_the_answer.iter().all(|timeout| *timeout <= most), "{after_the_answer:?}");
}

/// A peer that has a Ping for every read, and accepts a few bytes from time to time.
#[derive(Debug)]
struct Sluggish {
    taken: Mutex<Instant>,
}

impl Sluggish {
    const PAUSE: Duration = Duration::from_millis(60);
}

impl Stream for Sluggish {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(2));
        let ping = masked(0x89, b"");
        buffer[..ping.len()].copy_from_slice(&ping);
        Ok(ping.len())
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let mut taken = self.taken.lock().unwrap();
        if taken.elapsed() < Self::PAUSE {
            thread::sleep(Duration::from_millis(2));
            return Err(ErrorKind::WouldBlock.into());
        }
        *taken = Instant::now();
        Ok(buffer.len())
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_sender_answers_pings_only_within_its_write_timeout() {
    let stream = Sluggish { taken: Mutex::new(Instant::now()) };
    let mut timeouts = Timeouts::default();
    // Enough time for the message or for a Pong, but not for both.
    timeouts = timeouts.write(Duration::from_millis(100));
    let acceptor = Acceptor::new().timeouts(timeouts);
    let ws = acceptor.from_upgraded(stream, Negotiated::default(), Vec::new()).unwrap();
    let (sender, mut receiver) = ws.split();
    let (ends, end) = mpsc::channel::<()>();
    let reader = thread::spawn(move || {
        while end.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
            let _ = receiver.recv_timeout(SHORT);
        }
    });
    in_time(move || {
        for _ in 0..3 {
            let _ = sender.send("Hello");
        }
    });
    drop(ends);
    reader.join().unwrap();
}
