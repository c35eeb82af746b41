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
use crate::account::{Account, AccountId};

/// The accounts of all users. Every process that has the same database sees the same accounts.
///
/// A method fails with [`Failure::Unavailable`] if the database is unavailable, and with [`Failure::Unreadable`] if the
/// stored account is invalid, which is then left unchanged.
#[async_trait]
pub trait AccountRepository: Send + Sync {
    /// Returns the account with this ID, or `None` if there is none.
    async fn find(&self, id: &AccountId) -> Result<Option<Account>, Failure>;

    /// Stores a new account. Returns `false` if another account has its ID.
    ///
    /// If this very account is already stored, it returns `true`: each password hash has its own salt, so the account
    /// was stored by an earlier attempt whose reply was lost.
    async fn create(&self, account: &Account) -> Result<bool, Failure>;

    /// Replaces the password hash `expected` by `new`. Returns `false` if the account has neither, or does not exist.
    async fn replace_password_hash(&self, id: &AccountId, expected: &str, new: &str) -> Result<bool, Failure>;

    /// Deletes an account. Returns `false` if there is none with this ID, or if an earlier attempt deleted it whose reply was
    /// lost.
    async fn delete(&self, id: &AccountId) -> Result<bool, Failure>;
}

/// Returns the repository in this database.
#[must_use]
pub fn open(database: &Database) -> Arc<dyn AccountRepository> {
    match database {
        Database::Memory => Arc::new(MemoryAccounts::default()),
        Database::Redis(redis) => Arc::new(RedisAccounts::new(redis.clone())),
    }
}
