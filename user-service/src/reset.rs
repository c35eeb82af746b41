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
use crate::token::{Token, digest};

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

    /// Returns the token of a new link. The link replaces the present password alone. The store holds only digests of both.
    pub async fn begin(&self, account: &Account) -> Result<Token, Failure> {
        let token = Token::generate()?;
        let text = format!("{} {}", account.user_id.as_str(), purpose(account));
        self.texts.replace(&key(&token), None, &text, TTL).await?;
        audit::event("password reset begun")
            .user(account.user_id.as_str())
            .log();
        Ok(token)
    }

    /// Returns the account whose password a link can set.
    pub async fn find(&self, token: &Token) -> Result<Option<Account>, Failure> {
        let text = self.texts.get(&key(token)).await?;
        let Some((user_id, stored_purpose)) = text.as_deref().and_then(|text| text.split_once(' ')) else {
            return Ok(None);
        };
        let Ok(user_id) = UserId::parse(user_id) else {
            return Ok(None);
        };
        let account = self.accounts.find(&user_id).await?;
        Ok(account.filter(|account| purpose(account) == stored_purpose))
    }

    /// Sets the password and ends all sessions, to the end even if the caller is dropped. Returns `false` if the link was used
    /// before, or if the password has been changed since it was made.
    pub async fn finish(&self, token: Token, new: &SecretString) -> Result<Result<bool, AccountError>, Refused> {
        let password_hash = self.hasher.hash(new, Queue::NewPassword).await?;
        let this = self.clone();
        let job = async move { this.set_password(&token, password_hash).await };
        Ok(self.jobs.run_to_end(job).await?)
    }

    async fn set_password(&self, token: &Token, password_hash: String) -> Result<bool, AccountError> {
        let Some(account) = self.find(token).await? else {
            return Ok(false);
        };
        // first, so that the link still works if it fails
        self.registry.revoke_all(&account.id).await?;
        let changed = Account {
            password_hash,
            ..account.clone()
        };
        // the link is for the old password, so one request can use it, and it stays usable if this fails
        if !self.accounts.replace(&account, Some(&changed)).await? {
            return Ok(false);
        }
        audit::event("password reset").user(account.user_id.as_str()).log();
        self.attempts.forget(&Key::of_account(&account.id)).await?;
        // those of sign-ins with the old password that ended before it was replaced
        self.registry.revoke_all(&account.id).await?;
        Ok(true)
    }
}

/// Returns what a link is for: the account, as long as it has its present password.
fn purpose(account: &Account) -> String {
    format!("{} {}", account.id, digest(&account.password_hash))
}

fn key(token: &Token) -> String {
    format!("user:reset:{}", token.digest())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use service_kit::database::Database;
    use shared_session::{SessionManager, Settings};

    use super::*;
    use crate::{accounts, texts};

    /// Accounts whose first replacement fails.
    struct FailsOnce {
        accounts: Arc<dyn AccountRepository>,
        has_failed: AtomicBool,
    }

    #[async_trait]
    impl AccountRepository for FailsOnce {
        async fn find(&self, id: &UserId) -> Result<Option<Account>, Failure> {
            self.accounts.find(id).await
        }

        async fn create(&self, account: &Account) -> Result<bool, Failure> {
            self.accounts.create(account).await
        }

        async fn replace(&self, old: &Account, new: Option<&Account>) -> Result<bool, Failure> {
            if !self.has_failed.swap(true, Ordering::SeqCst) {
                return Err(Failure::Unavailable("no reply".to_owned()));
            }
            self.accounts.replace(old, new).await
        }
    }

    #[actix_web::test]
    async fn link_works_again_if_the_password_could_not_be_stored() {
        let accounts = accounts::open(&Database::Memory);
        let anna = Account {
            id: "account-of-anna".to_owned(),
            user_id: UserId::parse("anna").unwrap(),
            name: "Anna".to_owned(),
            password_hash: "forgotten".to_owned(),
            created: 0,
            registration: None,
        };
        assert!(accounts.create(&anna).await.unwrap());
        let texts = texts::open(&Database::Memory);
        let resets = Resets {
            accounts: Arc::new(FailsOnce {
                accounts,
                has_failed: AtomicBool::new(false),
            }),
            attempts: Attempts::new(texts.clone()),
            texts,
            hasher: Hasher::default(),
            registry: SessionManager::new(&Settings::default()).unwrap().registry(),
            jobs: Jobs::of_this_runtime(),
        };
        let token = resets.begin(&anna).await.unwrap();
        let new = SecretString::from("battery staple");
        let failed = resets.finish(token.clone(), &new).await.unwrap();
        assert!(matches!(failed, Err(AccountError::Database(_))));
        for works in [true, false] {
            assert_eq!(resets.find(&token).await.unwrap().is_some(), works);
            assert_eq!(resets.finish(token.clone(), &new).await.unwrap().unwrap(), works);
        }
    }
}
