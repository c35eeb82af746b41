//! [`Backend`]: stores bytes under a key, with an expiry and compare-and-set, and indexes, which are sorted sets of
//! member names.
//!
//! A backend must not know what the bytes mean ([`crate::codec`]) or what a session is.

pub mod memory;
pub mod redis;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// A store for records and indexes.
///
/// Each method is one atomic operation on one key, and takes one round trip. An operation that returns an error may still
/// take effect, and the caller may repeat it. The suite in `testing` checks an implementation.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Returns the record under `key`, and makes it expire `ttl` from now.
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError>;

    /// Returns the record under `key` and the time until it expires. Does not extend that time.
    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError>;

    /// Stores a record under a key that holds none. Returns `false`, and stores nothing, if the key holds a record.
    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError>;

    /// Replaces the record under `key` by `record`, which expires `ttl` from now, if the present record is `expected`.
    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError>;

    /// Removes the record under `key` if it is `expected`.
    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError>;

    /// Adds `member` to the index under `key` until `expires`, or changes the time at which it expires. Removes the
    /// members that expired at or before `now`, and makes the index expire with its last member. The caller measures
    /// both times since the Unix epoch.
    async fn index_add(&self, key: &str, member: &str, expires: Duration, now: Duration) -> Result<(), BackendError>;

    /// Removes `member` from the index under `key`, if it is there. Deletes an index that has no members left.
    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError>;

    /// Returns at most `limit` members of the index under `key`, after skipping `offset`. The member that expires last
    /// comes first.
    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError>;

    /// Checks that the backend can be used. Repairs what it can, such as a connection that no longer responds.
    async fn ping(&self) -> Result<(), BackendError>;
}

/// The outcome of a compare-and-set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The record was the expected one, and was replaced or removed.
    Applied,
    /// The record is a different one, given here. It was left unchanged.
    Changed(Bytes),
    /// There is no record. None was created.
    Gone,
}

/// An error of a backend.
///
/// The text is for the log. It must contain no record, no key and no password, and neither must the source's text.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The backend is unreachable, does not reply in time, or is not ready to serve requests.
    #[error("session store is unavailable: {source}")]
    Unavailable {
        /// The cause.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The backend replies, and refuses the operation: out of memory, read-only, not permitted.
    #[error("session store refused the operation: {source}")]
    Refused {
        /// The cause.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The key holds a value that is not a record: another program uses it for another type.
    #[error("session store holds a value of another type under this key: {source}")]
    WrongType {
        /// The cause.
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl BackendError {
    /// Returns [`BackendError::Unavailable`] with a cause, which is an error or a text.
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into().into();
        Self::Unavailable { source }
    }

    /// Returns [`BackendError::Refused`] with a cause, which is an error or a text.
    #[must_use]
    pub fn refused(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into().into();
        Self::Refused { source }
    }

    /// Returns [`BackendError::WrongType`] with a cause, which is an error or a text.
    #[must_use]
    pub fn wrong_type(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into().into();
        Self::WrongType { source }
    }
}
