use std::sync::Arc;

use super::shared::Shared;
use crate::deflate::{DeflateConfig, Deflater, Inflater};
use crate::handshake::Negotiated;
use crate::net::{Stream, Timeouts};
use crate::protocol::{Inbound, Limits, Outbound, Role};

/// Settings with which a client or an acceptor opens a connection.
#[derive(Clone, Debug)]
pub(in crate::net) struct Options {
    pub(in crate::net) limits: Limits,
    pub(in crate::net) timeouts: Timeouts,
    pub(in crate::net) fragment_len: usize,
    /// Configurations for compression: the offers of a client, or at most one for a server.
    pub(in crate::net) deflate: Vec<DeflateConfig>,
}

impl Default for Options {
    fn default() -> Self {
        let (limits, timeouts) = (Limits::default(), Timeouts::default());
        Self { limits, timeouts, fragment_len: 1 << 20, deflate: Vec::new() }
    }
}

impl Options {
    #[inline(never)]
    pub(super) fn inbound(&self, role: Role, negotiated: &Negotiated) -> Box<Inbound> {
        let inflater = negotiated.deflate.and_then(|params| match role {
            Role::Client => Inflater::new(params.server),
            Role::Server => Inflater::new(params.client),
        });
        Box::new(Inbound::new(role, self.limits).with_inflater(inflater))
    }

    #[inline(never)]
    pub(super) fn shared(
        &self,
        stream: &Arc<dyn Stream>,
        outbound: Outbound,
        negotiated: &Negotiated,
    ) -> Arc<Shared> {
        let config = self.deflate.first().cloned().unwrap_or_default();
        let deflater = negotiated.deflate.and_then(|params| match outbound.role() {
            Role::Client => Deflater::new(params.client, &config),
            Role::Server => Deflater::new(params.server, &config),
        });
        let outbound = outbound.with_deflater(deflater);
        Shared::new(stream, outbound, self.timeouts, self.fragment_len)
    }
}
