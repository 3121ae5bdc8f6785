use crate::handshake::{HandshakeError, Rejection, Response};
use crate::net::Error;

/// The reason why there is no connection, and the answer to the client.
pub(super) enum Refusal {
    Rejected(Box<Rejection>),
    Answered(Response),
    /// No request arrived. Only a timeout is answered, with 408.
    Failed(Error),
}

impl Refusal {
    /// Returns the same refusal in the form for a `HEAD` request.
    pub(super) fn without_body(mut self) -> Self {
        match &mut self {
            Self::Rejected(rejection) => rejection.omit_body(),
            Self::Answered(response) => response.omit_body(),
            Self::Failed(_) => {}
        }
        self
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Handshake(HandshakeError::Http(error)) => Rejection::from(error).into(),
            error => Self::Failed(error),
        }
    }
}
