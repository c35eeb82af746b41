//! Registers a user. A form that is sent twice registers once.

use std::time::{SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use service_kit::audit;

use super::{Authenticator, Claim, Refused};
use crate::account::{Account, UserId};
use crate::hasher::Queue;
use crate::token::Token;

/// Who registers.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The ID, which may be taken.
    pub id: UserId,
    /// The name.
    pub name: String,
    /// The password.
    pub password: SecretString,
    /// The token of the form.
    pub token: Option<Token>,
}

impl Authenticator {
    /// Stores the account of a new user, and returns it, also if the same form came before. Returns `None` if the ID is taken,
    /// after the same work.
    pub async fn register(&self, user: NewUser) -> Result<Option<Account>, Refused> {
        let this = self.clone();
        self.jobs.run_to_end(async move { this.create(user).await }).await?
    }

    async fn create(&self, user: NewUser) -> Result<Option<Account>, Refused> {
        // first, so that the time does not tell whether the ID is taken
        let password_hash = self.hasher.hash(&user.password, Queue::NewPassword).await?;
        if user.id.is_reserved() {
            return Ok(None);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let account = Account {
            id: Token::generate()?.as_str().to_owned(),
            user_id: user.id,
            name: user.name,
            password_hash,
            created: now.map_or(0, |now| now.as_secs()),
            registration: user.token.as_ref().map(Token::digest),
        };
        if !self.accounts.create(&account).await? {
            return self.find_registered(&account, user.password).await;
        }
        audit::event("account registered").user(account.user_id.as_str()).log();
        Ok(Some(account))
    }

    /// Returns the stored account if the same form registered it and the password is still the same.
    async fn find_registered(&self, new: &Account, password: SecretString) -> Result<Option<Account>, Refused> {
        let stored = self.accounts.find(&new.user_id).await?;
        let is_same_form =
            new.registration.is_some() && stored.is_some_and(|stored| stored.registration == new.registration);
        if !is_same_form {
            return Ok(None);
        }
        let claim = Claim::SignIn(new.user_id.as_str().to_owned());
        match self.try_passwords(claim, &[password]).await {
            Ok((account, _)) => Ok(Some(account)),
            Err(Refused::Incorrect | Refused::TooManyAttempts(_)) => Ok(None),
            Err(refused) => Err(refused),
        }
    }
}
