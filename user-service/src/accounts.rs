//! Where accounts are kept: what any such place promises. It knows no passwords, only their hashes.

mod memory;
mod redis;

#[cfg(test)]
mod contract;

use std::sync::Arc;

use async_trait::async_trait;
use service_kit::Failure;
use service_kit::database::Database;

use self::memory::Memory;
use self::redis::Redis;
use crate::account::{Account, AccountId};

/// The accounts of the whole application, however many processes serve it.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The account with this id, if there is one.
    async fn find(&self, id: &AccountId) -> Result<Option<Account>, Failure>;

    /// Keeps a new account. `false` when its id is taken: of any number at once with one id, one is kept.
    ///
    /// The very account that is kept already counts as kept now: every hash has a salt of its own, so it is the same
    /// attempt, whose answer was lost.
    async fn create(&self, account: &Account) -> Result<bool, Failure>;

    /// Puts another hash in the place of `expected`. `false` when the account has neither, or is gone.
    async fn set_hash(&self, id: &AccountId, expected: &str, new: &str) -> Result<bool, Failure>;
}

/// The accounts in a database.
#[must_use]
pub fn open(database: &Database) -> Arc<dyn Accounts> {
    match database {
        Database::Memory => Arc::new(Memory::default()),
        Database::Redis(redis) => Arc::new(Redis::new(redis.clone())),
    }
}
