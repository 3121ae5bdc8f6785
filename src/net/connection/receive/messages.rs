use std::iter::FusedIterator;

use super::Receiver;
use crate::net::Error;
use crate::protocol::Message;

/// An iterator over the messages of a connection: see [`Receiver::messages`] and
/// [`WebSocket::messages`](crate::WebSocket::messages).
///
/// It ends when the connection does, and stays ended. An error comes once, as the last item.
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Messages<'a> {
    receiver: &'a mut Receiver,
    done: bool,
}

impl<'a> Messages<'a> {
    pub(super) const fn new(receiver: &'a mut Receiver) -> Self {
        Self { receiver, done: false }
    }
}

impl FusedIterator for Messages<'_> {}

impl Iterator for Messages<'_> {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.receiver.recv().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Iterates over the messages of the peer: see [`Receiver::messages`].
impl<'a> IntoIterator for &'a mut Receiver {
    type Item = Result<Message, Error>;
    type IntoIter = Messages<'a>;

    fn into_iter(self) -> Messages<'a> {
        self.messages()
    }
}
