//! The operations of the backend, each through the circuit breaker and by the request's deadline.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::RequestStore;
use super::circuit_breaker::Call;
use super::index::IndexEntry;
use super::record::EncodedRecord;
use crate::backend::{Backend, BackendError, Outcome};
use crate::error::Error;
use crate::metrics;
use crate::session::principal::PrincipalDigest;
use crate::session::storage_key::StorageKey;

impl RequestStore {
    /// Reads a record and extends its time to `ttl`.
    pub(super) async fn read(&self, key: &StorageKey, ttl: Duration) -> Result<Option<Bytes>, Error> {
        self.call("load", key, |backend| backend.load(key.as_str(), ttl)).await
    }

    /// Returns a record if the backend remembers it with this idle time.
    pub(super) fn remembered(&self, key: &StorageKey, ttl: Duration) -> Option<Bytes> {
        self.store.0.breaker.backend().remembered(key.as_str(), ttl)
    }

    /// Reads a record and extends its time to `ttl`, or to a little less. The backend may remember it.
    pub(super) async fn read_and_remember(&self, key: &StorageKey, ttl: Duration) -> Result<Option<Bytes>, Error> {
        self.call("load", key, |backend| backend.load_and_remember(key.as_str(), ttl))
            .await
    }

    /// Reads a record, and the time that it has left.
    pub(super) async fn peek(&self, key: &StorageKey) -> Result<Option<(Bytes, Duration)>, Error> {
        self.call("peek", key, |backend| backend.peek(key.as_str())).await
    }

    pub(super) async fn write_new(&self, key: &StorageKey, record: &EncodedRecord) -> Result<bool, Error> {
        let EncodedRecord { bytes, idle_time, .. } = record;
        let created = self
            .call("create", key, |backend| backend.create(key.as_str(), bytes, *idle_time))
            .await?;
        if created {
            metrics::record_written(bytes.len());
        }
        Ok(created)
    }

    /// Replaces a record by one that expires after `idle_time`.
    pub(super) async fn replace(
        &self,
        key: &StorageKey,
        expected: &[u8],
        record: &[u8],
        idle_time: Duration,
    ) -> Result<Outcome, Error> {
        let replaced = self
            .call("replace", key, |backend| {
                backend.replace(key.as_str(), expected, record, idle_time)
            })
            .await?;
        let outcome = match replaced {
            // the backend repeated the operation, which it must not, and met its own first run
            Outcome::Changed(found) if found == record => Outcome::Applied,
            outcome => outcome,
        };
        match &outcome {
            Outcome::Applied => metrics::record_written(record.len()),
            Outcome::Changed(_) => metrics::count(metrics::RETRIES),
            Outcome::Gone => {}
        }
        Ok(outcome)
    }

    pub(super) async fn remove(&self, key: &StorageKey, expected: &[u8]) -> Result<Outcome, Error> {
        let outcome = self
            .call("remove", key, |backend| backend.remove(key.as_str(), expected))
            .await?;
        if matches!(outcome, Outcome::Changed(_)) {
            metrics::count(metrics::RETRIES);
        }
        Ok(outcome)
    }

    /// Waits until replicas have the record under a key.
    pub(super) async fn confirm_key(&self, key: &StorageKey) -> Result<(), Error> {
        self.call("confirm", key, |backend| backend.confirm(key.as_str())).await
    }

    /// Removes a record whose id nobody was given. Does so by a load, because a removal needs a script, which Redis may refuse.
    pub(super) async fn discard(&self, key: &StorageKey) -> Result<(), Error> {
        self.read(key, Duration::ZERO).await.map(|_| ())
    }

    /// Adds an entry to its index.
    pub(super) async fn add_to_index(&self, entry: &IndexEntry) -> Result<(), Error> {
        let IndexEntry { index, member, left } = entry;
        self.call("index_add", index, |backend| {
            backend.index_add(index.as_str(), member, *left)
        })
        .await
    }

    /// Drops a member whose record is gone. Only such a member may be dropped, because nobody adds it again.
    pub(crate) async fn drop_member(&self, user: &PrincipalDigest, member: &str) -> Result<(), Error> {
        self.index_remove(&self.index_key(user), member).await
    }

    pub(super) async fn index_remove(&self, index: &StorageKey, member: &str) -> Result<(), Error> {
        self.call("index_remove", index, |backend| {
            backend.index_remove(index.as_str(), member)
        })
        .await
    }

    /// Returns the members of a user's index. The member that expires last comes first.
    pub(crate) async fn members(
        &self,
        user: &PrincipalDigest,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let index = self.index_key(user);
        self.call("index_members", &index, |backend| {
            backend.index_members(index.as_str(), offset, limit)
        })
        .await
    }

    pub(super) async fn call<'a, T, F>(
        &'a self,
        name: &'static str,
        key: &StorageKey,
        operation: impl FnOnce(&'a dyn Backend) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        let began = Instant::now();
        let call = Call {
            name,
            began,
            deadline: self.deadline(began),
        };
        self.store.0.breaker.call(call, key, operation).await
    }
}
