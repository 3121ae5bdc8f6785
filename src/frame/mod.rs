//! One frame on the wire (RFC 6455 §5.2): the header, masking, and the body of a Close frame.
//!
//! ```text
//!   bit  0    1    2    3    4 ... 7   8     9 ... 15
//!      +----+----+----+----+---------+-----+-----------+
//!      |FIN |RSV1|RSV2|RSV3| opcode  |MASK | length    |   2 bytes, always
//!      +----+----+----+----+---------+-----+-----------+
//!      | length, if the 7 bits are 126 (16 bits)       |   2 or 8 bytes more,
//!      |                        or 127 (64 bits)       |   big-endian
//!      +-----------------------------------------------+
//!      | masking key, if MASK is set                   |   4 bytes more
//!      +-----------------------------------------------+
//!      | payload: each byte XORed with key[i % 4]      |
//!      +-----------------------------------------------+
//! ```
//!
//! Nothing here does I/O, reserves memory because a header announces a payload, or depends on the
//! role of the endpoint. Read `opcode`, `header`, `mask`, `close` and `utf8`, and you know every
//! byte that an open connection puts on the wire. [`protocol`](crate::protocol) then defines the
//! order in which frames may come.

mod close;
mod header;
mod mask;
mod opcode;
mod utf8;

pub use close::{CloseCode, CloseFrame, ForbiddenCloseCode, ReasonTooLong};
pub(crate) use header::DataFrame;
pub use header::FrameHeader;
pub use mask::MaskingKey;
pub(crate) use mask::copy;
pub use opcode::Opcode;
pub(crate) use utf8::into_text;
pub use utf8::{Utf8Check, Utf8Piece};
