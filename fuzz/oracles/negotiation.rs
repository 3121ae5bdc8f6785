//! The offer of a client, and the answer of a server (RFC 6455 §4, §9.1, RFC 7692 §7). Both ends
//! get the same result, which follows from their settings by the RFCs, or both learn that there is
//! none. A naive parser reads the same lists of extensions as the library.

use arbitrary::{Result, Unstructured};

use tightwire::handshake::{
    AcceptOptions, ClientHandshake, Extension, HandshakeError, Key, Negotiated, Offer, Rejection,
    Request, Response, Upgrade,
};

use super::extensions::{self, DEFLATE, Wish};
use super::frames::any_bytes;
use super::heads::{self, is_token};

/// Names of subprotocols, extensions and parameters. Some are invalid.
const NAMES: [&str; 12] = [
    "chat",
    "superchat",
    "Chat",
    "v2.chat",
    "x-foo",
    "Permessage-Deflate",
    "server_max_window_bits",
    "client_no_context_takeover",
    "10",
    "",
    "a b",
    "\"chat\"",
];

/// Input: the settings of the server and of the client, and then a list of extensions, as another
/// client might send it.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(server) = Server::any(&mut u) else { return };
    let Ok(client) = Client::any(&mut u) else { return };
    check_pair(&client, &server);
    let text = String::from_utf8_lossy(u.take_rest());
    extensions::check_list(&text);
    if let Some(wish) = server.wish {
        extensions::check_answer(&text, wish);
    }
}

#[derive(Debug)]
struct Server {
    wish: Option<Wish>,
    /// Answers with its first subprotocol, whether that was offered or not.
    insists: bool,
    subprotocols: Vec<String>,
}

impl Server {
    fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        let flags: u8 = u.arbitrary()?;
        let wish = Wish::any(u)?;
        Ok(Self {
            wish: (flags & 1 != 0).then_some(wish),
            insists: flags & 2 != 0,
            subprotocols: any_list(u, any_name)?,
        })
    }
}

#[derive(Debug)]
struct Client {
    wishes: Vec<Wish>,
    subprotocols: Vec<String>,
    extensions: Vec<Extension>,
}

impl Client {
    fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        let wishes = any_list(u, Wish::any)?;
        let subprotocols = any_list(u, any_name)?;
        let mut extensions = any_list(u, any_extension)?;
        // The library itself adds this one.
        extensions.retain(|extension| extension.name != DEFLATE);
        Ok(Self { wishes, subprotocols, extensions })
    }

    fn offer(&self) -> Offer {
        Offer::new()
            .subprotocols(&self.subprotocols)
            .extensions(self.extensions.clone())
            .deflate(self.wishes.iter().map(|wish| wish.deflate()))
    }

    /// Returns whether the error is the true reason why this offer is invalid.
    fn is_fault(&self, error: &HandshakeError) -> bool {
        let names = &self.subprotocols;
        match error {
            HandshakeError::Subprotocol(name) => names.contains(name) && !is_token(name),
            HandshakeError::RepeatedSubprotocol(name) => {
                names.iter().filter(|other| *other == name).count() > 1
            }
            HandshakeError::Extensions(_) => !self.extensions.iter().all(has_tokens),
            _ => false,
        }
    }

    fn is_faultless(&self) -> bool {
        let names = &self.subprotocols;
        let is_new = |(index, name)| !names[..index].contains(name);
        names.iter().all(|name| is_token(name))
            && names.iter().enumerate().all(is_new)
            && self.extensions.iter().all(has_tokens)
    }
}

fn any_list<T>(
    u: &mut Unstructured<'_>,
    any: impl Fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.arbitrary::<u8>()? % 5;
    (0..count).map(|_| any(u)).collect()
}

fn any_name(u: &mut Unstructured<'_>) -> Result<String> {
    let index = usize::from(u.arbitrary::<u8>()?);
    Ok(match NAMES.get(index) {
        Some(name) => (*name).to_owned(),
        None => String::from_utf8_lossy(&any_bytes(u)?).into_owned(),
    })
}

fn any_extension(u: &mut Unstructured<'_>) -> Result<Extension> {
    let mut extension = Extension::new(any_name(u)?);
    extension.params = any_list(u, |u| {
        let name = any_name(u)?;
        Ok((name, if u.arbitrary()? { Some(any_name(u)?) } else { None }))
    })?;
    Ok(extension)
}

fn has_tokens(extension: &Extension) -> bool {
    let mut params = extension.params.iter();
    is_token(&extension.name)
        && params.all(|(name, value)| is_token(name) && value.as_deref().is_none_or(is_token))
}

fn check_pair(client: &Client, server: &Server) {
    let uri = "ws://example.com/".parse().expect("a URI");
    let handshake = ClientHandshake::new(&uri, &client.offer(), Key::new(*b"the sample nonce"));
    let handshake = match handshake {
        Ok(handshake) => handshake,
        Err(error) => return assert!(client.is_fault(&error), "{error:?} of {client:?}"),
    };
    assert!(client.is_faultless(), "{client:?}");

    let mut printed = Vec::new();
    handshake.encode(&mut printed);
    let (request, _) = Request::decode(&printed, &heads::wide()).unwrap().expect("a whole head");
    let upgrade = Upgrade::from_request(&request).expect("a valid request");
    assert_eq!(upgrade.subprotocols(), client.subprotocols);
    let (deflates, own) = upgrade.extensions().split_at(client.wishes.len());
    assert!(deflates.iter().all(|extension| extension.name == DEFLATE), "{deflates:?}");
    assert_eq!(own, client.extensions);

    let chosen = choose(client, server, &upgrade);
    let mut accept = AcceptOptions::new();
    if let Some(name) = chosen {
        accept = accept.subprotocol(name);
    }
    if let Some(wish) = server.wish {
        accept = accept.deflate(wish.deflate());
    }
    let is_offered = chosen.is_none_or(|name| client.subprotocols.iter().any(|n| n == name));
    match upgrade.accept(&accept) {
        Ok((response, negotiated)) => {
            assert!(is_offered, "{chosen:?} was not offered");
            let judged = handshake.verify(&transmitted(&response)).expect("an agreement");
            assert_eq!(judged, negotiated);
            assert_eq!(negotiated.subprotocol.as_deref(), chosen);
            check_agreed(&negotiated, client, server);
        }
        Err(rejection) => {
            assert!(!is_offered, "{rejection:?}");
            check_refusal(&handshake, &rejection);
        }
    }
}

/// Returns the subprotocol that the server names: the first of its own that is offered, unless it
/// insists.
fn choose<'a>(client: &Client, server: &'a Server, upgrade: &Upgrade<'_>) -> Option<&'a str> {
    let mut known = server.subprotocols.iter();
    let chosen = known.clone().find(|name| client.subprotocols.contains(name));
    let selected = upgrade.select_subprotocol(&server.subprotocols);
    assert_eq!(selected, chosen.map(String::as_str));
    let named = if server.insists { known.next() } else { chosen };
    named.map(String::as_str)
}

/// Checks that the result follows from the settings of both ends.
fn check_agreed(negotiated: &Negotiated, client: &Client, server: &Server) {
    let (Some(params), Some(client), Some(server)) =
        (negotiated.deflate, client.wishes.first(), server.wish)
    else {
        let may_compress = !client.wishes.is_empty() && server.wish.is_some();
        assert!(!may_compress && negotiated.deflate.is_none(), "{negotiated:?}");
        assert_eq!(negotiated.extensions, []);
        return;
    };
    let names: Vec<_> = negotiated.extensions.iter().map(|extension| &*extension.name).collect();
    assert_eq!(names, [DEFLATE]);
    let of_server = (params.server.context_takeover, params.server.window_bits);
    let of_client = (params.client.context_takeover, params.client.window_bits);
    let takeover = client.recv_takeover && server.send_takeover;
    // The server names its own window only if the client asked for a smaller one.
    let bits = if client.recv_bits == 15 { 15 } else { client.recv_bits.min(server.send_bits) };
    assert_eq!(of_server, (takeover, bits));
    let takeover = client.send_takeover && server.recv_takeover;
    assert_eq!(of_client, (takeover, client.send_bits.min(server.recv_bits)));
}

/// Checks that a wrong decision of the server is its own fault, which the client learns.
fn check_refusal(handshake: &ClientHandshake, rejection: &Rejection) {
    assert!(matches!(rejection.error(), HandshakeError::UnofferedSubprotocol(_)), "{rejection:?}");
    match handshake.verify(&transmitted(rejection.response())) {
        Err(HandshakeError::Refused(response)) => assert_eq!(response.status(), 500),
        outcome => panic!("{outcome:?} of a refusal"),
    }
}

/// Returns the response as it arrives.
fn transmitted(response: &Response) -> Response {
    let mut printed = Vec::new();
    response.encode(&mut printed);
    let decoded = Response::decode(&printed, &heads::wide()).unwrap();
    decoded.expect("a complete head").0
}
