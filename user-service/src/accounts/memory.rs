//! Stores accounts in the memory of this process.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use service_kit::Failure;

use super::AccountRepository;
use crate::account::{Account, UserId};

/// Accounts in the memory of this process. They are lost when it ends.
#[derive(Default)]
pub(super) struct MemoryAccounts(Mutex<HashMap<UserId, Account>>);

#[async_trait]
impl AccountRepository for MemoryAccounts {
    async fn find(&self, id: &UserId) -> Result<Option<Account>, Failure> {
        Ok(self.0.lock().get(id).cloned())
    }

    async fn create(&self, account: &Account) -> Result<bool, Failure> {
        let mut accounts = self.0.lock();
        let stored = accounts
            .entry(account.user_id.clone())
            .or_insert_with(|| account.clone());
        Ok(stored == account)
    }

    async fn replace(&self, old: &Account, new: Option<&Account>) -> Result<bool, Failure> {
        let mut accounts = self.0.lock();
        let stored = accounts.get(&old.user_id);
        if stored != Some(old) {
            return Ok(stored.is_some() && stored == new);
        }
        match new {
            Some(new) => accounts.insert(old.user_id.clone(), new.clone()),
            None => accounts.remove(&old.user_id),
        };
        Ok(true)
    }
}
