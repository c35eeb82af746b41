//! Stores short texts for some time: the counts of wrong passwords, and the tokens that set a new password.

mod memory;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use service_kit::Failure;
use service_kit::database::Database;

use self::memory::MemoryTexts;
use self::redis::RedisTexts;

/// Texts under keys, each with an expiry.
///
/// A method fails with [`Failure::Unavailable`] if the database is unavailable.
#[async_trait]
pub trait Texts: Send + Sync {
    /// Returns the text under a key.
    async fn get(&self, key: &str) -> Result<Option<String>, Failure>;

    /// Replaces the text under a key, for this time, if it is the expected one. Returns whether it was.
    async fn replace(&self, key: &str, expected: Option<&str>, new: &str, ttl: Duration) -> Result<bool, Failure>;

    /// Removes the text under a key.
    async fn remove(&self, key: &str) -> Result<(), Failure>;
}

/// Returns the texts in this database.
pub fn open(database: &Database) -> Arc<dyn Texts> {
    match database {
        Database::Memory => Arc::new(MemoryTexts::default()),
        Database::Redis(redis) => Arc::new(RedisTexts::new(redis.clone())),
    }
}
