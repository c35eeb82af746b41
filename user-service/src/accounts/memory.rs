//! Accounts in the process, until it ends.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use service_kit::Failure;

use super::Accounts;
use crate::account::{Account, AccountId};

#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<AccountId, Account>>);

impl Memory {
    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, Account>> {
        // nothing in here can panic halfway through a change
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Accounts for Memory {
    async fn find(&self, id: &AccountId) -> Result<Option<Account>, Failure> {
        Ok(self.accounts().get(id).cloned())
    }

    async fn create(&self, account: &Account) -> Result<bool, Failure> {
        let mut accounts = self.accounts();
        let kept = accounts.entry(account.id.clone()).or_insert_with(|| account.clone());
        Ok(kept == account)
    }

    async fn set_hash(&self, id: &AccountId, expected: &str, new: &str) -> Result<bool, Failure> {
        let mut accounts = self.accounts();
        let Some(account) = accounts.get_mut(id) else {
            return Ok(false);
        };
        if account.hash == expected {
            new.clone_into(&mut account.hash);
        }
        Ok(account.hash == new)
    }
}
