//! Verifies passwords, registers users and changes passwords.
//!
//! A step that counts, stores or logs something runs to its end, even if the request is dropped.

mod password_change;
mod registration;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use service_kit::site::User;
use service_kit::{Failure, Jobs, audit};
use shared_session::Handle;
use tracing::error;

pub use self::password_change::PasswordChange;
pub use self::registration::NewUser;
use crate::account::{Account, UserId};
use crate::accounts::AccountRepository;
use crate::attempts::{Attempts, Key, Permission};
use crate::hasher::{HashError, Hasher, Queue};

/// The accounts together with the hasher of their passwords and the counts of wrong ones.
#[derive(Clone)]
pub struct Authenticator {
    accounts: Arc<dyn AccountRepository>,
    attempts: Attempts,
    hasher: Hasher,
    jobs: Jobs,
}

/// Who says to know a password.
#[derive(Clone, Debug)]
pub enum Claim {
    /// Somebody who signs in with this user ID, which may be invalid.
    SignIn(String),
    /// The user of a session, and the session.
    Session(User, Option<Handle>),
}

/// Why a password was not accepted, or a new one not stored.
#[derive(Debug)]
pub enum Refused {
    /// The ID or the password is incorrect.
    Incorrect,
    /// There were too many wrong passwords, and this one was not verified. The next one can be tried after this time, or never.
    TooManyAttempts(Option<Duration>),
    /// The new password is too common.
    Common,
    /// Another request changed the password at the same time, and its password was kept.
    Conflict,
    /// Too many passwords are being hashed.
    Busy,
    /// Any other failure.
    Failure(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<HashError> for Refused {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            HashError::Failure(failure) => Self::Failure(failure),
        }
    }
}

impl Authenticator {
    /// Creates an authenticator for these accounts.
    pub fn new(accounts: Arc<dyn AccountRepository>, attempts: Attempts, hasher: Hasher, jobs: Jobs) -> Self {
        Self {
            accounts,
            attempts,
            hasher,
            jobs,
        }
    }

    /// Refuses a new password that is too common for the user with this ID and name.
    pub async fn check_new(&self, password: &SecretString, id: &str, name: &str) -> Result<(), Refused> {
        if self.hasher.is_common(password, id, name).await? {
            return Err(Refused::Common);
        }
        Ok(())
    }

    /// Returns the account if the password is correct. An unknown ID needs the same work.
    pub async fn authenticate(&self, claim: Claim, password: &SecretString) -> Result<Account, Refused> {
        let (this, passwords) = (self.clone(), [password.clone()]);
        let attempt = async move { this.try_passwords(claim, &passwords).await };
        let (account, _) = self.jobs.run_to_end(attempt).await??;
        Ok(account)
    }

    /// Verifies passwords one after the other, as one attempt. Returns the number of the correct one too.
    async fn try_passwords(&self, claim: Claim, passwords: &[SecretString]) -> Result<(Account, usize), Refused> {
        let (typed, session) = match &claim {
            Claim::SignIn(id) => (id, None),
            Claim::Session(user, handle) => (&user.id, Some((&user.account, handle.as_ref()))),
        };
        let Ok(id) = UserId::parse(typed) else {
            // nobody has an invalid ID
            for password in passwords {
                self.hasher.verify(password, None).await?;
            }
            audit::event("authentication failed").log();
            return Err(Refused::Incorrect);
        };
        let mut account = self.accounts.find(&id).await?;
        let key = match session {
            None => Key::of_sign_in(&id, account.as_ref()),
            Some((session_account, handle)) => {
                // somebody else may have registered the ID since
                account.take_if(|account| account.id != *session_account);
                Key::of_session(session_account, handle)
            }
        };
        // the ID of no account may be a password in the wrong field
        let account_id = account.is_some().then_some(id.as_str());
        match self.attempts.begin(&key).await? {
            Permission::Granted => {}
            Permission::Wait(wait) => {
                audit::event("authentication delayed").user(account_id).log();
                return Err(Refused::TooManyAttempts(Some(wait)));
            }
            Permission::Blocked => {
                audit::event("authentication blocked").user(account_id).log();
                return Err(Refused::TooManyAttempts(None));
            }
        }
        let verified = self.verify_one_of(account, passwords).await;
        log_failure(match &verified {
            Ok(Some(_)) => self.attempts.forget(&key).await,
            Ok(None) => Ok(()),
            Err(_) => self.attempts.cancelled(&key).await,
        });
        verified?.ok_or_else(|| {
            audit::event("authentication failed").user(account_id).log();
            Refused::Incorrect
        })
    }

    async fn verify_one_of(
        &self,
        account: Option<Account>,
        passwords: &[SecretString],
    ) -> Result<Option<(Account, usize)>, HashError> {
        let hash = account.as_ref().map(|account| &*account.password_hash);
        for (number, password) in passwords.iter().enumerate() {
            if self.hasher.verify(password, hash).await?
                && let Some(account) = account
            {
                return Ok(Some((self.with_current_hash(account, password).await?, number)));
            }
        }
        Ok(None)
    }

    /// Replaces an outdated hash of a password that is correct.
    async fn with_current_hash(&self, account: Account, password: &SecretString) -> Result<Account, HashError> {
        if self.hasher.is_current(&account.password_hash) {
            return Ok(account);
        }
        let current = Account {
            password_hash: self.hasher.hash(password, Queue::SignIn).await?,
            ..account.clone()
        };
        // if the account was changed meanwhile, `is_still` verifies the password again
        let replaced = self.accounts.replace(&account, Some(&current)).await?;
        Ok(if replaced { current } else { account })
    }

    /// Returns whether an account still exists, with this password. A sign-in asks it once its session is stored: the account
    /// may have been deleted, or its password changed, after the password was verified, and the sessions revoked before this
    /// one was stored.
    pub async fn is_still(&self, account: &Account, password: &SecretString) -> Result<bool, HashError> {
        let stored = self.accounts.find(&account.user_id).await?;
        let Some(stored) = stored.filter(|stored| stored.id == account.id) else {
            return Ok(false);
        };
        // another sign-in may have replaced an outdated hash
        let is_unchanged = stored.password_hash == account.password_hash;
        Ok(is_unchanged || self.hasher.verify(password, Some(&stored.password_hash)).await?)
    }
}

/// Logs that a count was not stored. The user is not rejected for that: they may only have to wait longer another time.
fn log_failure(result: Result<(), Failure>) {
    if let Err(error) = result {
        error!(%error, "failed to store the number of wrong passwords");
    }
}
