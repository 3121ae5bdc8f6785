//! The checks. Each opens its own connections; all but a few are the same in every role.

mod compression;
mod messages;

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use tightwire::handshake::{HandshakeError, ProxyError};
use tightwire::{CloseCode, ClosedBy, Error, Message};

use crate::Failure;
use crate::echo::text;
use crate::peer::Role;
use crate::session::{AUTH, Connection, HEADER, REFUSAL, Session, Wishes};
use messages::{expect, expect_messages};

/// A check, by the name that `run features` and `known.tsv` use.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// A description for `docs/interop.md`.
    pub(crate) what: &'static str,
    /// Whether it is checked only with the peers that offer it.
    pub(crate) is_optional: bool,
    pub(crate) run: fn(&Session) -> Result<(), Failure>,
}

impl Check {
    pub(crate) fn applies_to(&self, role: Role) -> bool {
        match self.name {
            "auth" => role == Role::ForwardProxy,
            _ => true,
        }
    }
}

/// In this order. `killed` comes last, because it ends the peer's server.
pub(crate) const CHECKS: &[Check] = &[
    required("text", "text with characters of one to four bytes and a NUL", messages::text_echo),
    required(
        "lengths",
        "0, 1, 125, 126, 65,535 and 65,536 bytes, binary and text",
        messages::lengths,
    ),
    required("1-mib", "1 MiB, binary and text", messages::one_mib),
    required("8-mib", "8 MiB, binary and text", messages::eight_mib),
    required(
        "fragments",
        "a message of ours in three frames, cut inside a character, with a Ping in between",
        messages::fragments,
    ),
    required("ping", "our Ping is answered by a Pong with the same payload", messages::ping),
    required(
        "pipeline",
        "1,000 messages are echoed in order, all sent before the first is awaited",
        messages::pipeline,
    ),
    required("close", "our Close with a reason is answered", close),
    optional("close-code", "the answer to our Close has the same code, 4001", close_code),
    optional("peer-closes", "a Close of the peer with 4001 and a reason", peer_closes),
    optional("peer-pings", "a Ping of the peer is answered", messages::peer_pings),
    optional("peer-fragments", "a message of the peer in three frames", messages::peer_fragments),
    optional("subprotocol", "the subprotocol `chat` is chosen", subprotocol),
    optional("header", "a field of the client's request reaches the server", header),
    optional("refusal", "status 403 reaches the client", refusal),
    optional("refusal-body", "the body of a refusal reaches the client", refusal_body),
    optional(
        "deflate",
        "permessage-deflate: the peer understands what we compress",
        compression::deflate,
    ),
    optional(
        "deflate-mixed",
        "permessage-deflate: some messages are compressed, and others are not",
        compression::mixed,
    ),
    optional(
        "deflate-empty",
        "permessage-deflate: empty messages, one after the other",
        compression::empty,
    ),
    optional(
        "deflate-noise",
        "permessage-deflate: data that cannot be compressed",
        compression::noise,
    ),
    optional(
        "compresses",
        "permessage-deflate: the peer compresses, too",
        compression::peer_compresses,
    ),
    optional(
        "takeover",
        "permessage-deflate: messages refer to earlier ones",
        compression::takeover,
    ),
    optional(
        "no-takeover",
        "permessage-deflate without context takeover",
        compression::no_takeover,
    ),
    optional("window", "permessage-deflate with windows of 9 and 12 bits", compression::window),
    optional("wss", "text, 1 MiB and a Close over TLS, with the certificate verified", wss),
    optional("auth", "the right password passes, and no other", auth),
    required("killed", "the peer is killed inside a message: an error comes in time", killed),
];

const fn required(
    name: &'static str,
    what: &'static str,
    run: fn(&Session) -> Result<(), Failure>,
) -> Check {
    Check { name, what, is_optional: false, run }
}

const fn optional(
    name: &'static str,
    what: &'static str,
    run: fn(&Session) -> Result<(), Failure>,
) -> Check {
    Check { name, what, is_optional: true, run }
}

/// Opens a connection, uses it, and ends it.
fn with(
    session: &Session,
    wishes: &Wishes,
    body: impl FnOnce(&mut Connection) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut connection = session.open(wishes)?;
    match body(&mut connection) {
        Ok(()) => connection.finish(),
        Err(failure) => Err(connection.explain(failure)),
    }
}

/// Like [`with`], on a connection for which nothing in particular is asked.
fn plainly(
    session: &Session,
    body: impl FnOnce(&mut Connection) -> Result<(), Failure>,
) -> Result<(), Failure> {
    with(session, &Wishes::default(), body)
}

fn close(session: &Session) -> Result<(), Failure> {
    plainly(session, |Connection { ws, .. }| {
        expect_messages(ws, &[text("Hello")])?;
        let code = CloseCode::new(4001).ok_or("4001 is a code")?;
        ws.close_with(code, "enough").map_err(explain("closing"))?;
        let status = ws.close_status().ok_or("the connection has no status")?;
        let got = (status.closed_by(), status.was_clean());
        expect("who closed, and whether that was clean", got, (ClosedBy::Us, true))
    })
}

/// "Typically echoes" is all that §5.5.1 says.
fn close_code(session: &Session) -> Result<(), Failure> {
    plainly(session, |Connection { ws, .. }| {
        let code = CloseCode::new(4001).ok_or("4001 is a code")?;
        ws.close_with(code, "enough").map_err(explain("closing"))?;
        expect("the code", ws.close_status().map(|status| status.code()), Some(4001))
    })
}

fn peer_closes(session: &Session) -> Result<(), Failure> {
    plainly(session, |Connection { ws, .. }| {
        ws.send("!close").map_err(explain("sending"))?;
        let end = ws.recv_timeout(Duration::from_secs(10)).map_err(explain("receiving"))?;
        expect("the message at the end", end, None)?;
        expect_status(ws, 4001, ClosedBy::Peer)?;
        let reason = ws.close_status().map(|status| status.reason().to_owned());
        expect("the reason", reason.as_deref(), Some("bye"))
    })
}

fn expect_status(ws: &tightwire::WebSocket, code: u16, by: ClosedBy) -> Result<(), Failure> {
    let status = ws.close_status().ok_or("the connection has no status")?;
    let got = (status.code(), status.closed_by(), status.was_clean());
    expect("code, who closed, and whether that was clean", got, (code, by, true))
}

fn subprotocol(session: &Session) -> Result<(), Failure> {
    with(
        session,
        &Wishes { subprotocol: true, ..Wishes::default() },
        |Connection { ws, .. }| {
            expect("the subprotocol", ws.subprotocol(), Some("chat"))?;
            expect_messages(ws, &[text("Hello")])
        },
    )
}

fn header(session: &Session) -> Result<(), Failure> {
    with(
        session,
        &Wishes { header: true, ..Wishes::default() },
        |Connection { ws, request, .. }| {
            if let Some(request) = request {
                return expect("X-Interop", request.headers().get("X-Interop"), Some(HEADER));
            }
            ws.send("!header").map_err(explain("sending"))?;
            let answer = ws.recv_timeout(Duration::from_secs(10)).map_err(explain("receiving"))?;
            expect("the answer", answer, Some(text(HEADER)))
        },
    )
}

fn refusal(session: &Session) -> Result<(), Failure> {
    expect("the status", refused(session)?.0, 403)
}

fn refusal_body(session: &Session) -> Result<(), Failure> {
    let (_, body) = refused(session)?;
    if body.contains(REFUSAL) { Ok(()) } else { Err(format!("the body is {body:?}")) }
}

/// The status and body of a refusal, as the client sees them.
fn refused(session: &Session) -> Result<(u16, String), Failure> {
    if session.role == Role::Client {
        let printed = session.refuse()?;
        let line = printed.lines().find_map(|line| line.strip_prefix("refused "));
        let line = line.ok_or_else(|| format!("the client prints no refusal: {printed:?}"))?;
        let (status, body) = line.split_once(' ').unwrap_or((line, ""));
        let status = status.parse().map_err(|_| format!("{line:?} has no status"))?;
        return Ok((status, body.to_owned()));
    }
    match session.connect(&Wishes { path: "/refuse", ..Wishes::default() })? {
        Err(Error::Handshake(HandshakeError::Refused(response))) => {
            Ok((response.status(), String::from_utf8_lossy(response.body()).into_owned()))
        }
        other => Err(format!("not refused: {:?}", other.map(|_| "open"))),
    }
}

fn wss(session: &Session) -> Result<(), Failure> {
    with(session, &Wishes { tls: true, ..Wishes::default() }, |Connection { ws, .. }| {
        let long = Message::Binary(messages::bytes(1 << 20));
        expect_messages(ws, &[text(messages::UNICODE), long])
    })
}

fn auth(session: &Session) -> Result<(), Failure> {
    let wishes = |auth| Wishes { auth: Some(auth), ..Wishes::default() };
    with(session, &wishes(AUTH), |Connection { ws, .. }| expect_messages(ws, &[text("Hello")]))?;
    for wrong in ["edna:wrong", "edna", "Edna:secret"] {
        match session.connect(&wishes(wrong))? {
            // tinyproxy takes a wrong password as if it were one for the server.
            Err(Error::Proxy(ProxyError::Refused(response)))
                if matches!(response.status(), 401 | 407) => {}
            other => return Err(format!("{wrong:?} is not refused: {:?}", other.map(|_| "open"))),
        }
    }
    Ok(())
}

/// Has so much echoed that the peer cannot have written all of it when it is killed.
fn killed(session: &Session) -> Result<(), Failure> {
    let mut connection = session.open(&Wishes::default())?;
    let sender = connection.ws.sender();
    let sending = thread::spawn(move || {
        let message = Message::Binary(messages::bytes(8 << 20));
        while sender.send(&message).is_ok() {}
    });
    let reader = connection.ws.recv_reader().map_err(explain("receiving"))?;
    let mut first = [0; 100];
    reader.ok_or("no message")?.read_exact(&mut first).map_err(|error| error.to_string())?;
    connection.kill(session);
    let begin = Instant::now();
    let outcome = loop {
        match connection.ws.recv_timeout(Duration::from_secs(10)) {
            // An echo that had been written before.
            Ok(Some(_)) => {}
            Ok(None) => break Err("the end looks like a proper one".into()),
            Err(error) if error.is_fatal() => break Ok(()),
            Err(error) => break Err(format!("no end is seen: {error:#}")),
        }
    };
    drop(connection);
    sending.join().map_err(|_| "the sender panicked")?;
    let elapsed = begin.elapsed();
    if elapsed > Duration::from_secs(12) {
        return Err(format!("the error came after {elapsed:?}"));
    }
    outcome
}

fn explain(what: &'static str) -> impl Fn(Error) -> Failure {
    move |error| format!("{what}: {error:#}")
}
