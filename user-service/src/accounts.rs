//! Stores accounts: the repository and its implementations. An account holds the hash of its password.

mod memory;
mod redis;

#[cfg(test)]
mod contract;

use std::sync::Arc;

use async_trait::async_trait;
use service_kit::Failure;
use service_kit::database::Database;

use self::memory::MemoryAccounts;
use self::redis::RedisAccounts;
use crate::account::{Account, UserId};

/// The accounts of all users. Every process that has the same database sees the same accounts.
///
/// A method fails with [`Failure::Unavailable`] if the database is unavailable, and with [`Failure::Unreadable`] if the
/// stored account is invalid, which is then left unchanged.
#[async_trait]
pub trait AccountRepository: Send + Sync {
    /// Returns the account with this user ID, or `None` if there is none.
    async fn find(&self, id: &UserId) -> Result<Option<Account>, Failure>;

    /// Stores a new account. Returns `false` if another account has its user ID.
    ///
    /// If this very account is already stored, because the reply to an earlier attempt was lost, it returns `true`.
    async fn create(&self, account: &Account) -> Result<bool, Failure>;

    /// Replaces an account by `new`, or deletes it. Returns `false` if the stored account is neither of them.
    async fn replace(&self, old: &Account, new: Option<&Account>) -> Result<bool, Failure>;
}

/// Returns the repository in this database.
#[must_use]
pub fn open(database: &Database) -> Arc<dyn AccountRepository> {
    match database {
        Database::Memory => Arc::new(MemoryAccounts::default()),
        Database::Redis(redis) => Arc::new(RedisAccounts::new(redis.clone())),
    }
}
