//! Where services keep what outlives a session: the Redis of `SESSION_STORE`, or the process's own memory beside
//! `memory:`. It knows commands and failures; what is kept, and under which keys, is each service's own.

use std::sync::Arc;

use redis::{Cmd, FromRedisValue};
use shared_session::backend::redis::Connection;
use shared_session::{Settings, SettingsError};

use crate::failure::Failure;

/// Where to keep things: a service has a repository for each.
#[derive(Clone)]
pub enum Database {
    /// In the process, until it ends.
    Memory,
    /// In Redis.
    Redis(Redis),
}

/// A Redis, over a connection of its own beside that of the sessions. Cheap to clone.
#[derive(Clone)]
pub struct Redis(Arc<Connection>);

impl Database {
    /// The database that goes with the settings. Nothing is sent yet.
    pub(crate) fn open(settings: &Settings) -> Result<Self, SettingsError> {
        if settings.is_memory() {
            return Ok(Self::Memory);
        }
        Ok(Self::Redis(Redis(Arc::new(Connection::open(settings)?))))
    }
}

impl Redis {
    /// Runs a command: at most `SESSION_STORE_TIMEOUT` for it, and as much to connect where there is no connection. One
    /// whose connection was closed before it was answered is sent a second time, so it must be one that may be taken
    /// twice.
    ///
    /// # Errors
    ///
    /// [`Failure::Unavailable`] when Redis does not answer in time, or refuses.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        let answer = self.0.run(command).await;
        answer.map_err(|error| Failure::Unavailable(error.to_string()))
    }
}
