//! temporary
mod error;
pub mod frame;
pub mod protocol;
pub use error::ProtocolError;
