//! How a record spells its fields: [`Codec`] turns bytes into [`Fields`] and back.
//!
//! A codec knows a format, and neither where records lie nor what sessions are.

pub mod json;
pub mod php;

use bytes::Bytes;

pub use crate::session::fields::{Field, Fields};

/// A format of records.
///
/// What a codec promises, and the suite in `testing` checks:
///
/// - `encode(decode(bytes))` is `bytes`, to the byte.
/// - A field that was not set anew goes back in the spelling it came in.
/// - Bytes that are no record are an error, never an empty session and never a panic.
/// - `encode` refuses what `decode` could not read again.
pub trait Codec: Send + Sync + 'static {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`CodecError::Unreadable`] when the bytes are no record of this format.
    fn decode(&self, record: Bytes) -> Result<Fields, CodecError>;

    /// Writes a record.
    ///
    /// # Errors
    ///
    /// [`CodecError::Unwritable`] when a field cannot be expressed in this format.
    fn encode(&self, fields: &Fields) -> Result<Bytes, CodecError>;
}

/// Why a record could not be read or written. Neither variant quotes a value: values are the visitor's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes are no record of this format.
    #[error("the record is not readable: {0}")]
    Unreadable(String),
    /// The field cannot be expressed in this format.
    #[error("the session field {field:?} cannot be stored: {reason}")]
    Unwritable {
        /// The field's name.
        field: String,
        /// What stands in the way, as half a sentence.
        reason: String,
    },
}
