//! permessage-deflate between two ends, as they negotiate it in an opening handshake. Without the
//! feature `deflate`, there is none.

use arbitrary::{Result, Unstructured};
use tightwire::handshake::Negotiated;
use tightwire::protocol::{Inbound, Outbound, Role};
use tightwire::{Acceptor, Client};

#[cfg(feature = "deflate")]
use tightwire::deflate::{DeflateConfig, Deflater, Inflater, Params};
#[cfg(feature = "deflate")]
use tightwire::handshake::{AcceptOptions, ClientHandshake, Key, Offer, Upgrade};

/// The parameters that two ends negotiated, if any, and the settings of the sender.
#[derive(Debug, Default)]
pub struct Compression {
    #[cfg(feature = "deflate")]
    negotiated: Option<(Params, DeflateConfig)>,
}

#[cfg(not(feature = "deflate"))]
impl Compression {
    /// Returns no compression. Uses up as much of the input as with the feature.
    pub fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        let _: [u8; 1 + 2 * 4] = u.arbitrary()?;
        Ok(Self::default())
    }

    /// Whether messages may be compressed.
    pub const fn is_on(&self) -> bool {
        false
    }

    /// Returns this receiver unchanged.
    pub fn inbound(&self, inbound: Inbound, _sender: Role) -> Inbound {
        inbound
    }

    /// Returns this sender unchanged.
    pub fn outbound(&self, outbound: Outbound, _sender: Role) -> Outbound {
        outbound
    }

    /// Returns this client unchanged.
    pub fn client(&self, client: Client) -> Client {
        client
    }

    /// Returns this acceptor unchanged.
    pub fn acceptor(&self, acceptor: Acceptor) -> Acceptor {
        acceptor
    }

    /// Returns the result of a handshake without extensions.
    pub fn negotiated(&self) -> Negotiated {
        Negotiated::default()
    }
}

#[cfg(feature = "deflate")]
impl Compression {
    /// Returns no compression, or the result for the settings of a client and a server.
    pub fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        let choices: [u8; 1 + 2 * 4] = u.arbitrary()?;
        let [is_on, c0, c1, c2, c3, s0, s1, s2, s3] = choices;
        if is_on % 2 == 0 {
            return Ok(Self::default());
        }
        let (client, server) = (config([c0, c1, c2, c3]), config([s0, s1, s2, s3]));
        let negotiated = agree(&client, &server).map(|params| (params, server));
        Ok(Self { negotiated })
    }

    /// Whether messages may be compressed.
    pub const fn is_on(&self) -> bool {
        self.negotiated.is_some()
    }

    /// Returns this receiver, set up for the compression of the sender.
    pub fn inbound(&self, inbound: Inbound, sender: Role) -> Inbound {
        let Some((params, _)) = &self.negotiated else { return inbound };
        inbound.with_inflater(Inflater::new(match sender {
            Role::Client => params.client,
            Role::Server => params.server,
        }))
    }

    /// Returns this sender, set up to compress.
    pub fn outbound(&self, outbound: Outbound, sender: Role) -> Outbound {
        let Some((params, config)) = &self.negotiated else { return outbound };
        let coding = match sender {
            Role::Client => params.client,
            Role::Server => params.server,
        };
        outbound.with_deflater(Deflater::new(coding, config))
    }

    /// Returns this client, set up to compress as the two ends agreed.
    pub fn client(&self, client: Client) -> Client {
        let Some((_, config)) = &self.negotiated else { return client };
        client.deflate(config.clone())
    }

    /// Returns this acceptor, set up to compress as the two ends agreed.
    pub fn acceptor(&self, acceptor: Acceptor) -> Acceptor {
        let Some((_, config)) = &self.negotiated else { return acceptor };
        acceptor.deflate(config.clone())
    }

    /// Returns the result of the opening handshake.
    pub fn negotiated(&self) -> Negotiated {
        let mut negotiated = Negotiated::default();
        negotiated.deflate = self.negotiated.as_ref().map(|(params, _)| *params);
        negotiated
    }
}

#[cfg(feature = "deflate")]
fn config([level, min_len, windows, takeovers]: [u8; 4]) -> DeflateConfig {
    DeflateConfig::new()
        .level(level % 10)
        .min_len(min_len.into())
        // Sixteen values for eight windows: most are the largest.
        .send_window_bits((windows & 0xF).max(8))
        .recv_window_bits(if windows & 0x80 == 0 { 15 } else { (windows >> 4).max(8) })
        .send_context_takeover(takeovers & 1 == 0)
        .recv_context_takeover(takeovers & 2 == 0)
}

#[cfg(feature = "deflate")]
fn agree(client: &DeflateConfig, server: &DeflateConfig) -> Option<Params> {
    let offer = Offer::new().deflate([client.clone()]);
    let uri = "ws://localhost/".parse().expect("a valid URI");
    let handshake = ClientHandshake::new(&uri, &offer, Key::new(*b"the sample nonce"));
    let handshake = handshake.expect("a valid offer");
    let upgrade = Upgrade::from_request(handshake.request()).expect("a valid request");
    let accept = AcceptOptions::new().deflate(server.clone());
    let (response, at_server) = upgrade.accept(&accept).expect("it is accepted");
    let at_client = handshake.verify(&response).expect("a valid response");
    assert_eq!(at_client.deflate, at_server.deflate, "{client:?} {server:?}");
    at_client.deflate
}
