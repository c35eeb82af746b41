//! Where services keep what outlives a session: the Redis of `SESSION_STORE`, or the process's own memory beside
//! `memory:`. It knows commands and failures; what is kept, and under which keys, is each service's own.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, FromRedisValue, RedisError};
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

/// A Redis, over one connection that is made when it is first needed, and made anew when it is lost.
#[derive(Clone)]
pub struct Redis(ConnectionManager);

/// A connection that is lost is tried again this soon; then the request is answered.
const RETRY: Duration = Duration::from_millis(50);

impl Database {
    /// The database that goes with the settings. Nothing is sent yet. Within a runtime.
    pub(crate) fn open(settings: &Settings) -> Result<Self, SettingsError> {
        if settings.is_memory() {
            return Ok(Self::Memory);
        }
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(settings.store_timeout))
            .set_response_timeout(Some(settings.store_timeout))
            .set_number_of_retries(1)
            .set_min_delay(RETRY)
            .set_max_delay(RETRY);
        let client = Client::open(settings.connection_info()?);
        let manager = client.and_then(|client| ConnectionManager::new_lazy_with_config(client, config));
        // the settings were understood, so there is nothing left in them that could be wrong
        manager
            .map(|manager| Self::Redis(Redis(manager)))
            .map_err(|error| SettingsError::store(&error.to_string()))
    }
}

impl Redis {
    /// Runs a command. One whose connection was closed before it was answered is sent a second time, so it must be one
    /// that may be taken twice.
    ///
    /// # Errors
    ///
    /// [`Failure::Unavailable`] when Redis does not answer in time, or refuses.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        let mut connection = self.0.clone();
        match command.query_async(&mut connection).await {
            Err(error) if error.is_connection_dropped() => command.query_async(&mut connection).await,
            answer => answer,
        }
        .map_err(|error| Failure::Unavailable(describe(&error)))
    }
}

/// An error in words. Redis quotes arguments in some of them, so of what the server says only the code is kept.
fn describe(error: &RedisError) -> String {
    match error.code() {
        Some(code) => code.to_owned(),
        None => error.to_string(),
    }
}
