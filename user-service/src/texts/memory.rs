//! Stores counts in the memory of this process.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use service_kit::Failure;

use super::count::Counts;

/// How many texts may be stored before the expired ones are removed.
const MAX_UNCHECKED: usize = 10_000;

/// Counts in the memory of this process. They are lost when it ends.
#[derive(Default)]
pub(super) struct MemoryCounts(Mutex<HashMap<String, Stored>>);

struct Stored {
    text: String,
    ends: Option<Instant>,
}

impl Stored {
    fn new(text: &str, ttl: Option<Duration>) -> Self {
        Self {
            text: text.to_owned(),
            ends: ttl.map(|ttl| Instant::now() + ttl),
        }
    }

    fn is_alive(&self) -> bool {
        self.ends.is_none_or(|ends| Instant::now() < ends)
    }
}

impl MemoryCounts {
    fn insert(counts: &mut HashMap<String, Stored>, key: &str, stored: Stored) {
        if counts.len() >= MAX_UNCHECKED {
            counts.retain(|_, stored| stored.is_alive());
        }
        counts.insert(key.to_owned(), stored);
    }
}

#[async_trait]
impl Counts for MemoryCounts {
    async fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        let counts = self.0.lock();
        let stored = counts.get(key).filter(|stored| stored.is_alive());
        Ok(stored.map(|stored| stored.text.clone()))
    }

    async fn replace(
        &self,
        key: &str,
        expected: Option<&str>,
        new: &str,
        ttl: Option<Duration>,
    ) -> Result<bool, Failure> {
        let mut counts = self.0.lock();
        let stored = counts.get(key).filter(|stored| stored.is_alive());
        let is_expected = stored.map(|stored| &*stored.text) == expected;
        if is_expected {
            Self::insert(&mut counts, key, Stored::new(new, ttl));
        }
        Ok(is_expected)
    }

    async fn set(&self, key: &str, new: &str, ttl: Duration) -> Result<(), Failure> {
        Self::insert(&mut self.0.lock(), key, Stored::new(new, Some(ttl)));
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), Failure> {
        self.0.lock().remove(key);
        Ok(())
    }
}
