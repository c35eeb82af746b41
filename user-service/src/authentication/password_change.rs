//! Changes a password. A form that is sent twice changes it once.

use secrecy::SecretString;
use service_kit::audit;
use service_kit::site::User;
use shared_session::Handle;

use super::{Authenticator, Claim, Refused, log_failure};
use crate::account::Account;
use crate::attempts::Key;
use crate::hasher::Queue;

/// What [`Authenticator::change_password`] did.
#[derive(Clone, Debug)]
pub enum PasswordChange {
    /// The password was changed.
    Done,
    /// The password was the new one already, because the same form came before. Nothing was changed.
    AlreadyDone(Account),
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
    ) -> Result<PasswordChange, Refused> {
        let (this, passwords) = (self.clone(), [current.clone(), new.clone()]);
        let change = async move { this.replace_password(Claim::Session(user, handle), &passwords).await };
        self.jobs.run_to_end(change).await?
    }

    async fn replace_password(&self, claim: Claim, passwords: &[SecretString; 2]) -> Result<PasswordChange, Refused> {
        let [_, new] = passwords;
        let account = match self.try_passwords(claim, passwords).await? {
            (account, 0) => account,
            (account, _) => return Ok(PasswordChange::AlreadyDone(account)),
        };
        let changed = Account {
            password_hash: self.hasher.hash(new, Queue::NewPassword).await?,
            ..account.clone()
        };
        if !self.accounts.replace(&account, Some(&changed)).await? {
            // another request replaced it, perhaps one with the same form
            let is_done = self.is_still(&changed, new).await?;
            return is_done
                .then_some(PasswordChange::AlreadyDone(changed))
                .ok_or(Refused::Conflict);
        }
        audit::event("password changed").user(changed.user_id.as_str()).log();
        // what strangers tried was for the old password
        log_failure(self.attempts.forget(&Key::of_account(&changed.id)).await);
        Ok(PasswordChange::Done)
    }
}
