//! [`NearCache`]: remembers the records that a process read from Redis. Redis tells which of them change.

mod awaited;
#[cfg(test)]
mod model;
mod records;
mod span;
mod watcher;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::records::Records;
use self::span::Moment;
use self::watcher::{Connection, Current, Watcher};
use super::redis::Redis;
use super::{Backend, BackendError, Outcome, POLL};
use crate::metrics;

/// How many bytes the records of a process may take.
const CAPACITY: u64 = 32 * 1024 * 1024;

/// A session may expire too early by this part of its idle timeout.
const PART: u32 = 20;

/// A [`Backend`] in Redis that remembers what it read, for [`SESSION_CACHE`](crate::Settings::with_cache).
///
/// [`remembered`](Backend::remembered) returns a record without a round trip. The record may be old: usually by less than a
/// millisecond, because Redis tells of each change, and never by more than the bound of the cache. The changes that this backend
/// makes itself are seen at once. Everything else reads from Redis, as [`Redis`] does.
///
/// It does not extend a record's time at each read, so the record may expire up to a twentieth of that time too early.
///
/// If Redis cannot tell what changes, the cache is off, the log says why, and this backend does what [`Redis`] does. On a cluster
/// it is always off.
pub struct NearCache {
    redis: Arc<Redis>,
    records: Arc<Records>,
    current: Arc<Current>,
    bound: Duration,
    /// The runtime that the watcher runs on, if not on a thread of its own.
    runtime: Option<Handle>,
    /// Ends the watcher, if it has started.
    watching: OnceLock<DropGuard>,
}

/// Forgets a record at the beginning and at the end of a change, even if the change fails or its request is dropped.
struct Changing<'a> {
    records: &'a Records,
    key: &'a str,
}

impl NearCache {
    /// Creates a cache whose records are out of date by at most `bound`. The first use starts a thread, which connects to Redis.
    #[must_use]
    pub fn new(redis: Redis, bound: Duration) -> Self {
        Self {
            redis: Arc::new(redis),
            records: Arc::new(Records::new(CAPACITY)),
            current: Arc::default(),
            bound,
            runtime: None,
            watching: OnceLock::new(),
        }
    }

    /// Uses the current runtime instead of a thread of its own.
    ///
    /// # Panics
    ///
    /// Panics outside a runtime.
    #[must_use]
    pub fn watching_here(mut self) -> Self {
        self.runtime = Some(Handle::current());
        self
    }

    /// Returns the connection that tells what changes, if there is one. The first call begins to connect.
    fn connection(&self) -> Option<Arc<Connection>> {
        self.watching.get_or_init(|| {
            let watching = CancellationToken::new();
            let (records, current) = (self.records.clone(), self.current.clone());
            let watcher = Watcher::new(self.redis.clone(), records, current, self.bound);
            watcher.start(watching.clone(), self.runtime.as_ref());
            watching.drop_guard()
        });
        self.current.get()
    }

    /// Loads a record and remembers it, if nothing is told about it meanwhile.
    async fn load_over(
        &self,
        connection: Arc<Connection>,
        key: &str,
        ttl: Duration,
    ) -> Result<Option<Bytes>, BackendError> {
        metrics::count(metrics::CACHE_MISSES);
        let least = ttl - ttl / PART;
        let read = self.records.read(key, connection.number, Moment::now());
        match connection.tracking.load(key, least, ttl).await {
            Ok(Some((record, left))) => {
                read.remember(record.clone(), ttl, left.saturating_sub(least));
                Ok(Some(record))
            }
            Ok(None) => Ok(None),
            Err(failure) if failure.is_late() => Err(failure.into()),
            Err(_) => self.redis.load(key, ttl).await,
        }
    }

    fn changing<'a>(&'a self, key: &'a str) -> Changing<'a> {
        self.records.forget(key);
        Changing {
            records: &self.records,
            key,
        }
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.records.forget(self.key);
    }
}

#[async_trait]
impl Backend for NearCache {
    fn remembered(&self, key: &str, ttl: Duration) -> Option<Bytes> {
        let record = self.records.get(key, ttl, Moment::now())?;
        metrics::count(metrics::CACHE_HITS);
        Some(record)
    }

    fn load_and_remember<'a>(
        &'a self,
        key: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Option<Bytes>, BackendError>> {
        match self.connection() {
            Some(connection) => Box::pin(self.load_over(connection, key, ttl)),
            None => self.redis.load(key, ttl),
        }
    }

    async fn changed(&self, key: &str, known: &[u8]) {
        let change = self.records.next_change(key);
        let Some(connection) = self.connection() else {
            // the next connection counts as a change, so that it is asked
            let _ = timeout(POLL, change.wait()).await;
            return;
        };
        match connection.tracking.read(key).await {
            Ok(Some(record)) if record == known => change.wait().await,
            Ok(_) => {}
            Err(_) => sleep(POLL).await,
        }
    }

    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        let _changing = self.changing(key);
        self.redis.load(key, ttl).await
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        self.redis.peek(key).await
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        let _changing = self.changing(key);
        self.redis.create(key, record, ttl).await
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        let _changing = self.changing(key);
        self.redis.replace(key, expected, record, ttl).await
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        let _changing = self.changing(key);
        self.redis.remove(key, expected).await
    }

    async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError> {
        self.redis.index_add(key, member, left).await
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        self.redis.index_remove(key, member).await
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        self.redis.index_members(key, offset, limit).await
    }

    async fn check(&self, key: &str) -> Result<(), BackendError> {
        self.redis.check(key).await
    }

    async fn confirm(&self, key: &str) -> Result<(), BackendError> {
        self.redis.confirm(key).await
    }

    fn shard(&self, key: &str) -> u64 {
        self.redis.shard(key)
    }

    fn system_name(&self) -> &'static str {
        self.redis.system_name()
    }
}

impl fmt::Debug for NearCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NearCache").finish_non_exhaustive()
    }
}
