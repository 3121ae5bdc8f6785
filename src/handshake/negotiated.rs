use super::extension::Extension;
use crate::deflate::Params;

/// What both ends settled on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Negotiated {
    /// _Subprotocol In Use_ (§4.1).
    pub subprotocol: Option<String>,
    /// _Extensions In Use_ (§4.1), in the order in which they apply.
    pub extensions: Vec<Extension>,
    /// How messages are compressed, if they may be (RFC 7692).
    pub deflate: Option<Params>,
}
