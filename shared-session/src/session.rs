//! The values that a session consists of: id, key, handle, fields, change, metadata. No I/O, no format, no HTTP.

pub mod change;
pub mod fields;
pub mod handle;
pub mod id;
pub mod metadata;
pub mod storage_key;
