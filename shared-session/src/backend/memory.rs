//! `memory:`: records and indexes in this process, for tests and for a service that runs alone.

use std::collections::{BTreeSet, HashMap};
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
    shelves: Mutex<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    records: Shelf<Bytes>,
    indexes: Shelf<Index>,
}

/// What lies under keys, each thing until its time.
#[derive(Debug)]
struct Shelf<T> {
    by_key: HashMap<String, Expiring<T>>,
    /// How many things there may be before the expired ones are swept out.
    sweep_at: usize,
}

#[derive(Debug)]
struct Expiring<T> {
    held: T,
    expires: Duration,
}

/// The members with their ends, by name and in order.
#[derive(Debug, Default)]
struct Index {
    ends: HashMap<String, Duration>,
    ordered: BTreeSet<(Duration, String)>,
}

impl Memory {
    /// An empty store whose records expire by `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            shelves: Mutex::default(),
        }
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        // no step leaves anything half done, so a panic elsewhere has spoilt nothing
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expiry(&self, ttl: Duration) -> Duration {
        self.clock.now().saturating_add(ttl)
    }

    /// Takes `step` on the record under `key` if it is `expected`.
    fn compare(&self, key: &str, expected: &[u8], step: impl FnOnce(&mut Shelf<Bytes>)) -> Outcome {
        let records = &mut self.shelves().records;
        match records.live(key, self.clock.now()) {
            None => Outcome::Gone,
            Some(record) if record.held != expected => Outcome::Changed(record.held.clone()),
            Some(_) => {
                step(records);
                Outcome::Done
            }
        }
    }
}

impl<T> Shelf<T> {
    fn live(&mut self, key: &str, now: Duration) -> Option<&mut Expiring<T>> {
        self.by_key.get_mut(key).filter(|there| now < there.expires)
    }

    /// Puts a thing under a key; now and then, so that the cost is spread, sweeps out the expired ones.
    fn put(&mut self, key: &str, held: T, expires: Duration, now: Duration) {
        if self.by_key.len() >= self.sweep_at.max(64) {
            self.by_key.retain(|_, there| now < there.expires);
            self.sweep_at = self.by_key.len() * 2;
        }
        self.by_key.insert(key.to_owned(), Expiring { held, expires });
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            by_key: HashMap::new(),
            sweep_at: 0,
        }
    }
}

impl Index {
    fn add(&mut self, member: &str, expires: Duration) {
        self.remove(member);
        self.ends.insert(member.to_owned(), expires);
        self.ordered.insert((expires, member.to_owned()));
    }

    fn remove(&mut self, member: &str) {
        if let Some((name, expires)) = self.ends.remove_entry(member) {
            self.ordered.remove(&(expires, name));
        }
    }

    fn drop_ended(&mut self, now: Duration) {
        while let Some((_, member)) = self.ordered.first().filter(|(expires, _)| *expires <= now) {
            let member = member.clone();
            self.remove(&member);
        }
    }

    /// When the last member ends.
    fn end(&self) -> Option<Duration> {
        self.ordered.last().map(|(expires, _)| *expires)
    }
}

#[async_trait]
impl Backend for Memory {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        let expires = self.expiry(ttl);
        let records = &mut self.shelves().records;
        Ok(records.live(key, self.clock.now()).map(|record| {
            record.expires = expires;
            record.held.clone()
        }))
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        let now = self.clock.now();
        let records = &mut self.shelves().records;
        let record = records.live(key, now);
        Ok(record.map(|record| (record.held.clone(), record.expires.saturating_sub(now))))
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        let now = self.clock.now();
        let records = &mut self.shelves().records;
        if records.live(key, now).is_some() {
            return Ok(false);
        }
        records.put(key, Bytes::copy_from_slice(record), self.expiry(ttl), now);
        Ok(true)
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        let (now, expires) = (self.clock.now(), self.expiry(ttl));
        Ok(self.compare(key, expected, |records| {
            records.put(key, Bytes::copy_from_slice(record), expires, now);
        }))
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        Ok(self.compare(key, expected, |records| {
            records.by_key.remove(key);
        }))
    }

    async fn index_add(&self, key: &str, member: &str, expires: Duration, now: Duration) -> Result<(), BackendError> {
        let own = self.clock.now();
        let indexes = &mut self.shelves().indexes;
        let index = indexes.live(key, own).map(|there| std::mem::take(&mut there.held));
        let mut index = index.unwrap_or_default();
        index.add(member, expires);
        index.drop_ended(now);
        match index.end() {
            Some(end) => indexes.put(key, index, own.saturating_add(end.saturating_sub(now)), own),
            None => drop(indexes.by_key.remove(key)),
        }
        Ok(())
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        let indexes = &mut self.shelves().indexes;
        if let Some(there) = indexes.live(key, self.clock.now()) {
            there.held.remove(member);
            if there.held.ends.is_empty() {
                indexes.by_key.remove(key);
            }
        }
        Ok(())
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        let indexes = &mut self.shelves().indexes;
        let Some(there) = indexes.live(key, self.clock.now()) else {
            return Ok(Vec::new());
        };
        let members = there.held.ordered.iter().rev().skip(offset).take(limit);
        Ok(members.map(|(_, member)| member.clone()).collect())
    }

    async fn check(&self, _: &str) -> Result<(), BackendError> {
        Ok(())
    }
}
