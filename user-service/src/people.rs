//! Registering, signing in and changing a password: accounts and passwords together. It knows neither pages nor sessions.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::account::{Account, AccountId};
use crate::accounts::Accounts;
use crate::hasher::{HashError, Hasher};

/// Everybody who registered.
#[derive(Clone)]
pub struct People {
    accounts: Arc<dyn Accounts>,
    hasher: Hasher,
}

/// What became of a changed password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is the new one now.
    Yes,
    /// The current one is not what was typed.
    WrongPassword,
    /// Somebody changed it while this was under way, and theirs stays.
    Meanwhile,
}

impl People {
    /// Everybody in `accounts`.
    pub fn new(accounts: Arc<dyn Accounts>, hasher: Hasher) -> Self {
        Self { accounts, hasher }
    }

    /// Keeps a new account. `false` when its id is taken, which costs the same.
    pub async fn register(&self, id: AccountId, name: String, password: &str) -> Result<bool, HashError> {
        // before anybody looks whether the id is taken
        let hash = self.hasher.hash(password).await?;
        if id.is_reserved() {
            return Ok(false);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let account = Account {
            id,
            name,
            hash,
            created: now.map_or(0, |now| now.as_secs()),
        };
        Ok(self.accounts.create(&account).await?)
    }

    /// The account that this id and password are of. Where there is none it costs the same, and looks the same.
    pub async fn authenticate(&self, id: &str, password: &str) -> Result<Option<Account>, HashError> {
        let account = self.find(id).await?;
        let hash = account.as_ref().map(|account| account.hash.as_str());
        if !self.hasher.verify(password, hash).await? {
            return Ok(None);
        }
        let Some(account) = account else {
            return Ok(None);
        };
        // That took its time, in which the password may have been changed, and everybody else signed out. Who comes now
        // with the old one is not let in.
        let now = self.accounts.find(&account.id).await?;
        if now.is_none_or(|now| now.hash != account.hash) {
            return Ok(None);
        }
        self.keep_current(account, password).await
    }

    /// Gives an account whose hash costs less than those of today another one. Like [`Self::authenticate`], nothing where
    /// its password was changed meanwhile.
    async fn keep_current(&self, account: Account, password: &str) -> Result<Option<Account>, HashError> {
        if self.hasher.is_current(&account.hash) {
            return Ok(Some(account));
        }
        let hash = self.hasher.hash(password).await?;
        let set = self.accounts.set_hash(&account.id, &account.hash, &hash).await?;
        Ok(set.then_some(Account { hash, ..account }))
    }

    /// Changes the password of whoever has this id, if they know it.
    pub async fn change_password(&self, id: &str, current: &str, new: &str) -> Result<Changed, HashError> {
        let Some(account) = self.authenticate(id, current).await? else {
            return Ok(Changed::WrongPassword);
        };
        let hash = self.hasher.hash(new).await?;
        let set = self.accounts.set_hash(&account.id, &account.hash, &hash).await?;
        Ok(if set { Changed::Yes } else { Changed::Meanwhile })
    }

    /// What is no id is nobody's.
    async fn find(&self, id: &str) -> Result<Option<Account>, HashError> {
        match AccountId::parse(id) {
            Ok(id) => Ok(self.accounts.find(&id).await?),
            Err(_) => Ok(None),
        }
    }
}
