//! [`Backend`]: stores bytes under a key, with an expiry and compare-and-set, and indexes, which are sorted sets of
//! member names.
//!
//! A backend must not know what the bytes mean ([`crate::codec`]) or what a session is.

pub mod memory;
#[cfg(feature = "redis")]
pub mod near_cache;
#[cfg(feature = "redis")]
pub mod redis;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::sleep;

/// How long [`Backend::changed`] waits in a backend that is told of no change.
const POLL: Duration = Duration::from_secs(5);

/// A store for records and indexes.
///
/// Each method is one atomic operation on one key, and takes one round trip. An operation that returns an error may still
/// take effect, and the caller may repeat it. A backend must not repeat [`replace`](Backend::replace) and
/// [`remove`](Backend::remove) by itself if it is unknown whether they took effect: it returns
/// [`BackendError::Unavailable`]. The suite in `shared-session-testkit` checks an implementation.
///
/// Keys contain no control characters. Records are arbitrary bytes.
///
/// # Examples
///
/// A backend in a map, for one process:
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
/// use std::time::{Duration, Instant};
///
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use shared_session::backend::{Backend, BackendError, Outcome};
/// use shared_session::{SessionManager, Settings};
///
/// #[derive(Default)]
/// struct Map {
///     records: Mutex<HashMap<String, (Bytes, Instant)>>,
///     indexes: Mutex<HashMap<String, HashMap<String, Instant>>>,
/// }
///
/// impl Map {
///     /// Locks the records, without those that have expired.
///     fn records(&self) -> MutexGuard<'_, HashMap<String, (Bytes, Instant)>> {
///         let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
///         records.retain(|_, (_, expires)| *expires > Instant::now());
///         records
///     }
///
///     fn indexes(&self) -> MutexGuard<'_, HashMap<String, HashMap<String, Instant>>> {
///         self.indexes.lock().unwrap_or_else(PoisonError::into_inner)
///     }
/// }
///
/// #[async_trait]
/// impl Backend for Map {
///     async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
///         Ok(self.records().get_mut(key).map(|(record, expires)| {
///             *expires = Instant::now() + ttl;
///             record.clone()
///         }))
///     }
///
///     async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
///         let records = self.records();
///         let found = records.get(key);
///         Ok(found.map(|(record, expires)| (record.clone(), *expires - Instant::now())))
///     }
///
///     async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
///         let mut records = self.records();
///         if records.contains_key(key) {
///             return Ok(false);
///         }
///         records.insert(key.to_owned(), (Bytes::copy_from_slice(record), Instant::now() + ttl));
///         Ok(true)
///     }
///
///     async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
///         Ok(match self.records().get_mut(key) {
///             None => Outcome::Gone,
///             Some((present, _)) if *present != expected => Outcome::Changed(present.clone()),
///             Some(entry) => {
///                 *entry = (Bytes::copy_from_slice(record), Instant::now() + ttl);
///                 Outcome::Applied
///             }
///         })
///     }
///
///     async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
///         let mut records = self.records();
///         Ok(match records.get(key) {
///             None => Outcome::Gone,
///             Some((present, _)) if *present != expected => Outcome::Changed(present.clone()),
///             Some(_) => {
///                 records.remove(key);
///                 Outcome::Applied
///             }
///         })
///     }
///
///     async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError> {
///         let mut indexes = self.indexes();
///         let index = indexes.entry(key.to_owned()).or_default();
///         let expires = index.entry(member.to_owned()).or_insert_with(Instant::now);
///         *expires = (*expires).max(Instant::now() + left);
///         index.retain(|_, expires| *expires > Instant::now());
///         Ok(())
///     }
///
///     async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
///         let mut indexes = self.indexes();
///         if let Some(index) = indexes.get_mut(key) {
///             index.remove(member);
///             if index.is_empty() {
///                 indexes.remove(key);
///             }
///         }
///         Ok(())
///     }
///
///     async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
///         let mut members: Vec<_> = self.indexes().get(key).cloned().unwrap_or_default().into_iter().collect();
///         members.sort_by_key(|(_, expires)| std::cmp::Reverse(*expires));
///         Ok(members.into_iter().skip(offset).take(limit).map(|(member, _)| member).collect())
///     }
///
///     async fn check(&self, _key: &str) -> Result<(), BackendError> {
///         Ok(())
///     }
/// }
///
/// let sessions = SessionManager::builder(&Settings::default()).backend(Arc::new(Map::default())).build()?;
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
///
/// A backend of a remote store reports its failures with [`BackendError::unavailable`] and [`BackendError::refused`].
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Returns the record under `key`, and makes it expire `ttl` from now. With a `ttl` of zero, it is gone at once.
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError>;

    /// Returns the record under `key` and the time until it expires. Does not extend that time.
    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError>;

    /// Stores a record under a key that holds none. Returns `false`, and stores nothing, if the key holds a record.
    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError>;

    /// Replaces the record under `key` by `record`, which expires `ttl` from now, if the present record is `expected`.
    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError>;

    /// Removes the record under `key` if it is `expected`.
    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError>;

    /// Adds `member` to the index under `key`, where it expires `left` from now. A member that is in the index already keeps its
    /// expiry if that is later: the sign-in that shortens the session's time may fail after this.
    /// Removes the members that have expired, and makes the index expire with its last member.
    ///
    /// The clock is that of the store, which all programs share: a program whose own clock is wrong removes no member.
    async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError>;

    /// Removes `member` from the index under `key`, if it is there. Deletes an index that has no members left.
    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError>;

    /// Returns at most `limit` members of the index under `key`, after skipping `offset`. The member that expires last
    /// comes first.
    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError>;

    /// Checks that the backend would read and store a record now. Stores nothing.
    ///
    /// `key` never holds a record, so a check can run the operations that requests use: [`load`](Backend::load),
    /// [`replace`](Backend::replace) and [`remove`](Backend::remove) do nothing there.
    async fn check(&self, key: &str) -> Result<(), BackendError>;

    /// Waits until replicas have everything that the backend returned for `key`. A response that relies on a record which its
    /// request did not change needs this, because another request's change may not be confirmed yet.
    ///
    /// A backend that waits for no replicas has nothing to confirm. A backend that wraps another one passes the call on.
    async fn confirm(&self, key: &str) -> Result<(), BackendError> {
        let _ = key;
        Ok(())
    }

    /// Returns the record under `key` if the backend remembers it, and if its time need not be extended to `ttl`. The record may
    /// have changed since it was read. Costs no round trip.
    ///
    /// The store calls it for requests with a safe method only. A backend that wraps another one passes on the calls of this
    /// method, of [`load_and_remember`](Self::load_and_remember) and of [`changed`](Self::changed).
    fn remembered(&self, key: &str, ttl: Duration) -> Option<Bytes> {
        let _ = (key, ttl);
        None
    }

    /// Returns the record under `key` as [`load`](Self::load) does, and may remember it. It may leave out the extension if the
    /// record still has at least 19/20 of `ttl`.
    fn load_and_remember<'a>(
        &'a self,
        key: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Option<Bytes>, BackendError>> {
        // no `async fn`, which would allocate once more
        self.load(key, ttl)
    }

    /// Waits until the record under `key` may differ from `known`. The caller must check, because the wait can end without a change.
    /// A backend that is told of no change returns after 5 s.
    async fn changed(&self, key: &str, known: &[u8]) {
        let _ = (key, known);
        sleep(POLL).await;
    }

    /// Returns the number of the shard that stores `key`. Shards fail independently, so each has its own circuit breaker. The
    /// number may change: after a fail-over, another server stores the key.
    ///
    /// A backend that fails as a whole has one shard. A backend that wraps another one passes the call on.
    fn shard(&self, key: &str) -> u64 {
        let _ = key;
        0
    }

    /// Returns the name of the store, for metrics and traces: `db.system.name` of OpenTelemetry's conventions.
    fn system_name(&self) -> &'static str {
        "other"
    }
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
    /// The backend replies and has applied the operation, but too few replicas have confirmed it. It may be lost.
    #[error("session store did not confirm the change: {source}")]
    Unconfirmed {
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
    /// Returns the kind of the error, as metrics name it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Unconfirmed { .. } => "unconfirmed",
            Self::Refused { .. } => "refused",
            Self::WrongType { .. } => "wrong_type",
        }
    }

    /// Returns [`BackendError::Unavailable`] with a cause, which is an error or a text.
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into().into();
        Self::Unavailable { source }
    }

    /// Returns [`BackendError::Unconfirmed`] with a cause, which is an error or a text.
    #[must_use]
    pub fn unconfirmed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into().into();
        Self::Unconfirmed { source }
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
