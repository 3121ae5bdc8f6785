use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use tungstenite::protocol::Role;
use tungstenite::{Error, WebSocket};

use super::STACK_SIZE;

pub fn echo(listener: TcpListener) -> io::Result<()> {
    for stream in listener.incoming() {
        let stream = stream?;
        thread::Builder::new().stack_size(STACK_SIZE).spawn(move || -> Result<(), Error> {
            stream.set_nodelay(true)?;
            let Ok(mut ws) = tungstenite::accept(stream) else { return Ok(()) };
            loop {
                let message = ws.read()?;
                if message.is_binary() || message.is_text() {
                    ws.send(message)?;
                }
            }
        })?;
    }
    Ok(())
}

/// Each connection has a second `WebSocket` on the same socket that only sends, because tungstenite
/// cannot send from another thread than the one that receives.
pub fn broadcast(listener: TcpListener) -> io::Result<()> {
    let members: Arc<Mutex<Vec<WebSocket<TcpStream>>>> = Arc::default();
    for stream in listener.incoming() {
        let stream = stream?;
        let members = Arc::clone(&members);
        thread::Builder::new().stack_size(STACK_SIZE).spawn(move || -> Result<(), Error> {
            stream.set_nodelay(true)?;
            let other = stream.try_clone()?;
            let Ok(mut ws) = tungstenite::accept(stream) else { return Ok(()) };
            let member = WebSocket::from_raw_socket(other, Role::Server, None);
            members.lock().unwrap().push(member);
            loop {
                let message = ws.read()?;
                if message.is_binary() || message.is_text() {
                    for member in members.lock().unwrap().iter_mut() {
                        member.send(message.clone())?;
                    }
                }
            }
        })?;
    }
    Ok(())
}
