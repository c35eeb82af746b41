//! Changes a password. A form that is sent twice changes it once.

use secrecy::SecretString;
use service_kit::audit;

use super::{Authentication, Authenticator, TooManyAttempts, log_failure};
use crate::attempts::Source;
use crate::hasher::{HashError, Queue};

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
    /// Changes the password of the account with this ID if the current password is correct.
    ///
    /// The password may be the new one already, because the same form came before. That does not count as a wrong password.
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
}
