//! Where records lie: [`Backend`] keeps bytes under a key, with an expiry and a compare-and-set; and beside them indexes,
//! sorted sets of names.
//!
//! A backend knows neither what the bytes mean ([`crate::codec`]) nor what sessions are ([`crate::store`]).

pub mod memory;
pub mod redis;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// A place for records.
///
/// Each method is one atomic step on one key, and one round trip. A method may be called again after it failed, and a
/// step that failed may have been taken all the same: nothing here relies on knowing which. The suite in `testing` checks
/// an implementation.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Reads the record under `key` and makes it expire in `ttl` from now.
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError>;

    /// Reads the record under `key` and how long it still lives, and lets it expire as it would have.
    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError>;

    /// Writes a record under a key that holds none; `false` when it holds one.
    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError>;

    /// Puts `record` in the place of `expected`, if that is what lies under `key`, and makes it expire in `ttl`.
    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError>;

    /// Removes the record under `key`, if it is `expected`.
    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError>;

    /// Puts `member` into the index under `key`, until `expires`, or changes when it ends there. Drops the members that
    /// have ended by `now`, and makes the index expire with its last one. Both times are the caller's, since the epoch.
    async fn index_add(&self, key: &str, member: &str, expires: Duration, now: Duration) -> Result<(), BackendError>;

    /// Takes `member` out of the index under `key`, if it is in there. An index without members is none.
    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError>;

    /// The members of the index under `key`, at most `limit` of them after the first `offset`. Those that end last come
    /// first.
    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError>;

    /// Succeeds if a record could be written now. Writes nothing. `key` never holds a record.
    async fn check(&self, key: &str) -> Result<(), BackendError>;
}

/// What became of a compare-and-set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The record was the expected one, and the step was taken.
    Done,
    /// The record is another one, this one; nothing was done.
    Changed(Bytes),
    /// There is no record; nothing was done.
    Gone,
}

/// Why a backend could not take a step. The texts are for the log and hold no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// It cannot be reached, does not answer in time, or is not ready to serve anything.
    #[error("the session store does not answer: {0}")]
    Unavailable(String),
    /// It answers, and refuses this step: out of memory, read-only, not permitted.
    #[error("the session store refuses: {0}")]
    Refused(String),
    /// What lies under the key is no string of bytes.
    #[error("the session store holds something else under this key: {0}")]
    Foreign(String),
}
