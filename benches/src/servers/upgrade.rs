//! The server's side of a crude opening handshake, which checks no rules.

/// Returns the response to a request. The key may be anywhere in it.
pub fn response(request: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"sec-websocket-key:";
    let mut lines = request.split(|&byte| byte == b'\n');
    let line = lines
        .find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
        .unwrap_or_default();
    let key = line.get(NAME.len()..).unwrap_or_default().trim_ascii();
    let accept = tightwire::handshake::accept_value(std::str::from_utf8(key).unwrap_or_default());
    let mut response = Vec::with_capacity(256);
    response.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
          Connection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    response.extend_from_slice(accept.as_bytes());
    response.extend_from_slice(b"\r\n\r\n");
    response
}
