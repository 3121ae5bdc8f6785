//! Tests both directions of TLS at once, the end of the stream, and records that arrive in pieces.
#![cfg(feature = "tls")]

#[path = "wire/proxy.rs"]
mod proxy;
#[path = "wire/tls.rs"]
mod tls;
mod wire;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::DerefMut;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use proxy::Random;
use tightwire::handshake::Negotiated;
use tightwire::rustls::{
    self, AlertDescription, ClientConnection, ConnectionCommon, ServerConnection, SideData,
    StreamOwned,
};
use tightwire::{
    Acceptor, Client, CloseCode, ClosedBy, Error, Message, MessageKind, Operation, SendError,
    State, Stream, Timeouts, TlsStream, WebSocket,
};
use tls::{RawClient, RawServer};
use wire::{PATIENCE, Raw, close_body, masked};

const MIB: usize = 1 << 20;
/// More bytes than the buffers of the system hold.
const HUGE: usize = 24 * MIB;

/// Returns the result of `act`, and panics if it hangs.
fn in_time<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(act()));
    receiver.recv_timeout(3 * PATIENCE).expect("an end in time, and no panic")
}

fn handshake<C, S>(raw: &mut Raw<StreamOwned<C, TcpStream>>)
where
    C: DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
{
    while raw.stream.conn.is_handshaking() {
        raw.stream.conn.complete_io(&mut raw.stream.sock).unwrap();
    }
}

/// Returns a server of the library, and a client that uses rustls directly.
fn server(timeouts: Timeouts) -> (WebSocket, RawClient) {
    let (near, far) = tls::tcp();
    let ours = thread::spawn(|| TlsStream::server(far, tls::server_config(), PATIENCE).unwrap());
    let mut raw = tls::raw_client(near, tls::client_config());
    handshake(&mut raw);
    let acceptor = Acceptor::new().timeouts(timeouts);
    (acceptor.from_upgraded(ours.join().unwrap(), Negotiated::default(), Vec::new()).unwrap(), raw)
}

/// Returns a client of the library, and a server that uses rustls directly.
fn client(timeouts: Timeouts) -> (WebSocket, RawServer) {
    let (near, far) = tls::tcp();
    let ours = thread::spawn(|| {
        TlsStream::client(near, "localhost", tls::client_config(), PATIENCE).unwrap()
    });
    let mut raw = tls::raw_server(far, tls::server_config());
    handshake(&mut raw);
    let client = Client::new().timeouts(timeouts);
    (client.from_upgraded(ours.join().unwrap(), Negotiated::default(), Vec::new()).unwrap(), raw)
}

/// Returns a client and a server of the library.
fn peers() -> [WebSocket; 2] {
    let (near, far) = tls::tcp();
    over(near, far)
}

fn over(near: impl Stream, far: impl Stream) -> [WebSocket; 2] {
    let (near, far) = tls::streams(near, far);
    let client = Client::new().from_upgraded(near, Negotiated::default(), Vec::new());
    let server = Acceptor::new().from_upgraded(far, Negotiated::default(), Vec::new());
    [client.unwrap(), server.unwrap()]
}

/// Reads like `std::io`, which tries again if no data was there yet.
fn read(stream: &TlsStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// The way in which a peer ends the stream.
#[derive(Clone, Copy, Debug)]
enum End {
    Announced,
    CutOff,
}

fn end<C, S>(raw: &mut Raw<StreamOwned<C, TcpStream>>, how: End)
where
    C: DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
{
    if let End::Announced = how {
        raw.stream.conn.send_close_notify();
        raw.stream.flush().unwrap();
    }
    raw.stream.sock.shutdown(Shutdown::Write).unwrap();
}

fn assert_ends_abnormally(mut ws: WebSocket, how: End, in_message: bool) {
    let error = ws.recv().unwrap_err();
    assert!(wire::is_eof(&error), "{how:?}: {error:?}");
    let expected = match (how, in_message) {
        (End::CutOff, _) => "the stream was cut off",
        (End::Announced, true) => "the stream ended inside a message",
        (End::Announced, false) => "the stream ended without a Close frame",
    };
    assert!(format!("{error:#}").contains(expected), "{how:?}: {error:#}");
    assert_eq!(ws.close_status().unwrap().code(), 1006);
}

#[test]
fn a_truncated_stream_is_distinguished_from_one_that_ends() {
    for how in [End::Announced, End::CutOff] {
        for (sent, in_message) in [(&[][..], false), (&[0x02, 3, 1, 2, 3], true)] {
            let (ws, mut raw) = client(Timeouts::default());
            raw.send(sent);
            end(&mut raw, how);
            assert_ends_abnormally(ws, how, in_message);
            let (ws, mut raw) = server(Timeouts::default());
            raw.send(if in_message { masked(0x02, &[1, 2, 3]) } else { Vec::new() });
            end(&mut raw, how);
            assert_ends_abnormally(ws, how, in_message);
        }
    }
}

// proves 6455-7.1.1-2
#[test]
fn after_the_closing_handshake_both_ends_announce_the_end() {
    let (mut ws, mut raw) = server(Timeouts::default());
    let ours = thread::spawn(move || (ws.recv(), ws));
    raw.send_frame(0x88, &close_body(1000, ""));
    assert_eq!(raw.read_frame(), (0x88, close_body(1000, "")));
    // The server ends first. Without close_notify, this would be an error.
    assert!(raw.read_to_end().is_empty());
    end(&mut raw, End::Announced);
    let (outcome, ws) = ours.join().unwrap();
    assert_eq!(outcome.unwrap(), None);
    assert!(ws.close_status().unwrap().was_clean());

    let (mut ws, mut raw) = client(Timeouts::default());
    let ours = thread::spawn(move || (ws.close(), ws));
    assert_eq!(raw.read_frame(), (0x88, close_body(1000, "")));
    raw.send([0x88, 2, 0x03, 0xe8]);
    // The client waits for the server, but not for the end of TCP, because some servers wait for
    // the client to announce its end first.
    raw.stream.conn.send_close_notify();
    raw.stream.flush().unwrap();
    assert!(raw.read_to_end().is_empty());
    let (outcome, ws) = ours.join().unwrap();
    outcome.unwrap();
    assert!(ws.close_status().unwrap().was_clean());
}

#[test]
fn a_client_does_not_end_before_its_server_does() {
    let long = Duration::from_secs(3600);
    let timeouts = Timeouts::new().close(long).linger(long);
    let (mut ws, mut raw) = client(timeouts);
    let ours = thread::spawn(move || ws.recv());
    raw.send([0x88, 2, 0x03, 0xe8]);
    assert_eq!(raw.read_frame(), (0x88, close_body(1000, "")));
    raw.stream.sock.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    let kind = raw.stream.read(&mut [0]).unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind:?}");
    end(&mut raw, End::CutOff);
    // Both Close frames have arrived, so nothing can have been truncated.
    assert_eq!(ours.join().unwrap().unwrap(), None);
}

#[test]
fn a_peer_that_does_not_answer_a_close_times_out() {
    let timeouts = Timeouts::new().close(Duration::from_millis(20));
    let (mut ws, _raw) = client(timeouts);
    let outcome = in_time(move || ws.close());
    assert!(matches!(outcome, Err(Error::Timeout(Operation::Close))), "{outcome:?}");
}

#[test]
fn a_record_that_arrives_byte_by_byte_is_read_despite_timeouts() {
    let (mut ws, mut raw) = server(Timeouts::default());
    let (first, second) = ([7; 130], "and another one");
    let mut records = Vec::new();
    raw.stream.conn.writer().write_all(&masked(0x82, &first)).unwrap();
    raw.stream.conn.writer().write_all(&masked(0x81, second.as_bytes())).unwrap();
    raw.stream.conn.write_tls(&mut records).unwrap();
    let mut received = Vec::new();
    for (at, byte) in records.iter().enumerate() {
        raw.stream.sock.write_all(&[*byte]).unwrap();
        match ws.recv_timeout(Duration::from_millis(1)) {
            Ok(message) => received.push(message.unwrap()),
            Err(Error::Timeout(Operation::Receive)) => {}
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    while received.len() < 2 {
        received.push(ws.recv().unwrap().unwrap());
    }
    assert_eq!(received, [Message::from(first.to_vec()), Message::from(second)]);
}

#[test]
fn a_record_that_arrives_byte_by_byte_delays_no_deadline() {
    let (mut ws, mut raw) = server(Timeouts::default());
    let mut record = Vec::new();
    raw.stream.conn.writer().write_all(&[0; 16 << 10]).unwrap();
    raw.stream.conn.write_tls(&mut record).unwrap();
    // The bytes last longer than `in_time` waits. They end with the other end of the stream.
    let peer = thread::spawn(move || {
        let mut bytes = record[..record.len() - 1].iter();
        while bytes.next().is_some_and(|byte| raw.stream.sock.write_all(&[*byte]).is_ok()) {
            thread::sleep(Duration::from_millis(5));
        }
    });
    in_time(move || {
        let outcome = ws.recv_timeout(Duration::from_millis(100));
        assert!(matches!(outcome, Err(Error::Timeout(Operation::Receive))), "{outcome:?}");
    });
    peer.join().unwrap();
}

/// Sends in one direction, while the peer from time to time requests new keys for it.
fn send_under_new_keys<C, S>(
    ws: WebSocket,
    mut raw: Raw<StreamOwned<C, TcpStream>>,
    ping: &[u8],
    refresh: fn(&mut C) -> Result<(), rustls::Error>,
) where
    C: DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
{
    const COUNT: usize = 48;
    let (sender, mut receiver) = ws.split();
    let reader = thread::spawn(move || receiver.recv());
    let writer = thread::spawn(move || {
        (0..COUNT).try_for_each(|number| sender.send(vec![number as u8; MIB / 2]))
    });
    let (mut messages, mut pongs) = (0, 0);
    while messages < COUNT || pongs < COUNT / 8 {
        match raw.read_frame() {
            (0x82, payload) => {
                assert!(payload == vec![messages as u8; MIB / 2], "message {messages}");
                if messages % 8 == 0 {
                    refresh(&mut raw.stream.conn).unwrap();
                    raw.send(ping);
                }
                messages += 1;
            }
            (0x8a, _) => pongs += 1,
            (first, _) => panic!("a frame that begins with {first:#x}"),
        }
    }
    writer.join().unwrap().unwrap();
    end(&mut raw, End::CutOff);
    assert!(wire::is_eof(&reader.join().unwrap().unwrap_err()));
}

#[test]
fn the_peer_may_request_new_keys_in_the_middle_of_a_large_send() {
    let (ws, raw) = server(Timeouts::default());
    send_under_new_keys(ws, raw, &masked(0x89, b""), ClientConnection::refresh_traffic_keys_now);
    let (ws, raw) = client(Timeouts::default());
    send_under_new_keys(ws, raw, &[0x89, 0], ServerConnection::refresh_traffic_keys_now);
}

trait RefreshTrafficKeys {
    fn refresh_traffic_keys_now(&mut self) -> Result<(), rustls::Error>;
}

impl RefreshTrafficKeys for ClientConnection {
    fn refresh_traffic_keys_now(&mut self) -> Result<(), rustls::Error> {
        self.refresh_traffic_keys()
    }
}

impl RefreshTrafficKeys for ServerConnection {
    fn refresh_traffic_keys_now(&mut self) -> Result<(), rustls::Error> {
        self.refresh_traffic_keys()
    }
}

#[test]
fn a_tampered_record_ends_the_connection_with_an_alert() {
    let (mut ws, mut raw) = server(Timeouts::default());
    let mut records = Vec::new();
    raw.stream.conn.writer().write_all(&masked(0x81, b"good")).unwrap();
    raw.stream.conn.write_tls(&mut records).unwrap();
    raw.stream.conn.writer().write_all(&masked(0x81, b"bad")).unwrap();
    raw.stream.conn.write_tls(&mut records).unwrap();
    *records.last_mut().unwrap() ^= 1;
    raw.stream.sock.write_all(&records).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("good")));
    let Error::Io(error) = ws.recv().unwrap_err() else { panic!("not an I/O error") };
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let source = error.get_ref().unwrap().downcast_ref::<rustls::Error>();
    assert_eq!(source, Some(&rustls::Error::DecryptError));
    assert!(matches!(ws.send("late"), Err(Error::Send(SendError::Closed))));
    let error = raw.stream.read(&mut [0]).unwrap_err();
    let heard = error.get_ref().unwrap().downcast_ref::<rustls::Error>();
    let alert = rustls::Error::AlertReceived(AlertDescription::BadRecordMac);
    assert_eq!(heard, Some(&alert));
}

#[test]
fn a_shutdown_wakes_the_reading_and_the_writing_thread() {
    let (near, far) = tls::tcp();
    let (stream, _peer) = tls::streams(near, far);
    let stream = Arc::new(stream);
    // Without timeouts, only the shutdown can end these calls. On Windows, a shutdown does not wake
    // a reading thread, so the read needs a timeout.
    stream.set_read_timeout(cfg!(windows).then_some(Duration::from_millis(100))).unwrap();
    stream.set_write_timeout(None).unwrap();
    let (began, has_begun) = mpsc::channel();
    let blocked: [thread::JoinHandle<io::Error>; 2] = [
        thread::spawn({
            let stream = Arc::clone(&stream);
            move || loop {
                let error = read(&stream, &mut [0]).unwrap_err();
                if !cfg!(windows) || error.kind() != ErrorKind::TimedOut {
                    break error;
                }
            }
        }),
        thread::spawn({
            let stream = Arc::clone(&stream);
            move || {
                let bytes = vec![0; MIB];
                loop {
                    match Stream::write(&*stream, &bytes) {
                        Ok(_) => began.send(()).unwrap(),
                        Err(error) => break error,
                    }
                }
            }
        }),
    ];
    // The stream has accepted nothing for a while, so the writer most likely waits.
    while has_begun.recv_timeout(Duration::from_millis(50)).is_ok() {}
    in_time(move || stream.shutdown(Shutdown::Both)).unwrap();
    let [read, written] = blocked.map(|thread| in_time(move || thread.join().unwrap()));
    assert_eq!(read.kind(), ErrorKind::UnexpectedEof);
    assert!(matches!(written.kind(), ErrorKind::BrokenPipe | ErrorKind::WouldBlock), "{written}");
}

#[test]
fn a_reset_ends_both_halves() {
    let (ws, mut raw) = server(Timeouts::default());
    let (sender, mut receiver) = ws.split();
    let reader = thread::spawn(move || receiver.recv().unwrap_err());
    let writer = thread::spawn(move || sender.send(vec![0; HUGE]).unwrap_err());
    raw.read(100);
    raw.stream.sock.peek(&mut [0]).unwrap();
    // Dropping a socket with unread bytes causes a reset.
    drop(raw);
    let [read, written] = [reader, writer].map(|thread| in_time(move || thread.join().unwrap()));
    let is_broken = |error: &Error| match error {
        Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
        ),
        error => matches!(error, Error::Send(SendError::Closed)),
    };
    assert!(is_broken(&read), "{read:?}");
    assert!(is_broken(&written), "{written:?}");
}

#[test]
fn a_close_in_the_middle_of_a_huge_send_follows_its_message() {
    let (ws, mut raw) = server(Timeouts::default());
    let (sender, mut receiver) = ws.split();
    let reader = thread::spawn(move || {
        let outcome = receiver.recv();
        (outcome, receiver.close_status().unwrap().clone())
    });
    let writer = thread::spawn({
        let sender = sender.clone();
        move || sender.send(vec![7; HUGE])
    });
    let (first, mut received) = raw.read_frame();
    assert_eq!(first, 0x02);
    let closer = thread::spawn(move || sender.close_with(CloseCode::NORMAL, "enough"));
    let close = loop {
        match raw.read_frame() {
            (0x00 | 0x80, payload) => received.extend(payload),
            other => break other,
        }
    };
    assert!(received == vec![7; HUGE], "it is finished first");
    assert_eq!(close, (0x88, close_body(1000, "enough")));
    writer.join().unwrap().unwrap();
    closer.join().unwrap().unwrap();
    raw.send_frame(0x88, &close_body(1000, ""));
    assert!(raw.read_to_end().is_empty());
    end(&mut raw, End::Announced);
    let (outcome, status) = reader.join().unwrap();
    assert_eq!(outcome.unwrap(), None);
    assert_eq!((status.closed_by(), status.was_clean()), (ClosedBy::Us, true));
}

#[test]
fn a_peer_that_ends_the_stream_after_its_close_frame_reads_ours() {
    for how in [End::Announced, End::CutOff] {
        let (ws, mut raw) = server(Timeouts::default());
        let (sender, mut receiver) = ws.split();
        let reader = thread::spawn(move || {
            let outcome = receiver.recv();
            (outcome, receiver.close_status().unwrap().clone())
        });
        let writer = thread::spawn({
            let sender = sender.clone();
            move || sender.send(vec![7; HUGE])
        });
        assert_eq!(raw.read_frame().0, 0x02, "the writer has begun");
        raw.send_frame(0x88, &close_body(1000, ""));
        end(&mut raw, how);
        while sender.state() == State::Open {
            thread::yield_now();
        }
        // The server may already have read the end of the stream.
        let close = loop {
            match raw.read_frame() {
                (0x00 | 0x80, _) => {}
                other => break other,
            }
        };
        assert_eq!(close, (0x88, close_body(1000, "")), "{how:?}");
        let _ = writer.join().unwrap();
        let (outcome, status) = reader.join().unwrap();
        assert_eq!(outcome.unwrap(), None, "{how:?}");
        assert!(status.was_clean(), "{how:?}: {status:?}");
    }
}

#[test]
fn messages_are_streamed_in_both_directions_at_once() {
    const PIECES: usize = 400;
    let piece = |number: usize| vec![number as u8; 1 + number * 61];
    let ends = peers().map(|ws| {
        let (sender, mut receiver) = ws.split();
        let writer = thread::spawn(move || {
            let mut writer = sender.writer(MessageKind::Binary);
            (0..PIECES).for_each(|number| writer.write_all(&piece(number)).unwrap());
            writer.finish().unwrap();
            sender
        });
        let reader = thread::spawn(move || {
            let mut received = Vec::new();
            receiver.recv_reader().unwrap().unwrap().read_to_end(&mut received).unwrap();
            assert!(received == (0..PIECES).flat_map(piece).collect::<Vec<_>>());
            receiver
        });
        (writer, reader)
    });
    let ends = ends
        .map(|(writer, reader)| in_time(move || (writer.join().unwrap(), reader.join().unwrap())));
    let [(client, mut of_client), (_server, mut of_server)] = ends;
    client.close().unwrap();
    let server = thread::spawn(move || of_server.recv());
    assert_eq!(of_client.recv().unwrap(), None);
    assert_eq!(server.join().unwrap().unwrap(), None);
}

/// A stream that accepts and returns few bytes at a time, and often none, as the seed decides.
#[derive(Debug)]
struct Bumpy {
    stream: TcpStream,
    random: [Mutex<Random>; 2],
    max_piece: usize,
}

impl Bumpy {
    fn new(stream: TcpStream, seed: u64, max_piece: usize) -> Self {
        let random = [Mutex::new(Random(seed)), Mutex::new(Random(!seed))];
        Self { stream, random, max_piece }
    }

    /// Returns how many bytes may pass in this direction now.
    fn bump(&self, direction: usize) -> io::Result<usize> {
        let mut random = self.random[direction].lock().unwrap();
        match random.below(4) {
            0 => Err(ErrorKind::WouldBlock.into()),
            1 => Err(ErrorKind::Interrupted.into()),
            _ => Ok(1 + random.below(self.max_piece)),
        }
    }
}

impl Stream for Bumpy {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.bump(0)?.min(buffer.len());
        Stream::read(&self.stream, &mut buffer[..len])
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let len = self.bump(1)?;
        Stream::write(&self.stream, &buffer[..buffer.len().min(len)])
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }

    fn max_read_timeout(&self) -> Option<Duration> {
        self.stream.max_read_timeout()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}

/// Sends messages that the seed decides, and receives as many. The client closes.
fn talk(ws: WebSocket, max_len: usize, seed: u64, peer_seed: u64, closes: bool) {
    const COUNT: usize = 30;
    let messages = move |seed| {
        let mut random = Random(seed);
        (0..COUNT).map(move |_| {
            let len = [0, 1, 126, 5000, 16_384, 40_000, 200_000][random.below(7)];
            (0..len.min(max_len)).map(|_| random.draw() as u8).collect::<Vec<_>>()
        })
    };
    let (sender, mut receiver) = ws.split();
    let writer = thread::spawn(move || {
        for message in messages(seed) {
            sender.send(&message).unwrap();
            sender.ping(b"").unwrap();
        }
        sender
    });
    for (number, message) in messages(peer_seed).enumerate() {
        let received = receiver.recv().unwrap().unwrap();
        assert!(received.into_bytes() == message, "message {number}");
    }
    let sender = writer.join().unwrap();
    if closes {
        sender.close().unwrap();
    }
    assert_eq!(receiver.recv().unwrap(), None);
    // The end need not be clean, because a last Pong may be lost.
    assert_eq!(receiver.close_status().unwrap().code(), 1000);
}

#[test]
fn no_byte_is_lost_or_repeated_however_records_are_cut() {
    for seed in 0..8 {
        let max_piece = [7, 600, 20_000, 100_000][seed as usize % 4];
        let max_len = 100 * max_piece;
        let (near, far) = tls::tcp();
        let [client, server] =
            over(Bumpy::new(near, seed, max_piece), Bumpy::new(far, seed + 100, max_piece));
        let client = thread::spawn(move || talk(client, max_len, seed, !seed, true));
        let server = thread::spawn(move || talk(server, max_len, !seed, seed, false));
        in_time(move || [client, server].map(|end| end.join().unwrap()));
    }
}

#[test]
fn a_write_continues_while_the_stream_has_room() {
    let (near, far) = tls::tcp();
    let (stream, peer) = tls::streams(near, far);
    let reader = thread::spawn(move || {
        let mut buffer = vec![0; MIB];
        while let Ok(1..) = read(&peer, &mut buffer) {}
    });
    // The stream encrypts 64 KiB at once, and has room for more. A write also ends 10 ms after its
    // first call to the stream, so it may end early on a busy machine.
    let data = vec![7; 80 << 10];
    let takes_all = || Stream::write(&stream, &data).unwrap() == data.len();
    assert!((0..100).any(|_| takes_all()));
    stream.shutdown(Shutdown::Both).unwrap();
    reader.join().unwrap();
}

#[test]
fn an_unaccepted_write_may_be_repeated_with_more_bytes() {
    let (near, far) = tls::tcp();
    let (stream, peer) = tls::streams(Bumpy::new(near, 1, 5000), far);
    let expected: Vec<u8> = (0..=250).cycle().take(MIB).collect();
    let reader = thread::spawn(move || {
        let (mut received, mut buffer) = (Vec::new(), vec![0; 10_000]);
        while let count @ 1.. = read(&peer, &mut buffer).unwrap() {
            received.extend_from_slice(&buffer[..count]);
        }
        received
    });
    let (mut written, mut random) = (0, Random(1));
    let mut shown = 0;
    while written < expected.len() {
        // At least the bytes that the stream has already seen.
        shown = expected.len().min(shown.max(written + 1 + random.below(100_000)));
        let waiting = &expected[written..shown];
        match Stream::write(&stream, waiting) {
            Ok(count) => {
                assert!((1..=waiting.len()).contains(&count));
                written += count;
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted));
            }
        }
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(reader.join().unwrap() == expected);
    let late = loop {
        match Stream::write(&stream, b"late").unwrap_err().kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
            kind => break kind,
        }
    };
    assert_eq!(late, ErrorKind::BrokenPipe);
}
