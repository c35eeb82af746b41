//! [`Codec`]: decodes a record into [`Fields`] and encodes it again.
//!
//! A codec knows a record format. It must not know where records are stored or what a session is.

pub mod json;
#[cfg(feature = "php")]
pub mod php;

use bytes::Bytes;

pub use crate::session::fields::{Field, Fields};

/// The deepest nesting of a value: the deepest that `serde_json` reads by default.
const MAX_JSON_DEPTH: usize = 127;

/// A record format.
///
/// A codec promises the following, and the suite in `shared-session-testkit` checks it:
///
/// - `encode(decode(bytes))` returns `bytes`.
/// - After a change, every untouched field keeps its bytes and its position among the others. Only if the format numbers
///   values, as PHP's references do, may these numbers change.
/// - Bytes that are not a record result in an error, never in an empty session or a panic.
/// - `encode` refuses fields that `decode` could not read again.
pub trait Codec: Send + Sync + 'static {
    /// Decodes a record.
    ///
    /// # Errors
    ///
    /// Returns [`CodecError::Unreadable`] if the bytes are not a record of this format.
    fn decode(&self, record: Bytes) -> Result<Fields, CodecError>;

    /// Encodes a record.
    ///
    /// # Errors
    ///
    /// Returns [`CodecError::Unwritable`] if the format cannot express a field.
    fn encode(&self, fields: &Fields) -> Result<Bytes, CodecError>;
}

/// An error of a codec. Its text quotes no value, because values are the user's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes are not a record of this format.
    #[error("invalid record: {0}")]
    Unreadable(String),
    /// The format cannot express the field.
    #[error("session field {field:?} cannot be stored: {reason}")]
    Unwritable {
        /// The field's name.
        field: String,
        /// The reason, as a clause.
        reason: String,
    },
}
