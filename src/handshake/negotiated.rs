use super::extension::Extension;
use crate::deflate::Params;

/// The result of an opening handshake: the options that both endpoints agreed on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Negotiated {
    /// The _Subprotocol In Use_ (RFC 6455 §4.1).
    pub subprotocol: Option<String>,
    /// The _Extensions In Use_ (RFC 6455 §4.1), in the order in which they apply.
    pub extensions: Vec<Extension>,
    /// The parameters of compression, if messages may be compressed (RFC 7692).
    pub deflate: Option<Params>,
}
