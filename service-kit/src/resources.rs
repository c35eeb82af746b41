//! What a process has one of, however many workers serve: its sessions and its database. Routes are made from it.

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use shared_session::{SessionManager, Settings, SettingsError};

use crate::database::Database;

/// What the routes of a service may use, made before anything is bound.
#[derive(Clone)]
pub struct Resources {
    /// The sessions: for the registry of who is signed in where.
    pub sessions: SessionManager,
    /// Where a service keeps what outlives sessions.
    pub database: Database,
}

impl Resources {
    pub(crate) fn open(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            sessions: SessionManager::new(settings)?,
            database: Database::open(settings)?,
        })
    }
}

/// A service's routes, with all that they hold on to.
#[derive(Clone)]
pub struct Routes(Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>);

impl Routes {
    /// Routes as `add` adds them, once for each worker thread. What workers share is made before and moved into it.
    pub fn new(add: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        Self(Arc::new(add))
    }

    /// Adds the routes.
    pub fn add(&self, config: &mut ServiceConfig) {
        (self.0)(config);
    }
}
