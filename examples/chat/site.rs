//! The page, and the answers to other HTTP requests.

use rand::TryRng;
use rand::rngs::SysRng;
use tightwire::handshake::{AcceptOptions, Answer, InvalidHeader, Request, Response};

use crate::words::{NAME_MAX, TEXT_MAX};

const PAGE: &str = include_str!("page.html");

/// Upgrades requests for the WebSocket, and answers the others.
pub(crate) fn on_request(request: &Request) -> Answer {
    match (request.method(), request.path()) {
        (_, "/ws") => Answer::Upgrade(AcceptOptions::new()),
        ("GET", "/") => page().unwrap_or_else(|_| Response::new(500)).into(),
        (_, "/") => plain(405, "Only GET is supported here.\n").into(),
        _ => plain(404, "There is nothing here.\n").into(),
    }
}

/// Returns the page, with a policy that allows only its own scripts and styles. If the text of a
/// member were ever mistaken for markup, a script in it would still not run.
fn page() -> Result<Response, InvalidHeader> {
    let Some(nonce) = nonce() else { return Ok(Response::new(500)) };
    let page = PAGE
        .replace("{{nonce}}", &nonce)
        .replace("{{name-max}}", &NAME_MAX.to_string())
        .replace("{{text-max}}", &TEXT_MAX.to_string());
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    Response::new(200)
        .with_header("Content-Type", "text/html; charset=utf-8")?
        .with_header("Content-Security-Policy", policy)?
        .with_header("X-Content-Type-Options", "nosniff")?
        .with_header("Referrer-Policy", "no-referrer")?
        .with_header("Cache-Control", "no-store")
        .map(|response| response.with_body(page))
}

fn plain(status: u16, body: &str) -> Response {
    let response = Response::new(status).with_body(body);
    let typed = response.clone().with_header("Content-Type", "text/plain; charset=utf-8");
    typed.unwrap_or(response)
}

/// Returns an unpredictable number, a new one for each page.
fn nonce() -> Option<String> {
    let mut bytes = [0; 16];
    SysRng.try_fill_bytes(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
