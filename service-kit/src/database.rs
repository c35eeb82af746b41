//! The database for data that outlives sessions: the Redis of `SESSION_STORE`, or the memory of the process. Each
//! service has its own keys and records.

use std::sync::Arc;

use redis::{Cmd, FromRedisValue};
use shared_session::backend::redis::Connection;
use shared_session::{Settings, SettingsError};

use crate::failure::Failure;

/// A database. A service has a repository for each kind.
#[derive(Clone)]
pub enum Database {
    /// The memory of the process.
    Memory,
    /// A Redis.
    Redis(Redis),
}

/// A Redis, over its own connection, apart from that of the sessions. Cheap to clone.
#[derive(Clone)]
pub struct Redis(Arc<Connection>);

impl Database {
    /// Returns the database that the settings name, and sends nothing yet.
    pub(crate) fn open(settings: &Settings) -> Result<Self, SettingsError> {
        if settings.is_memory() {
            return Ok(Self::Memory);
        }
        Ok(Self::Redis(Redis(Arc::new(Connection::open(settings)?))))
    }
}

impl Redis {
    /// Runs a command. Waits at most `SESSION_STORE_TIMEOUT` for the reply, and as long for a connection if there is
    /// none. Sends the command again if the connection is closed before the reply, so it must be safe to run twice.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unavailable`] if Redis does not reply in time, or replies with an error.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        let reply = self.0.run(command).await;
        reply.map_err(|failure| Failure::Unavailable(failure.to_string()))
    }

    /// Runs a command that changes data, as [`run`](Self::run) does, and waits until `SESSION_STORE_REPLICAS` replicas have
    /// the change.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unavailable`] as [`run`](Self::run) does, and if fewer replicas confirm the change in time.
    pub async fn write<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        let reply = self.0.write(command).await;
        reply.map_err(|failure| Failure::Unavailable(failure.to_string()))
    }
}
