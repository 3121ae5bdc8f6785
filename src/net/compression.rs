//! Asking for permessage-deflate (RFC 7692), with the feature `deflate`.

use super::{Acceptor, Client};
use crate::deflate::Deflate;

impl Client {
    /// Offers to compress messages (RFC 7692 §5); the feature `deflate` is needed. Servers that
    /// do not agree are connected to all the same.
    ///
    /// Called again, it adds an offer for servers that cannot do what was offered before; how
    /// hard to compress is taken from the first. [`WebSocket::agreed`](crate::WebSocket::agreed)
    /// says what came of it.
    ///
    /// ```no_run
    /// use tightwire::Client;
    /// use tightwire::deflate::Deflate;
    ///
    /// let ws = Client::new().deflate(Deflate::new()).connect("ws://127.0.0.1:9001/")?;
    /// println!("compressed: {}", ws.agreed().deflate.is_some());
    /// # Ok::<(), tightwire::Error>(())
    /// ```
    pub fn deflate(mut self, wishes: Deflate) -> Self {
        self.options.deflate.push(wishes);
        self
    }
}

impl Acceptor {
    /// Compresses messages for clients that offer it (RFC 7692 §5); the feature `deflate` is
    /// needed. Of several offers the first is taken that can be.
    ///
    /// ```
    /// use tightwire::Acceptor;
    /// use tightwire::deflate::Deflate;
    ///
    /// // For many connections: nothing is kept between messages.
    /// let acceptor = Acceptor::new().deflate(Deflate::new().no_context_takeover());
    /// ```
    pub fn deflate(mut self, wishes: Deflate) -> Self {
        self.options.deflate = vec![wishes];
        self
    }
}
