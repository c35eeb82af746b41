//! Changes a password. A form that is sent twice changes it once.

use secrecy::SecretString;
use service_kit::audit;
use service_kit::site::User;
use shared_session::Handle;

use super::{Authentication, Authenticator, Claim, TooManyAttempts, log_failure};
use crate::account::Account;
use crate::attempts::Key;
use crate::hasher::{HashError, Queue};

/// The outcome of [`Authenticator::change_password`].
#[derive(Clone, Debug)]
pub enum PasswordChange {
    /// The password was changed.
    Done,
    /// The password was the new one already, because the same form came before. Nothing was changed.
    AlreadyDone(Account),
    /// The current password is incorrect. Nothing was changed.
    WrongPassword,
    /// Another request changed the password at the same time, and its password was kept.
    Conflict,
    /// There were too many wrong passwords, and this one was not verified.
    TooManyAttempts(TooManyAttempts),
}

impl Authenticator {
    /// Changes the password of the user of a session if the current password is correct.
    ///
    /// The password may be the new one already, because the same form came before. That does not count as a wrong password.
    pub async fn change_password(
        &self,
        user: User,
        handle: Option<Handle>,
        current: &SecretString,
        new: &SecretString,
    ) -> Result<PasswordChange, HashError> {
        let (this, passwords) = (self.clone(), [current.clone(), new.clone()]);
        let change = async move { this.replace_password(Claim::Session(user, handle), &passwords).await };
        self.jobs.run_to_end(change).await?
    }

    async fn replace_password(&self, claim: Claim, passwords: &[SecretString; 2]) -> Result<PasswordChange, HashError> {
        let [_, new] = passwords;
        let account = match self.try_passwords(claim, passwords).await? {
            (Authentication::Correct(account), 0) => account,
            (Authentication::Correct(account), _) => return Ok(PasswordChange::AlreadyDone(account)),
            (Authentication::Incorrect, _) => return Ok(PasswordChange::WrongPassword),
            (Authentication::TooManyAttempts(attempts), _) => return Ok(PasswordChange::TooManyAttempts(attempts)),
        };
        let changed = Account {
            password_hash: self.hasher.hash(new, Queue::NewPassword).await?,
            ..account.clone()
        };
        if !self.accounts.replace(&account, Some(&changed)).await? {
            // another request replaced it, perhaps one with the same form
            return Ok(if self.is_still(&changed, new).await? {
                PasswordChange::AlreadyDone(changed)
            } else {
                PasswordChange::Conflict
            });
        }
        audit::event("password changed").user(changed.user_id.as_str()).log();
        // what strangers tried was for the old password
        log_failure(self.attempts.forget(&Key::of_account(&changed.id)).await);
        Ok(PasswordChange::Done)
    }
}
