//! Registering, signing in and changing a password: accounts and passwords together. It knows neither pages nor sessions.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::account::{Account, AccountId};
use crate::accounts::Accounts;
use crate::hasher::{HashError, Hasher};

/// How often a password is compared while its hash keeps changing: once more than two changes in a row need.
const ATTEMPTS: usize = 3;

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
        for _ in 0..ATTEMPTS {
            let account = self.find(id).await?;
            let hash = account.as_ref().map(|account| account.hash.as_str());
            if !self.hasher.verify(password, hash).await? {
                return Ok(None);
            }
            let Some(account) = account else {
                return Ok(None);
            };
            // That took its time, in which the password may have been changed, and everybody else signed out: who comes
            // now with the old one is not let in. Or only its hash was, by another sign-in: then it is right still.
            if let Some(account) = self.still(account, password).await? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    /// The account, if its hash is the one that was verified still. One that costs less than those of today is replaced.
    async fn still(&self, account: Account, password: &str) -> Result<Option<Account>, HashError> {
        if self.hasher.is_current(&account.hash) {
            let now = self.accounts.find(&account.id).await?;
            return Ok(now.filter(|now| now.hash == account.hash));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
    use service_kit::database::Database;

    use super::*;
    use crate::accounts;

    #[tokio::test]
    async fn who_signs_in_while_an_outdated_hash_is_replaced_is_let_in() {
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let hash: argon2::password_hash::phc::PasswordHash = cheap.hash_password(b"the right one").unwrap();
        let accounts = accounts::open(&Database::Memory);
        let account = Account {
            id: AccountId::parse("olga").unwrap(),
            name: "Olga".to_owned(),
            hash: hash.to_string(),
            created: 0,
        };
        assert!(accounts.create(&account).await.unwrap());
        let people = People::new(accounts.clone(), Hasher::default());
        let sign_ins: Vec<_> = (0..6)
            .map(|_| {
                let people = people.clone();
                tokio::spawn(async move { people.authenticate("olga", "the right one").await.unwrap().is_some() })
            })
            .collect();
        for sign_in in sign_ins {
            assert!(sign_in.await.unwrap(), "the right password was refused");
        }
        let now = accounts.find(&account.id).await.unwrap().unwrap();
        assert!(now.hash != account.hash, "the hash is outdated still");
        assert!(people.authenticate("olga", "a wrong one").await.unwrap().is_none());
    }
}
