//! Tests a server with many clients: its own limits, those of the system, and that no resources
//! leak.

mod wire;

use std::hint::black_box;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tightwire::{Server, ServerHandle};
use wire::{PATIENCE, REQUEST, RESPONSE, Raw, close_body};

/// Polls a condition that no event announces.
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Starts an echo server. The channel returns its reports.
fn start(server: Server) -> (SocketAddr, ServerHandle, mpsc::Receiver<String>) {
    let (sender, reports) = mpsc::channel();
    let server = server.on_error(move |_, error| {
        let _ = sender.send(error.to_string());
    });
    let handle = server.handle();
    (wire::run(server, wire::echo), handle, reports)
}

fn echo(raw: &mut Raw) {
    raw.send_frame(0x81, b"x");
    assert_eq!(raw.read_frame(), (0x81, b"x".to_vec()));
}

fn close(mut raw: Raw) {
    raw.send_frame(0x88, &close_body(1000, ""));
    assert_eq!(raw.read_frame().0, 0x88);
    assert!(raw.read_to_end().is_empty());
}

/// Asserts that the server refuses this client: it reads a whole response, and then an end.
fn refused(mut raw: Raw) {
    let answer = String::from_utf8(raw.read_to_end()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert_eq!(wire::field(&answer, "Connection").as_deref(), Some("close"));
}

/// Connects repeatedly until the server accepts.
fn served(address: SocketAddr) -> Raw {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut raw = Raw::connect(address);
        raw.send(REQUEST);
        if raw.read_head() == RESPONSE {
            return raw;
        }
        assert!(Instant::now() < end, "a place becomes free");
    }
}

#[test]
fn a_client_above_the_maximum_gets_503_and_the_others_stay() {
    let (address, handle, reports) = start(wire::server().max_connections(2));
    let (mut first, mut second) = (Raw::upgraded(address), Raw::upgraded(address));
    for request in ["", "GET /", REQUEST].repeat(10) {
        let mut raw = Raw::connect(address);
        raw.send(request);
        refused(raw);
        assert_eq!(handle.connection_count(), 2);
    }
    echo(&mut first);
    close(first);
    let mut third = served(address);
    for raw in [&mut second, &mut third] {
        echo(raw);
    }
    let report = reports.recv_timeout(PATIENCE).unwrap();
    assert_eq!(report, "the limit of 2 connections is reached");
    assert!(reports.try_recv().is_err(), "a lasting condition is reported once");
    refused(Raw::connect(address));
    assert_eq!(reports.recv_timeout(PATIENCE).unwrap(), report);
}

#[test]
fn connections_in_the_opening_handshake_are_counted() {
    let (address, handle, _) = start(wire::server().max_connections(1));
    let mut raw = Raw::connect(address);
    await_that("the connection is counted", || handle.connection_count() == 1);
    refused(Raw::connect(address));
    raw.send(REQUEST);
    assert_eq!(raw.read_head(), RESPONSE);
    echo(&mut raw);
}

#[test]
fn refused_clients_that_stay_do_not_delay_others() {
    let (address, _, _) = start(wire::server().max_connections(1));
    let first = Raw::upgraded(address);
    // More clients than get time to read the response. None of them reads or disconnects.
    let idle: Vec<_> = (0..100).map(|_| Raw::connect(address)).collect();
    // Later clients still get a response, although a reset may follow it.
    let mut next = Raw::connect(address);
    assert!(next.read_head().starts_with("HTTP/1.1 503 "));
    close(first);
    echo(&mut served(address));
    drop(idle);
}

/// If the server closed while the client still sends, TCP would reset the connection, and the
/// client could lose the response.
#[test]
fn a_refused_client_may_keep_sending_for_a_while() {
    let (address, _, _) = start(wire::server().max_connections(0));
    // The server reads for a second. If this machine is too busy, the next client gets a chance.
    await_that("a client that sends after it was refused", || {
        let mut raw = Raw::connect(address);
        assert!(!raw.read_to_end().is_empty());
        // A reset would arrive in between, and the next byte would report it.
        (0..5).all(|_| {
            thread::sleep(Duration::from_millis(10));
            raw.stream.write_all(b"x").is_ok()
        })
    });
}

#[test]
fn the_stack_has_the_configured_size() {
    fn deep(left: usize) -> usize {
        let frame = black_box([1_u8; 4096]);
        if left == 0 { 0 } else { deep(left - 1) + usize::from(black_box(&frame)[left % 4096]) }
    }
    let server = wire::server().stack_size(16 << 20);
    let address = wire::run(server, |ws, _| {
        // This takes more than 4 MiB. A smaller stack would end the process.
        Ok(ws.send(deep(1024).to_string())?)
    });
    assert_eq!(Raw::upgraded(address).read_frame(), (0x81, b"1024".to_vec()));
}

/// Tests that need Linux to count or to limit resources.
#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::{env, fs};

    use super::*;

    const CHILD: &str = "TIGHTWIRE_TEST_CHILD";

    fn again(test: &str, limits: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")])
            .args(wire::runner())
            .arg(env::current_exe().unwrap())
            .args(["--exact", &format!("linux::{test}"), "--nocapture"])
            .env(CHILD, "1");
        command
    }

    /// Runs the test of this name again in a process of its own with these limits. Returns whether
    /// this is that process.
    fn is_child(test: &str, limits: &str) -> bool {
        if env::var_os(CHILD).is_some() {
            return true;
        }
        let output = again(test, limits).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("1 passed"), "{text}");
        false
    }

    fn count(dir: &str) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    /// Returns the numbers of threads and of file descriptors.
    fn resources() -> (usize, usize) {
        (count("/proc/self/task"), count("/proc/self/fd"))
    }

    #[test]
    fn no_thread_or_descriptor_is_left_behind() {
        if !is_child("no_thread_or_descriptor_is_left_behind", "true") {
            return;
        }
        let at_first = resources();
        let server = wire::server();
        let handle = server.handle();
        let running = thread::spawn(move || {
            server.run(|ws, request| match request.path() {
                "/panic" => panic!("on purpose"),
                "/error" => Err("on purpose".into()),
                _ => wire::echo(ws, request),
            })
        });
        let address = handle.local_addr().unwrap();
        // The server has all its threads now.
        close(Raw::upgraded(address));
        await_that("an empty server", || handle.connection_count() == 0);
        await_that("the first thread ends", || resources().0 == at_first.0 + 2);
        let before = resources();
        let mut kept = Vec::new();
        for _ in 0..20 {
            close(Raw::upgraded(address));
            drop(Raw::upgraded(address));
            drop(Raw::connect(address));
            Raw::connect(address).send("no handshake\r\n\r\n");
            for path in ["/panic", "/error"] {
                let mut raw = Raw::connect(address);
                raw.send(REQUEST.replace("/chat?room=1", path));
                assert_eq!(raw.read_head(), RESPONSE);
                assert_eq!(raw.read_frame(), (0x88, close_body(1011, "")));
                raw.send_frame(0x88, &close_body(1011, ""));
                assert!(raw.read_to_end().is_empty());
            }
            kept.push(Raw::upgraded(address));
        }
        await_that("20 connections", || handle.connections().len() == 20);
        await_that("their threads", || resources().0 == before.0 + 20);
        // Two descriptors for each connection, because the client is in this process too.
        await_that("their descriptors", || resources().1 == before.1 + 2 * 20);
        drop(kept);
        await_that("the resources before the clients", || resources() == before);
        handle.shutdown(PATIENCE);
        running.join().unwrap().unwrap();
        await_that("the resources at the start", || resources() == at_first);
    }

    /// Runs a server that prints its address and its reports, and ends with its input.
    fn serve_parent() {
        let server = wire::server().on_error(|_, error| println!("report: {error}"));
        let handle = server.handle();
        println!("\nlistening on {}", handle.local_addr().unwrap());
        let running = thread::spawn(move || server.run(wire::echo));
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        handle.shutdown(PATIENCE);
        running.join().unwrap().unwrap();
    }

    #[test]
    fn a_server_without_descriptors_waits_for_some() {
        const TEST: &str = "a_server_without_descriptors_waits_for_some";
        if env::var_os(CHILD).is_some() {
            return serve_parent();
        }
        let mut child = again(TEST, "ulimit -n 40")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| sender.send(line).unwrap());
        });
        let next = |start: &str| loop {
            let line = lines.recv_timeout(PATIENCE).unwrap();
            if let Some(rest) = line.strip_prefix(start) {
                break rest.to_owned();
            }
        };
        let address = next("listening on ").parse().unwrap();
        // The system connects all clients, but the server cannot accept the last ones.
        let mut clients: Vec<_> = (0..45).map(|_| Raw::connect(address)).collect();
        clients.iter_mut().for_each(|raw| raw.send(REQUEST));
        let report = next("report: ");
        assert!(report.contains("os error 24"), "{report}");
        let waiting = clients.split_off(20);
        for raw in &mut clients {
            assert_eq!(raw.read_head(), RESPONSE);
            echo(raw);
        }
        // In the meantime, the server retries several times.
        thread::sleep(Duration::from_millis(150));
        assert!(lines.try_recv().is_err(), "a lasting condition is reported once");
        // The waiting clients are served when others disconnect.
        clients.into_iter().for_each(close);
        for mut raw in waiting {
            assert_eq!(raw.read_head(), RESPONSE);
            echo(&mut raw);
            close(raw);
        }
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        drop(lines);
        let _ = reader.join();
    }

    #[test]
    fn a_server_without_descriptors_can_be_shut_down() {
        if !is_child("a_server_without_descriptors_can_be_shut_down", "ulimit -n 40") {
            return;
        }
        let server = wire::server();
        let handle = server.handle();
        let running = thread::spawn(move || server.run(wire::echo));
        let raw = Raw::upgraded(handle.local_addr().unwrap());
        await_that("the connection", || handle.connections().len() == 1);
        // No descriptor is left to wake the accepting thread. The server has one in reserve.
        let mut taken = Vec::new();
        while let Ok(file) = fs::File::open("/dev/null") {
            taken.push(file);
        }
        let stopping = thread::spawn(move || handle.shutdown(Duration::from_millis(50)).aborted);
        await_that("the end", || stopping.is_finished() && running.is_finished());
        assert_eq!(stopping.join().unwrap(), 1);
        running.join().unwrap().unwrap();
        drop((raw, taken));
    }

    #[test]
    fn a_server_without_threads_answers_503_and_recovers() {
        // The address space has room for only a few stacks of this size.
        if !is_child("a_server_without_threads_answers_503_and_recovers", "ulimit -v 2000000") {
            return;
        }
        let (address, handle, reports) = start(wire::server().stack_size(256 << 20));
        let mut clients = Vec::new();
        loop {
            let mut raw = Raw::connect(address);
            raw.send(REQUEST);
            let head = raw.read_head();
            if head != RESPONSE {
                assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
                assert_eq!(wire::field(&head, "Connection").as_deref(), Some("close"));
                raw.read_to_end();
                break;
            }
            clients.push(raw);
        }
        assert!(clients.len() > 1);
        assert_eq!(handle.connection_count(), clients.len(), "refused clients are not counted");
        let report = reports.recv_timeout(PATIENCE).unwrap();
        assert!(report.contains("os error 11"), "{report}");
        clients.iter_mut().for_each(echo);
        clients.into_iter().for_each(close);
        echo(&mut served(address));
    }
}
