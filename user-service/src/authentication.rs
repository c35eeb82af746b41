//! Registers users, checks their passwords and changes them. It knows neither pages nor sessions.
//!
//! What counts, stores or logs something runs to its end even if the request is dropped.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use service_kit::user_data::UserData;
use service_kit::{Failure, Jobs, Resources, audit};
use tracing::error;

use crate::account::{Account, AccountId};
use crate::accounts::AccountRepository;
use crate::attempts::{Attempts, Permission, Source};
use crate::hasher::{HashError, Hasher, Queue};
use crate::token::Token;

/// How many times a password is verified if its hash changes meanwhile: two changes in a row are covered.
const MAX_ATTEMPTS: usize = 3;

/// The accounts together with the hasher of their passwords and the counts of wrong ones.
#[derive(Clone)]
pub struct Authenticator {
    accounts: Arc<dyn AccountRepository>,
    attempts: Attempts,
    user_data: UserData,
    hasher: Hasher,
    jobs: Jobs,
}

/// Who registers.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The ID, which may be taken.
    pub id: AccountId,
    /// The name.
    pub name: String,
    /// The password.
    pub password: SecretString,
    /// The token of the form.
    pub token: Option<Token>,
}

/// The outcome of [`Authenticator::register`].
#[derive(Clone, Debug)]
pub enum Registration {
    /// The account was stored, now or when the same form came before.
    Done(Account),
    /// The ID is taken.
    Taken,
}

/// The outcome of [`Authenticator::authenticate`].
#[derive(Clone, Debug)]
pub enum Authentication {
    /// The password is correct.
    Correct(Account),
    /// The ID or the password is incorrect.
    Incorrect,
    /// There were too many wrong passwords, and this one was not verified.
    TooManyAttempts(TooManyAttempts),
}

/// When the next password may be tried: after this time, or never if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyAttempts(pub Option<Duration>);

/// The outcome of [`Authenticator::change_password`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordChange {
    /// The password was changed.
    Done,
    /// The password was the new one already, because the same form came before. Nothing was changed.
    AlreadyDone,
    /// The current password is incorrect. Nothing was changed.
    WrongPassword,
    /// Another request changed the password at the same time, and its password was kept.
    Conflict,
    /// There were too many wrong passwords, and this one was not verified.
    TooManyAttempts(TooManyAttempts),
}

impl Authenticator {
    /// Creates an authenticator for these accounts.
    pub fn new(
        accounts: Arc<dyn AccountRepository>,
        attempts: Attempts,
        resources: &Resources,
        hasher: Hasher,
    ) -> Self {
        Self {
            accounts,
            attempts,
            user_data: resources.user_data.clone(),
            hasher,
            jobs: resources.jobs.clone(),
        }
    }

    /// Returns whether a new password is too common for the user with this ID and name.
    pub async fn is_common(&self, password: &SecretString, id: &str, name: &str) -> Result<bool, HashError> {
        self.hasher.is_common(password, id, name).await
    }

    /// Stores the account of a new user. A taken ID needs the same work.
    pub async fn register(&self, user: NewUser) -> Result<Registration, HashError> {
        let this = self.clone();
        self.jobs.run_to_end(async move { this.create(user).await }).await?
    }

    async fn create(&self, user: NewUser) -> Result<Registration, HashError> {
        // first, so that the time does not tell whether the ID is taken
        let password_hash = self.hasher.hash(&user.password, Queue::NewPassword).await?;
        if user.id.is_reserved() {
            return Ok(Registration::Taken);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let account = Account {
            id: user.id,
            name: user.name,
            password_hash,
            created: now.map_or(0, |now| now.as_secs()),
            registration: user.token.as_ref().map(Token::digest),
        };
        if !self.accounts.create(&account).await? {
            return self.find_registered(&account, user.password).await;
        }
        // what a request in flight stored for a deleted account of this ID does not belong to the new one
        if let Err(error) = self.user_data.delete(account.id.as_str()).await {
            error!(%error, "failed to delete the data of an earlier account");
        }
        audit::event("account registered").user(account.id.as_str()).log();
        Ok(Registration::Done(account))
    }

    /// Returns the stored account if the same form registered it and the password is still the same.
    async fn find_registered(&self, new: &Account, password: SecretString) -> Result<Registration, HashError> {
        let stored = self.accounts.find(&new.id).await?;
        let is_same_form =
            new.registration.is_some() && stored.is_some_and(|stored| stored.registration == new.registration);
        if is_same_form {
            let attempt = self
                .try_passwords(new.id.as_str(), &[password], &Source::SignIn(None))
                .await?;
            if let (Authentication::Correct(account), _) = attempt {
                return Ok(Registration::Done(account));
            }
        }
        Ok(Registration::Taken)
    }

    /// Returns the account with this ID if the password is correct. An unknown ID needs the same work.
    pub async fn authenticate(
        &self,
        id: &str,
        password: &SecretString,
        source: Source,
    ) -> Result<Authentication, HashError> {
        let (this, id, passwords) = (self.clone(), id.to_owned(), [password.clone()]);
        let attempt = async move { this.try_passwords(&id, &passwords, &source).await };
        let (authentication, _) = self.jobs.run_to_end(attempt).await??;
        Ok(authentication)
    }

    /// Verifies passwords one after the other, as one attempt. Returns the number of the correct one too.
    async fn try_passwords(
        &self,
        id: &str,
        passwords: &[SecretString],
        source: &Source,
    ) -> Result<(Authentication, usize), HashError> {
        let refused = |authentication| Ok((authentication, passwords.len()));
        let Ok(id) = AccountId::parse(id) else {
            // nobody has an invalid ID
            for password in passwords {
                self.hasher.verify(password, None).await?;
            }
            audit::event("authentication failed").log();
            return refused(Authentication::Incorrect);
        };
        let is_account = self.accounts.find(&id).await?.is_some();
        // the ID of no account may be a password in the wrong field
        let account_id = is_account.then_some(id.as_str());
        let attempt = match self.attempts.begin(&id, is_account, source).await? {
            Permission::Granted(attempt) => attempt,
            Permission::Wait(wait) => {
                audit::event("authentication delayed").user(account_id).log();
                return refused(Authentication::TooManyAttempts(TooManyAttempts(Some(wait))));
            }
            Permission::Blocked => {
                audit::event("authentication blocked").user(account_id).log();
                return refused(Authentication::TooManyAttempts(TooManyAttempts(None)));
            }
        };
        let verified = self.verify_one_of(&id, passwords).await;
        let noted = match &verified {
            Ok(Some(_)) => self.attempts.succeeded(&attempt).await,
            Ok(None) => Ok(()),
            Err(_) => self.attempts.cancelled(&attempt).await,
        };
        log_failure(noted);
        match verified? {
            Some((account, number)) => Ok((Authentication::Correct(account), number)),
            None => {
                audit::event("authentication failed").user(account_id).log();
                refused(Authentication::Incorrect)
            }
        }
    }

    /// Remembers a device on which the user of an account has signed in: strangers cannot lock the user out of it.
    pub async fn remember(&self, id: &AccountId, device: &Token) {
        log_failure(self.attempts.remember(id, device).await);
    }

    async fn verify_one_of(
        &self,
        id: &AccountId,
        passwords: &[SecretString],
    ) -> Result<Option<(Account, usize)>, HashError> {
        for (number, password) in passwords.iter().enumerate() {
            if let Some(account) = self.verify(id, password).await? {
                return Ok(Some((account, number)));
            }
        }
        Ok(None)
    }

    /// Returns the account with this ID if the password is correct.
    async fn verify(&self, id: &AccountId, password: &SecretString) -> Result<Option<Account>, HashError> {
        for _ in 0..MAX_ATTEMPTS {
            let account = self.accounts.find(id).await?;
            let hash = account.as_ref().map(|account| account.password_hash.as_str());
            if !self.hasher.verify(password, hash).await? {
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
        let password_hash = self.hasher.hash(password, Queue::SignIn).await?;
        let replaced = self.replace_hash(&account, &password_hash).await?;
        Ok(replaced.then_some(Account {
            password_hash,
            ..account
        }))
    }

    /// Changes the password of the account with this ID if the current password is correct.
    ///
    /// The password may be the new one already: then the same form came before, and the user who sent it twice has entered
    /// no wrong password.
    pub async fn change_password(
        &self,
        id: &str,
        current: &SecretString,
        new: &SecretString,
        source: Source,
    ) -> Result<PasswordChange, HashError> {
        let (this, id, passwords) = (self.clone(), id.to_owned(), [current.clone(), new.clone()]);
        let change = async move { this.replace_password(&id, &passwords, &source).await };
        self.jobs.run_to_end(change).await?
    }

    async fn replace_password(
        &self,
        id: &str,
        passwords: &[SecretString; 2],
        source: &Source,
    ) -> Result<PasswordChange, HashError> {
        let [_, new] = passwords;
        let account = match self.try_passwords(id, passwords, source).await? {
            (Authentication::Correct(account), 0) => account,
            (Authentication::Correct(_), _) => return Ok(PasswordChange::AlreadyDone),
            (Authentication::Incorrect, _) => return Ok(PasswordChange::WrongPassword),
            (Authentication::TooManyAttempts(attempts), _) => return Ok(PasswordChange::TooManyAttempts(attempts)),
        };
        let password_hash = self.hasher.hash(new, Queue::NewPassword).await?;
        if !self.replace_hash(&account, &password_hash).await? {
            // another request replaced it, perhaps one with the same form
            let is_done = self.verify(&account.id, new).await?.is_some();
            return Ok(if is_done {
                PasswordChange::AlreadyDone
            } else {
                PasswordChange::Conflict
            });
        }
        audit::event("password changed").user(account.id.as_str()).log();
        // what strangers tried was for the old password
        log_failure(self.attempts.forget(&account.id).await);
        Ok(PasswordChange::Done)
    }

    async fn replace_hash(&self, account: &Account, new: &str) -> Result<bool, HashError> {
        let replaced = self
            .accounts
            .replace_password_hash(&account.id, &account.password_hash, new);
        Ok(replaced.await?)
    }
}

/// Logs that a count was not stored, which is no reason to reject the user: it only makes them wait longer another time.
fn log_failure(result: Result<(), Failure>) {
    if let Err(error) = result {
        error!(%error, "failed to store the number of wrong passwords");
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
            registration: None,
        };
        assert!(accounts.create(&account).await.unwrap());
        let attempts = Attempts::new(&Database::Memory);
        let authenticator = Authenticator {
            accounts: accounts.clone(),
            attempts,
            user_data: UserData::new(&Database::Memory),
            hasher: Hasher::default(),
            jobs: Jobs::of_this_runtime(),
        };
        let sign_ins: Vec<_> = (0..5)
            .map(|_| {
                let authenticator = authenticator.clone();
                tokio::spawn(async move {
                    let password = "the right one".into();
                    let result = authenticator.authenticate("olga", &password, Source::SignIn(None));
                    matches!(result.await.unwrap(), Authentication::Correct(_))
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
        let password = "a wrong one".into();
        let wrong = authenticator.authenticate("olga", &password, Source::SignIn(None));
        assert!(matches!(wrong.await.unwrap(), Authentication::Incorrect));
    }
}
