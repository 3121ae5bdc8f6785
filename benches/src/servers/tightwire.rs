use std::io;
use std::net::TcpListener;

use tightwire::{Hub, Server, SlowPolicy};

pub fn broadcast(listener: TcpListener) -> io::Result<()> {
    let hub = Hub::new(SlowPolicy::Disconnect);
    Server::from(listener).run(move |ws, _request| {
        let _member = hub.join(ws.sender());
        while let Some(message) = ws.recv()? {
            hub.broadcast(&message);
        }
        Ok(())
    })
}
