//! The count of wrong passwords, and where counts are stored.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use service_kit::Failure;
use service_kit::database::Database;

use super::memory::MemoryCounts;
use super::redis::RedisCounts;

/// Stores counts as short texts.
#[async_trait]
pub(super) trait Counts: Send + Sync {
    /// Returns the text under a key.
    async fn get(&self, key: &str) -> Result<Option<String>, Failure>;

    /// Replaces the text under a key, for this time or without an end, if it is the expected one. Returns whether it was.
    async fn replace(
        &self,
        key: &str,
        expected: Option<&str>,
        new: &str,
        ttl: Option<Duration>,
    ) -> Result<bool, Failure>;

    /// Stores a text under a key for this time.
    async fn set(&self, key: &str, new: &str, ttl: Duration) -> Result<(), Failure>;

    /// Removes the text under a key.
    async fn remove(&self, key: &str) -> Result<(), Failure>;
}

/// Opens the counts in this database.
pub(super) fn open(database: &Database) -> Arc<dyn Counts> {
    match database {
        Database::Memory => Arc::new(MemoryCounts::default()),
        Database::Redis(redis) => Arc::new(RedisCounts::new(redis.clone())),
    }
}

/// The number of wrong passwords in a row, and when the last one came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) wrong: u32,
    /// The time since the Unix epoch, in whole milliseconds.
    pub(super) last: Duration,
}

impl Count {
    /// Parses the text of a count. Anything else counts as no wrong password, since nobody but this service writes it.
    pub(super) fn parse(text: &str) -> Self {
        let parsed = text.split_once(' ').and_then(|(wrong, last)| {
            let (wrong, last) = (wrong.parse().ok()?, last.parse().ok()?);
            Some(Self {
                wrong,
                last: Duration::from_millis(last),
            })
        });
        parsed.unwrap_or_default()
    }

    pub(super) fn to_text(self) -> String {
        format!("{} {}", self.wrong, self.last.as_millis())
    }
}
