//! Deletes an account with everything that the services keep for its user.

use std::sync::Arc;

use service_kit::user_data::UserData;
use service_kit::{Failure, Jobs, Resources, audit};
use shared_session::{Error, Registry};

use crate::account::Account;
use crate::accounts::AccountRepository;
use crate::attempts::{Attempts, Key};

/// Deletes accounts.
#[derive(Clone)]
pub struct Deletion {
    accounts: Arc<dyn AccountRepository>,
    attempts: Attempts,
    registry: Registry,
    user_data: UserData,
    jobs: Jobs,
}

/// Why something was not done with an account, its data or its sessions, or not all of it. It can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Failure),
    /// The session store failed.
    #[error(transparent)]
    Sessions(#[from] Error),
}

impl Deletion {
    /// Creates the deletion of these accounts.
    pub fn new(accounts: Arc<dyn AccountRepository>, attempts: Attempts, resources: &Resources) -> Self {
        Self {
            accounts,
            attempts,
            registry: resources.sessions.registry(),
            user_data: resources.user_data.clone(),
            jobs: resources.jobs.clone(),
        }
    }

    /// Revokes all sessions of an account, deletes its data in all services, and then the account. Does so to the end even if
    /// the caller is dropped.
    ///
    /// The account goes last, so that its owner can try again if something fails.
    pub async fn delete(&self, account: Account) -> Result<(), AccountError> {
        let this = self.clone();
        self.jobs
            .run_to_end(async move { this.delete_all(account).await })
            .await?
    }

    async fn delete_all(&self, account: Account) -> Result<(), AccountError> {
        self.registry.revoke_all(&account.id).await?;
        self.user_data.delete(&account.id).await?;
        self.attempts.forget(&Key::of_account(&account.id)).await?;
        let mut stored = account.clone();
        while !self.accounts.replace(&stored, None).await? {
            match self.accounts.find(&account.user_id).await? {
                // only its password was changed
                Some(changed) if changed.id == account.id => stored = changed,
                _ => break,
            }
        }
        audit::event("account deleted").user(account.user_id.as_str()).log();
        // those of sign-ins that ended before the account was deleted; a later one ends its session itself
        self.registry.revoke_all(&account.id).await?;
        // what a request in flight stored
        self.user_data.delete(&account.id).await?;
        Ok(())
    }
}
