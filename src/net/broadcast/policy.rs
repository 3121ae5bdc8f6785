use std::time::Duration;

/// The treatment of members that are slow to read, by a [`Hub`](super::Hub).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SlowPolicy {
    /// Disconnects the member after a last attempt to write. It is sent Close 1008, which arrives
    /// only if its peer starts to read again at that moment. With this policy every member either
    /// gets every message or is disconnected.
    ///
    /// A receive or send that is blocked, and the next receive, then return
    /// [`Error::SlowPeer`](crate::Error::SlowPeer).
    Disconnect,
    /// Does not send this message to the member.
    Drop,
    /// Waits until the peer has taken the earlier broadcasts and all of this message. For all slow
    /// members together, this takes no longer than this duration. After that, it acts as `Drop`.
    /// The first member that becomes slow during the broadcast may add 10 ms.
    Wait(Duration),
}

/// Counts of what happened to one broadcast, or to all of them
/// ([`Hub::totals`](super::Hub::totals)).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct BroadcastReport {
    /// The number of members for which the message was accepted: it was written, or waits after
    /// earlier bytes.
    pub delivered: u64,
    /// The number of slow members that did not get the message.
    pub dropped: u64,
    /// The number of slow members whose connection was ended.
    pub disconnected: u64,
}
