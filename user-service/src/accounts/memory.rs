//! Stores accounts in the memory of this process.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use service_kit::Failure;

use super::AccountRepository;
use crate::account::{Account, AccountId};

/// Accounts in the memory of this process. They are lost when it ends.
#[derive(Default)]
pub(super) struct MemoryAccounts(Mutex<HashMap<AccountId, Account>>);

#[async_trait]
impl AccountRepository for MemoryAccounts {
    async fn find(&self, id: &AccountId) -> Result<Option<Account>, Failure> {
        Ok(self.0.lock().get(id).cloned())
    }

    async fn create(&self, account: &Account) -> Result<bool, Failure> {
        let mut accounts = self.0.lock();
        let stored = accounts.entry(account.id.clone()).or_insert_with(|| account.clone());
        Ok(stored == account)
    }

    async fn replace_password_hash(&self, id: &AccountId, expected: &str, new: &str) -> Result<bool, Failure> {
        let mut accounts = self.0.lock();
        let Some(account) = accounts.get_mut(id) else {
            return Ok(false);
        };
        if account.password_hash == expected {
            new.clone_into(&mut account.password_hash);
        }
        Ok(account.password_hash == new)
    }

    async fn delete(&self, id: &AccountId) -> Result<bool, Failure> {
        Ok(self.0.lock().remove(id).is_some())
    }
}
