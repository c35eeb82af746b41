//! `memory:`: records in this process, for tests and for a service that runs alone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Backend, BackendError, Outcome};
use crate::clock::Clock;

/// Records in this process. They end with it, and no other process sees them.
#[derive(Debug, Default)]
pub struct Memory {
    clock: Clock,
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    by_key: HashMap<String, Record>,
    /// How many records there may be before the expired ones are swept out.
    sweep_at: usize,
}

#[derive(Debug)]
struct Record {
    bytes: Bytes,
    expires: Duration,
}

impl Memory {
    /// An empty store whose records expire by `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            records: Mutex::default(),
        }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        // no step leaves a record half done, so a panic elsewhere has spoilt nothing
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expiry(&self, ttl: Duration) -> Duration {
        self.clock.now().saturating_add(ttl)
    }

    /// Takes `step` on the record under `key` if it is `expected`.
    fn compare(&self, key: &str, expected: &[u8], step: impl FnOnce(&mut Records)) -> Outcome {
        let mut records = self.records();
        match records.live(key, self.clock.now()) {
            None => Outcome::Gone,
            Some(record) if record.bytes != expected => Outcome::Changed(record.bytes.clone()),
            Some(_) => {
                step(&mut records);
                Outcome::Done
            }
        }
    }
}

impl Records {
    fn live(&mut self, key: &str, now: Duration) -> Option<&mut Record> {
        self.by_key.get_mut(key).filter(|record| now < record.expires)
    }

    /// Writes a record; now and then, so that the cost is spread, sweeps out the expired ones.
    fn put(&mut self, key: &str, bytes: &[u8], expires: Duration, now: Duration) {
        if self.by_key.len() >= self.sweep_at.max(64) {
            self.by_key.retain(|_, record| now < record.expires);
            self.sweep_at = self.by_key.len() * 2;
        }
        let bytes = Bytes::copy_from_slice(bytes);
        self.by_key.insert(key.to_owned(), Record { bytes, expires });
    }
}

#[async_trait]
impl Backend for Memory {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        let expires = self.expiry(ttl);
        Ok(self.records().live(key, self.clock.now()).map(|record| {
            record.expires = expires;
            record.bytes.clone()
        }))
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        let now = self.clock.now();
        let mut records = self.records();
        if records.live(key, now).is_some() {
            return Ok(false);
        }
        records.put(key, record, self.expiry(ttl), now);
        Ok(true)
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        let (now, expires) = (self.clock.now(), self.expiry(ttl));
        Ok(self.compare(key, expected, |records| records.put(key, record, expires, now)))
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        Ok(self.compare(key, expected, |records| {
            records.by_key.remove(key);
        }))
    }

    async fn ping(&self) -> Result<(), BackendError> {
        Ok(())
    }
}
