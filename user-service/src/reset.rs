//! Sets a new password by a link that works once, which an operator makes for a user who forgot the old one.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use service_kit::{Failure, Jobs, Resources, audit};
use shared_session::Registry;

use crate::account::{Account, UserId};
use crate::accounts::AccountRepository;
use crate::attempts::{Attempts, Key};
use crate::authentication::Refused;
use crate::deletion::AccountError;
use crate::hasher::{Hasher, Queue};
use crate::texts::Texts;
use crate::token::Token;

/// How long a link works.
pub const TTL: Duration = Duration::from_secs(3600);

/// Makes links, and sets passwords by them.
#[derive(Clone)]
pub struct Resets {
    accounts: Arc<dyn AccountRepository>,
    texts: Arc<dyn Texts>,
    attempts: Attempts,
    hasher: Hasher,
    registry: Registry,
    jobs: Jobs,
}

impl Resets {
    /// Creates the resets of these accounts.
    pub fn new(
        accounts: Arc<dyn AccountRepository>,
        texts: Arc<dyn Texts>,
        hasher: Hasher,
        resources: &Resources,
    ) -> Self {
        Self {
            accounts,
            hasher,
            attempts: Attempts::new(texts.clone()),
            texts,
            registry: resources.sessions.registry(),
            jobs: resources.jobs.clone(),
        }
    }

    /// Returns the token of a new link. The store holds only its digest.
    pub async fn begin(&self, account: &Account) -> Result<Token, Failure> {
        let token = Token::generate()?;
        let text = format!("{} {}", account.user_id.as_str(), account.id);
        self.texts.replace(&key(&token), None, &text, TTL).await?;
        audit::event("password reset begun")
            .user(account.user_id.as_str())
            .log();
        Ok(token)
    }

    /// Returns the account whose password a link can set.
    pub async fn find(&self, token: &Token) -> Result<Option<Account>, Failure> {
        let text = self.texts.get(&key(token)).await?;
        let Some((user_id, id)) = text.as_deref().and_then(|text| text.split_once(' ')) else {
            return Ok(None);
        };
        let Ok(user_id) = UserId::parse(user_id) else {
            return Ok(None);
        };
        let account = self.accounts.find(&user_id).await?;
        Ok(account.filter(|account| account.id == id))
    }

    /// Sets the password and ends all sessions, to the end even if the caller is dropped. Returns `false` if the link was used
    /// before.
    pub async fn finish(&self, token: Token, new: &SecretString) -> Result<Result<bool, AccountError>, Refused> {
        let password_hash = self.hasher.hash(new, Queue::NewPassword).await?;
        let this = self.clone();
        let job = async move { this.set_password(&token, password_hash).await };
        Ok(self.jobs.run_to_end(job).await?)
    }

    async fn set_password(&self, token: &Token, password_hash: String) -> Result<bool, AccountError> {
        let Some(mut account) = self.find(token).await? else {
            return Ok(false);
        };
        // first, so that the link still works if it fails
        self.registry.revoke_all(&account.id).await?;
        if !self.texts.remove(&key(token)).await? {
            return Ok(false);
        }
        loop {
            let changed = Account {
                password_hash: password_hash.clone(),
                ..account.clone()
            };
            if self.accounts.replace(&account, Some(&changed)).await? {
                break;
            }
            match self.accounts.find(&account.user_id).await? {
                // its password was changed meanwhile
                Some(stored) if stored.id == account.id => account = stored,
                _ => return Ok(false),
            }
        }
        audit::event("password reset").user(account.user_id.as_str()).log();
        self.attempts.forget(&Key::of_account(&account.id)).await?;
        // those of sign-ins with the old password that ended before it was replaced
        self.registry.revoke_all(&account.id).await?;
        Ok(true)
    }
}

fn key(token: &Token) -> String {
    format!("user:reset:{}", token.digest())
}
