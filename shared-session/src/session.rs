//! The values that a session consists of: id, verifier, key, handle, fields, change, metadata, principal. No I/O, no format,
//! no HTTP.

pub mod change;
pub(crate) mod digest;
pub mod fields;
pub mod handle;
pub mod id;
pub mod metadata;
pub(crate) mod principal;
pub(crate) mod proof;
pub mod remember;
pub mod storage_key;
pub mod verifier;

/// The largest integer that every language holds exactly, also one whose numbers are floats.
const MAX_INTEGER: u64 = (1 << 53) - 1;
