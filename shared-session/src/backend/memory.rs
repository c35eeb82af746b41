//! [`Memory`]: a backend in the memory of the process, for tests and for a service that runs alone.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use super::{Backend, BackendError, Outcome};
use crate::clock::Clock;

/// A backend in the memory of the process. Other processes cannot see its records, and they are lost when it exits.
#[derive(Debug, Default)]
pub struct Memory {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    records: ExpiringMap<Bytes>,
    indexes: ExpiringMap<Index>,
}

/// A map whose entries expire, each at its own time.
#[derive(Debug)]
struct ExpiringMap<T> {
    entries: HashMap<String, Expiring<T>>,
    /// The number of entries at which the expired ones are removed.
    sweep_at: usize,
}

#[derive(Debug)]
struct Expiring<T> {
    value: T,
    expires: Duration,
}

/// The members of an index: their expiry by name, and their names in the order of expiry.
#[derive(Debug, Default)]
struct Index {
    expiries: HashMap<String, Duration>,
    ordered: BTreeSet<(Duration, String)>,
}

impl Memory {
    /// Creates an empty backend whose records expire by `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }
}

impl ExpiringMap<Bytes> {
    /// Returns the record under `key` if it is `expected`, or else the outcome of the operation that expected it.
    fn get_expected(&mut self, key: &str, expected: &[u8], now: Duration) -> Result<&mut Expiring<Bytes>, Outcome> {
        match self.get_mut(key, now) {
            None => Err(Outcome::Gone),
            Some(present) if present.value != expected => Err(Outcome::Changed(present.value.clone())),
            Some(present) => Ok(present),
        }
    }
}

impl<T> ExpiringMap<T> {
    /// Returns the entry under `key` unless it has expired.
    fn get_mut(&mut self, key: &str, now: Duration) -> Option<&mut Expiring<T>> {
        self.entries.get_mut(key).filter(|entry| now < entry.expires)
    }

    /// Inserts an entry. Removes the expired ones whenever the map has doubled, so that the cost per insertion is constant.
    fn insert(&mut self, key: &str, value: T, expires: Duration, now: Duration) {
        if self.entries.len() >= self.sweep_at.max(64) {
            self.entries.retain(|_, entry| now < entry.expires);
            self.sweep_at = self.entries.len() * 2;
        }
        self.entries.insert(key.to_owned(), Expiring { value, expires });
    }

    fn remove(&mut self, key: &str) {
        self.entries.remove(key);
    }
}

impl<T> Default for ExpiringMap<T> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            sweep_at: 0,
        }
    }
}

impl Index {
    fn add(&mut self, member: &str, expires: Duration) {
        let expires = self.expiries.get(member).copied().unwrap_or_default().max(expires);
        self.remove(member);
        self.expiries.insert(member.to_owned(), expires);
        self.ordered.insert((expires, member.to_owned()));
    }

    fn remove(&mut self, member: &str) {
        if let Some((name, expires)) = self.expiries.remove_entry(member) {
            self.ordered.remove(&(expires, name));
        }
    }

    fn remove_expired(&mut self, now: Duration) {
        while let Some((_, member)) = self.ordered.first().filter(|(expires, _)| *expires <= now) {
            let member = member.clone();
            self.remove(&member);
        }
    }
}

#[async_trait]
impl Backend for Memory {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        let now = self.clock.now();
        let records = &mut self.state.lock().records;
        Ok(records.get_mut(key, now).map(|record| {
            record.expires = now.saturating_add(ttl);
            record.value.clone()
        }))
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        let now = self.clock.now();
        let records = &mut self.state.lock().records;
        let record = records.get_mut(key, now);
        Ok(record.map(|record| (record.value.clone(), record.expires.saturating_sub(now))))
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        let now = self.clock.now();
        let records = &mut self.state.lock().records;
        if records.get_mut(key, now).is_some() {
            return Ok(false);
        }
        records.insert(key, Bytes::copy_from_slice(record), now.saturating_add(ttl), now);
        Ok(true)
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        let now = self.clock.now();
        Ok(match self.state.lock().records.get_expected(key, expected, now) {
            Ok(present) => {
                present.value = Bytes::copy_from_slice(record);
                present.expires = now.saturating_add(ttl);
                Outcome::Applied
            }
            Err(outcome) => outcome,
        })
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        let records = &mut self.state.lock().records;
        if let Err(outcome) = records.get_expected(key, expected, self.clock.now()) {
            return Ok(outcome);
        }
        records.remove(key);
        Ok(Outcome::Applied)
    }

    async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError> {
        let now = self.clock.now();
        let indexes = &mut self.state.lock().indexes;
        let index = indexes.get_mut(key, now).map(|entry| std::mem::take(&mut entry.value));
        let mut index = index.unwrap_or_default();
        index.add(member, now.saturating_add(left));
        index.remove_expired(now);
        match index.ordered.last() {
            Some(&(last, _)) => indexes.insert(key, index, last, now),
            None => indexes.remove(key),
        }
        Ok(())
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        let indexes = &mut self.state.lock().indexes;
        if let Some(index) = indexes.get_mut(key, self.clock.now()) {
            index.value.remove(member);
            if index.value.expiries.is_empty() {
                indexes.remove(key);
            }
        }
        Ok(())
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        let indexes = &mut self.state.lock().indexes;
        let Some(index) = indexes.get_mut(key, self.clock.now()) else {
            return Ok(Vec::new());
        };
        let members = index.value.ordered.iter().rev().skip(offset).take(limit);
        Ok(members.map(|(_, member)| member.clone()).collect())
    }

    async fn check(&self, _: &str) -> Result<(), BackendError> {
        Ok(())
    }

    fn system_name(&self) -> &'static str {
        "memory"
    }
}
