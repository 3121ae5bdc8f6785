//! Tests that the compression setting of a sender, or of a decision of the server, applies to
//! everything that is sent with it.
#![cfg(feature = "deflate")]

mod support;

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::deflate::agree;
use tightwire::deflate::DeflateConfig;
use tightwire::handshake::Negotiated;
use tightwire::{Acceptor, Hub, PreparedMessage, SlowPolicy, Stream, WebSocket};

/// A stream that accepts everything, and never returns a byte.
#[derive(Clone, Debug, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Stream for Sink {
    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let mut written = self.0.lock().unwrap();
        written.extend_from_slice(buffer);
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

impl Sink {
    /// Returns the first byte that was written since the last call.
    fn first(&self) -> u8 {
        core::mem::take(&mut *self.0.lock().unwrap())[0]
    }
}

fn compressing_server() -> (Sink, WebSocket) {
    let sink = Sink::default();
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(agree(&DeflateConfig::new(), &DeflateConfig::new()));
    let acceptor = Acceptor::new().deflate(DeflateConfig::new().min_len(0));
    let ws = acceptor.from_upgraded(sink.clone(), negotiated, Vec::new()).unwrap();
    (sink, ws)
}

#[test]
fn broadcasts_through_an_uncompressed_sender_are_not_compressed() {
    let news = PreparedMessage::new("some news");
    let (sink, ws) = compressing_server();
    ws.send_prepared(&news).unwrap();
    assert_eq!(sink.first(), 0xc1);
    let sender = ws.sender().uncompressed();
    sender.send_prepared(&news).unwrap();
    assert_eq!(sink.first(), 0x81);
    let hub = Hub::new(SlowPolicy::Drop);
    let member = hub.join(sender.clone());
    assert_eq!(hub.broadcast_prepared(&news).delivered, 1);
    assert_eq!(sink.first(), 0x81, "a broadcast through a sender that does not compress");
    drop(member);
    let _member = hub.join(ws.sender());
    assert_eq!(hub.broadcast_prepared(&news).delivered, 1);
    assert_eq!(sink.first(), 0xc1);
    // Broadcasts wait for the end of a streamed message.
    let uncompressed = hub.join(sender);
    let mut writer = ws.writer(tightwire::MessageKind::Binary);
    io::Write::write_all(&mut writer, b"a part").unwrap();
    io::Write::flush(&mut writer).unwrap();
    assert_eq!(sink.first(), 0x42);
    assert_eq!(hub.broadcast("news").delivered, 2);
    writer.finish().unwrap();
    let written = core::mem::take(&mut *sink.0.lock().unwrap());
    // The end of the message, then both broadcasts. One of them is the uncompressed "news".
    assert_eq!(written[..3], [0x80, 0x01, 0x00]);
    assert_eq!(written[3], 0xc1);
    assert!(written.ends_with(b"\x81\x04news"), "{written:02x?}");
    drop(uncompressed);
}
