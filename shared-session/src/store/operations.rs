//! The steps at the backend, each within what the request may still wait.

use std::time::Duration;

use bytes::Bytes;

use super::Store;
use crate::backend::Outcome;
use crate::error::Error;
use crate::session::storage_key::StorageKey;
use crate::store::circuit_breaker::Budget;

impl Store {
    /// The time that every load, and every write of a session's record, gives it. Never less on account of the
    /// lifetime: so what a record has left tells when it was last used, and a load refuses one beyond its lifetime.
    pub(super) fn idle_time(&self) -> Duration {
        self.rules.ttl.min(self.rules.lifetime)
    }

    pub(super) async fn read(&self, key: &StorageKey, budget: &mut Budget) -> Result<Option<Bytes>, Error> {
        self.breaker
            .call(budget, key, |backend| backend.load(key.as_str(), self.idle_time()))
            .await
    }

    pub(super) async fn peek(&self, key: &StorageKey, budget: &mut Budget) -> Result<Option<(Bytes, Duration)>, Error> {
        self.breaker
            .call(budget, key, |backend| backend.peek(key.as_str()))
            .await
    }

    pub(super) async fn write_new(&self, key: &StorageKey, record: &[u8], budget: &mut Budget) -> Result<bool, Error> {
        self.breaker
            .call(budget, key, |backend| {
                backend.create(key.as_str(), record, self.idle_time())
            })
            .await
    }

    pub(super) async fn replace(
        &self,
        key: &StorageKey,
        expected: &[u8],
        record: &[u8],
        ttl: Duration,
        budget: &mut Budget,
    ) -> Result<Outcome, Error> {
        self.breaker
            .call(budget, key, |backend| {
                backend.replace(key.as_str(), expected, record, ttl)
            })
            .await
    }

    pub(super) async fn remove(
        &self,
        key: &StorageKey,
        expected: &[u8],
        budget: &mut Budget,
    ) -> Result<Outcome, Error> {
        self.breaker
            .call(budget, key, |backend| backend.remove(key.as_str(), expected))
            .await
    }

    pub(super) async fn index_add(
        &self,
        index: &StorageKey,
        member: &str,
        expires: Duration,
        budget: &mut Budget,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        self.breaker
            .call(budget, index, |backend| {
                backend.index_add(index.as_str(), member, expires, now)
            })
            .await
    }

    pub(super) async fn index_remove(
        &self,
        index: &StorageKey,
        member: &str,
        budget: &mut Budget,
    ) -> Result<(), Error> {
        self.breaker
            .call(budget, index, |backend| backend.index_remove(index.as_str(), member))
            .await
    }

    pub(super) async fn index_members(
        &self,
        index: &StorageKey,
        offset: usize,
        limit: usize,
        budget: &mut Budget,
    ) -> Result<Vec<String>, Error> {
        self.breaker
            .call(budget, index, |backend| {
                backend.index_members(index.as_str(), offset, limit)
            })
            .await
    }
}
