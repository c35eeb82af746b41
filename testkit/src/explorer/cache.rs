//! [`Cache`]: what a process remembers of the records that it read, as the contract of
//! [`Backend::remembered`](shared_session::backend::Backend::remembered) permits at worst: any version, however old, until the
//! process changes the record itself.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;

tokio::task_local! {
    /// What the explorer lets the present request recall.
    pub(super) static RECALLED: Option<Bytes>;
}

/// What one process remembers, by key.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<String, Remembered>>);

#[derive(Default)]
struct Remembered {
    /// Each version that was read, once.
    versions: Vec<Bytes>,
    /// How often the process began or ended a change.
    changes: usize,
}

/// A read that has begun.
pub(super) struct Reading {
    key: String,
    /// The changes before it.
    changes: usize,
}

/// Forgets a record at the beginning and at the end of a change by the process.
pub(super) struct Changing<'a> {
    cache: &'a Cache,
    key: &'a str,
}

impl Cache {
    pub fn read(&self, key: &str) -> Reading {
        let mut remembered = self.0.lock().unwrap();
        Reading {
            key: key.to_owned(),
            changes: remembered.entry(key.to_owned()).or_default().changes,
        }
    }

    /// Remembers what was read, unless the process changed the record since.
    pub fn remember(&self, reading: Reading, record: &Bytes) {
        let mut remembered = self.0.lock().unwrap();
        let remembered = remembered.entry(reading.key).or_default();
        if remembered.changes == reading.changes && !remembered.versions.contains(record) {
            remembered.versions.push(record.clone());
        }
    }

    pub fn changing<'a>(&'a self, key: &'a str) -> Changing<'a> {
        self.forget(key);
        Changing { cache: self, key }
    }

    fn forget(&self, key: &str) {
        let mut remembered = self.0.lock().unwrap();
        let remembered = remembered.entry(key.to_owned()).or_default();
        remembered.versions.clear();
        remembered.changes += 1;
    }

    /// Returns how many versions of a record are remembered.
    pub fn versions(&self, key: &str) -> usize {
        let remembered = self.0.lock().unwrap();
        remembered.get(key).map_or(0, |remembered| remembered.versions.len())
    }

    pub fn version(&self, key: &str, version: usize) -> Option<Bytes> {
        self.0.lock().unwrap().get(key)?.versions.get(version).cloned()
    }

    pub fn has(&self, key: &str, record: &[u8]) -> bool {
        let remembered = self.0.lock().unwrap();
        let versions = remembered.get(key).map(|remembered| &remembered.versions[..]);
        versions.unwrap_or_default().iter().any(|version| version == record)
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.cache.forget(self.key);
    }
}
