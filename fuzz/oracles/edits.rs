//! Heads of an opening handshake with some changes. Random bytes from a fuzzer would hardly ever be
//! so close to valid.

/// The request of a client.
pub const REQUEST: [&str; 6] = [
    "GET /chat?room=1 HTTP/1.1",
    "Host: example",
    "Upgrade: websocket",
    "Connection: keep-alive, Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// The response to it.
pub const RESPONSE: [&str; 4] = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
];

/// Lines that can be inserted, or can replace another one.
const LINES: [&str; 32] = [
    "get / HTTP/1.1",
    "POST / HTTP/1.1",
    "GET http://example/ HTTP/1.1",
    "GET / HTTP/1.0",
    "HTTP/1.1 102 Processing",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 301 ",
    "HTTP/1.0 101",
    "Host: other",
    "Host:",
    "Upgrade: WebSocket",
    "Upgrade: h2c, websocket",
    "Upgrade: websockets",
    "Connection: close",
    "Connection: UPGRADE",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=A",
    "Sec-WebSocket-Version: 8",
    "Sec-WebSocket-Version: 13, 8",
    "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "Sec-WebSocket-Protocol: chat",
    "Sec-WebSocket-Protocol: superchat, chat",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12",
    "Sec-WebSocket-Extensions: foo; a=\"b\"",
    "Origin: http://example",
    "Content-Length: 0",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "Location: /other",
    "X-Name:\tvalue ",
    "no colon",
    " folded",
];

/// Returns these lines with the changes in `plan`, which has three bytes for each.
pub fn edited(lines: &[&str], plan: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    for change in plan.chunks_exact(3) {
        let (place, what) = (usize::from(change[1]) % (lines.len() + 1), change[2]);
        let new = LINES[usize::from(what) % LINES.len()].as_bytes().to_vec();
        let Some(line) = lines.get_mut(place) else {
            lines.push(new);
            continue;
        };
        match change[0] % 8 {
            0 | 1 => lines.insert(place, new),
            2 | 3 => *line = new,
            4 => drop(lines.remove(place)),
            5 => {
                let again = line.clone();
                lines.insert(place, again);
            }
            6 => line.push(what),
            _ => {
                let len = line.len().max(1);
                if let Some(byte) = line.get_mut(usize::from(what) % len) {
                    *byte ^= 0x20;
                }
            }
        }
    }
    [&lines.join(&b"\r\n"[..])[..], b"\r\n\r\n"].concat()
}
