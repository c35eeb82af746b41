//! Verifies passwords, registers users and changes passwords.
//!
//! A step that counts, stores or logs something runs to its end, even if the request is dropped.

mod password_change;
mod registration;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use service_kit::user_data::UserData;
use service_kit::{Failure, Jobs, Resources, audit};
use tracing::error;

pub use self::password_change::PasswordChange;
pub use self::registration::{NewUser, Registration};
use crate::account::{Account, AccountId};
use crate::accounts::AccountRepository;
use crate::attempts::{Attempts, Permission, Source};
use crate::hasher::{HashError, Hasher, Queue};
use crate::token::Token;

/// How many times a password is verified if its hash changes meanwhile. This covers two changes in a row.
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

    /// Remembers a device on which the user of an account has signed in, so that strangers cannot lock the user out of it.
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
            // A hash that changed meanwhile is verified again. Either the password was changed, and the old one must not
            // sign in. Or another sign-in replaced an outdated hash, and the password is still correct.
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

    async fn replace_hash(&self, account: &Account, new: &str) -> Result<bool, HashError> {
        let replaced = self
            .accounts
            .replace_password_hash(&account.id, &account.password_hash, new);
        Ok(replaced.await?)
    }
}

/// Logs that a count was not stored. The user is not rejected for that: they may only have to wait longer another time.
fn log_failure(result: Result<(), Failure>) {
    if let Err(error) = result {
        error!(%error, "failed to store the number of wrong passwords");
    }
}
