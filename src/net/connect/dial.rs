//! A TCP stream to a host and a port, within a deadline.
//!
//! The resolver of the system takes no deadline, so it runs in a thread of its own. The addresses
//! are tried one after the other. Each gets its share of the time that is left, so that an address
//! that does not answer leaves some for the others.

use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use super::serialize::{Connecting, Remote, Serialize};
use crate::net::deadline::Deadline;
use crate::net::error::is_timeout;
use crate::net::{Error, Operation};

/// Opens a TCP connection to the first address of `host` that accepts one.
///
/// With `Serialize::Yes`, no other client with that setting connects to the address until the
/// returned `Connecting` is dropped.
pub(super) fn dial(
    host: &str,
    port: u16,
    serialize: Serialize,
    deadline: Deadline,
) -> Result<(TcpStream, Option<Connecting>), Error> {
    let addresses = resolve(host, port, deadline)?;
    let mut failure =
        Error::Io(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")));
    for (tried, address) in addresses.iter().enumerate() {
        let remote = || Remote::at(*address);
        let connecting = match serialize {
            Serialize::No => None,
            Serialize::Yes => Some(Connecting::wait(remote(), deadline)?),
        };
        // An address that does not answer leaves the others their share of the time.
        let shares = u32::try_from(addresses.len().saturating_sub(tried)).unwrap_or(u32::MAX);
        let left = deadline.left().map(|left| left / shares.max(1));
        let attempt = match left {
            Some(timeout) => TcpStream::connect_timeout(address, timeout),
            None => TcpStream::connect(address),
        };
        match attempt {
            Ok(stream) => return Ok((stream, connecting)),
            Err(error) if is_timeout(&error) => failure = Error::Timeout(Operation::Connect),
            Err(error) => failure = Error::Io(error),
        }
        if deadline.is_over() {
            return Err(Error::Timeout(Operation::Connect));
        }
    }
    Err(failure)
}

/// Finds the addresses of `host`. A literal address needs no resolver. Otherwise the thread of the
/// resolver may outlive this call.
fn resolve(host: &str, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let lookup = Arc::new(Lookup::default());
    let (host, theirs) = (host.to_owned(), Arc::clone(&lookup));
    thread::Builder::new().name("tightwire resolve".into()).spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs();
        let mut answer = theirs.answer.lock().unwrap_or_else(PoisonError::into_inner);
        *answer = Some(addresses.map(Iterator::collect));
        drop(answer);
        // If it took too long, no thread waits any more.
        theirs.is_over.notify_one();
    })?;
    let answer = lookup.answer.lock().unwrap_or_else(PoisonError::into_inner);
    let timeout = deadline.left().unwrap_or(Duration::MAX);
    let waited = lookup.is_over.wait_timeout_while(answer, timeout, |answer| answer.is_none());
    let (mut answer, _) = waited.unwrap_or_else(PoisonError::into_inner);
    match answer.take() {
        Some(addresses) => Ok(addresses?),
        None => Err(Error::Timeout(Operation::Connect)),
    }
}

/// The result of a resolver. A channel would do, but would be most of the code of a small client.
#[derive(Default)]
struct Lookup {
    answer: Mutex<Option<io::Result<Vec<SocketAddr>>>>,
    is_over: Condvar,
}
