//! Deletes an account with everything that the services keep for its user.

use std::sync::Arc;

use service_kit::user_data::UserData;
use service_kit::{Failure, Jobs, Resources, audit};
use shared_session::{Error, Registry};

use crate::account::AccountId;
use crate::accounts::AccountRepository;
use crate::attempts::Attempts;

/// Deletes accounts.
#[derive(Clone)]
pub struct Deletion {
    accounts: Arc<dyn AccountRepository>,
    attempts: Attempts,
    registry: Registry,
    user_data: UserData,
    jobs: Jobs,
}

/// Why an account, or some of its data, was not deleted. The deletion can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
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

    /// Revokes all sessions of the user, deletes their data in all services, and then the account. Returns whether there was
    /// an account.
    ///
    /// The account goes last, so that its owner can try again if something fails. The deletion runs to its end even if the
    /// caller is dropped.
    pub async fn delete(&self, id: &AccountId) -> Result<bool, DeletionError> {
        let (this, id) = (self.clone(), id.clone());
        self.jobs.run_to_end(async move { this.delete_all(&id).await }).await?
    }

    async fn delete_all(&self, id: &AccountId) -> Result<bool, DeletionError> {
        self.registry.revoke_all(id.as_str()).await?;
        self.user_data.delete(id.as_str()).await?;
        self.attempts.forget(id).await?;
        let existed = self.accounts.delete(id).await?;
        if existed {
            audit::event("account deleted").user(id.as_str()).log();
        }
        // sessions that began meanwhile
        self.registry.revoke_all(id.as_str()).await?;
        Ok(existed)
    }
}
