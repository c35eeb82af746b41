//! Registers users, checks their passwords and changes them. It knows neither pages nor sessions.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use service_kit::audit;

use crate::account::{Account, AccountId};
use crate::accounts::AccountRepository;
use crate::hasher::{HashError, Hasher};

/// How many times a password is verified if its hash changes meanwhile: two changes in a row are covered.
const MAX_ATTEMPTS: usize = 3;

/// The accounts together with the hasher of their passwords.
#[derive(Clone)]
pub struct Authenticator {
    accounts: Arc<dyn AccountRepository>,
    hasher: Hasher,
}

/// The outcome of [`Authenticator::change_password`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordChange {
    /// The password was changed.
    Done,
    /// The current password is incorrect. Nothing was changed.
    WrongPassword,
    /// Another request changed the password at the same time, and its password was kept.
    Conflict,
}

impl Authenticator {
    /// Creates an authenticator for these accounts.
    pub fn new(accounts: Arc<dyn AccountRepository>, hasher: Hasher) -> Self {
        Self { accounts, hasher }
    }

    /// Stores a new account. Returns `false` if its ID is taken, which needs the same work.
    pub async fn register(&self, id: AccountId, name: String, password: &SecretString) -> Result<bool, HashError> {
        // first, so that the time does not tell whether the ID is taken
        let password_hash = self.hasher.hash(password).await?;
        if id.is_reserved() {
            return Ok(false);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let account = Account {
            id,
            name,
            password_hash,
            created: now.map_or(0, |now| now.as_secs()),
        };
        Ok(self.accounts.create(&account).await?)
    }

    /// Returns the account with this ID if the password is correct. An unknown ID needs the same work.
    pub async fn authenticate(&self, id: &str, password: &SecretString) -> Result<Option<Account>, HashError> {
        for _ in 0..MAX_ATTEMPTS {
            let account = self.find(id).await?;
            let hash = account.as_ref().map(|account| account.password_hash.as_str());
            if !self.hasher.verify(password, hash).await? {
                let known = account.as_ref().map(|account| account.id.as_str());
                audit::event("authentication failed").user(known).log();
                return Ok(None);
            }
            let Some(account) = account else {
                return Ok(None);
            };
            // A hash that changed meanwhile is verified again. The password was changed, and the old one must not
            // sign in, or another sign-in replaced an outdated hash, and the password is still correct.
            if let Some(account) = self.confirm_hash(account, password).await? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    /// Returns the account if its hash is unchanged since it was verified. An outdated hash is replaced.
    async fn confirm_hash(&self, account: Account, password: &SecretString) -> Result<Option<Account>, HashError> {
        if self.hasher.is_current(&account.password_hash) {
            let stored = self.accounts.find(&account.id).await?;
            return Ok(stored.filter(|stored| stored.password_hash == account.password_hash));
        }
        let password_hash = self.hasher.hash(password).await?;
        let replaced = self.replace_hash(&account, &password_hash).await?;
        Ok(replaced.then_some(Account {
            password_hash,
            ..account
        }))
    }

    /// Changes the password of the account with this ID if the current password is correct.
    pub async fn change_password(
        &self,
        id: &str,
        current: &SecretString,
        new: &SecretString,
    ) -> Result<PasswordChange, HashError> {
        let Some(account) = self.authenticate(id, current).await? else {
            return Ok(PasswordChange::WrongPassword);
        };
        let password_hash = self.hasher.hash(new).await?;
        Ok(if self.replace_hash(&account, &password_hash).await? {
            PasswordChange::Done
        } else {
            PasswordChange::Conflict
        })
    }

    async fn replace_hash(&self, account: &Account, new: &str) -> Result<bool, HashError> {
        let replaced = self
            .accounts
            .replace_password_hash(&account.id, &account.password_hash, new);
        Ok(replaced.await?)
    }

    async fn find(&self, id: &str) -> Result<Option<Account>, HashError> {
        match AccountId::parse(id) {
            Ok(id) => Ok(self.accounts.find(&id).await?),
            // nobody has an invalid ID
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
    async fn concurrent_sign_ins_succeed_while_an_outdated_hash_is_replaced() {
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let hash: argon2::password_hash::phc::PasswordHash = cheap.hash_password(b"the right one").unwrap();
        let accounts = accounts::open(&Database::Memory);
        let account = Account {
            id: AccountId::parse("olga").unwrap(),
            name: "Olga".to_owned(),
            password_hash: hash.to_string(),
            created: 0,
        };
        assert!(accounts.create(&account).await.unwrap());
        let authenticator = Authenticator::new(accounts.clone(), Hasher::default());
        let sign_ins: Vec<_> = (0..6)
            .map(|_| {
                let authenticator = authenticator.clone();
                tokio::spawn(async move {
                    let account = authenticator.authenticate("olga", &"the right one".into()).await;
                    account.unwrap().is_some()
                })
            })
            .collect();
        for sign_in in sign_ins {
            assert!(sign_in.await.unwrap(), "the correct password was rejected");
        }
        let stored = accounts.find(&account.id).await.unwrap().unwrap();
        assert!(
            stored.password_hash != account.password_hash,
            "the hash is still outdated"
        );
        let wrong = authenticator.authenticate("olga", &"a wrong one".into()).await;
        assert!(wrong.unwrap().is_none());
    }
}
