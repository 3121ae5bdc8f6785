//! A proxy that damages the stream between two peers.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A connection that is forwarded in pieces, with delays, up to a point.
#[derive(Debug)]
pub struct Proxy {
    pub address: SocketAddr,
    thread: JoinHandle<()>,
}

/// The treatment of the bytes of one direction. The seed alone decides how they are cut.
#[derive(Clone, Copy, Debug)]
pub struct Direction {
    pub seed: u64,
    /// The longest piece that is forwarded at once.
    pub max_piece: usize,
    /// One of this many pieces is delayed for a millisecond.
    pub delays: u64,
    /// The number of bytes after which the direction ends, and the way in which it ends.
    pub end: Option<(usize, End)>,
}

/// The way in which a direction ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Both connections end, and the bytes in transit are lost.
    Cut,
    /// The end of the stream is forwarded, and nothing after it. The other direction continues.
    HalfClose,
    /// Noise, and then the end of both connections.
    Garbage,
}

impl Proxy {
    /// Forwards one connection to `target`, until both directions have ended.
    pub fn start(target: SocketAddr, up: Direction, down: Direction) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let near = listener.accept().unwrap().0;
            let far = TcpStream::connect(target).unwrap();
            thread::scope(|scope| {
                scope.spawn(|| up.carry(&near, &far));
                down.carry(&far, &near);
            });
        });
        Self { address, thread }
    }

    /// Waits for the end of both directions.
    pub fn join(self) {
        self.thread.join().unwrap();
    }
}

impl Direction {
    /// Forwards bytes until there are no more, or one end accepts no more.
    fn carry(self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut random = Random(self.seed);
        let mut buffer = vec![0; self.max_piece];
        let mut left = self.end.map_or(usize::MAX, |(after, _)| after);
        while left > 0 {
            let wanted = (1 + random.below(self.max_piece)).min(left);
            let Ok(count @ 1..) = from.read(&mut buffer[..wanted]) else { break };
            if random.draw() % self.delays == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
            left -= count;
        }
        match self.end.filter(|_| left == 0) {
            None | Some((_, End::HalfClose)) => {
                let _ = to.shutdown(Shutdown::Write);
                // Later bytes are lost, but their sender is not blocked.
                while matches!(from.read(&mut buffer), Ok(1..)) {}
            }
            Some((_, End::Cut)) => {}
            Some((_, End::Garbage)) => {
                let noise: Vec<u8> = (0..500).map(|_| random.draw() as u8).collect();
                let _ = to.write_all(&noise);
            }
        }
        if self.end.is_some_and(|(_, end)| left == 0 && end != End::HalfClose) {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    }
}

/// The generator SplitMix64. A seed gives the same numbers on every run.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound as u64) as usize
    }
}
