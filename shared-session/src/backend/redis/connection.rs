//! [`Connection`]: one connection to Redis for all requests of a process. It pipelines their commands and reconnects.
//!
//! It must not know what the commands are for.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError};

use super::{RedisFailure, address};
use crate::settings::{Settings, SettingsError};

/// A connection to the Redis of `SESSION_STORE`, for [`Redis`](super::Redis) and for services that store their own data
/// there.
///
/// One TCP connection carries the commands of all requests (pipelining). A command that finds it closed reconnects.
///
/// A service that stores its own data in the same Redis opens a `Connection` of its own from the same [`Settings`]. It
/// then has the same address, password and timeout, and its commands do not delay those of the sessions. Build the
/// commands with [`shared_session::redis`](redis), which is the version of the `redis` crate that this crate uses.
///
/// # Examples
///
/// ```no_run
/// use shared_session::backend::redis::{Connection, RedisFailure};
/// use shared_session::{Settings, redis};
///
/// async fn visits(connection: &Connection) -> Result<u64, RedisFailure> {
///     connection.run(redis::cmd("GET").arg("visits")).await
/// }
///
/// let connection = Connection::open(&Settings::from_env()?)?; // keep it for the life of the process
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
pub struct Connection {
    client: Client,
    config: AsyncConnectionConfig,
    current: RwLock<Option<Arc<MultiplexedConnection>>>,
    /// Held while connecting, so that concurrent requests replace a lost connection once.
    connecting: tokio::sync::Mutex<()>,
}

impl Connection {
    /// Creates a connection to the Redis of `SESSION_STORE`. Does not connect yet, so that a service can start while Redis
    /// is unreachable.
    ///
    /// `SESSION_STORE_TIMEOUT` limits connecting, and each command.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if `SESSION_STORE` is not a Redis URL, or its password cannot be read.
    pub fn open(settings: &Settings) -> Result<Self, SettingsError> {
        let timeout = settings.store_timeout();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            // more than a process has requests in flight, so that no command waits to be sent
            .set_pipeline_buffer_size(1024);
        let client = Client::open(address::connection_info(settings)?);
        let client =
            client.map_err(|error| SettingsError::new("SESSION_STORE", RedisFailure::from(error).to_string()))?;
        Ok(Self {
            client,
            config,
            current: RwLock::default(),
            connecting: tokio::sync::Mutex::default(),
        })
    }

    /// Runs a command and returns its reply.
    ///
    /// Connects again and repeats the command if the connection turns out to be closed, as it is after a restart of
    /// Redis. The command must therefore be safe to run twice. Abandons a connection on which no reply arrives in time,
    /// because a host that has disappeared closes nothing.
    ///
    /// # Errors
    ///
    /// Returns [`RedisFailure`] if Redis is unreachable, does not reply in time, or replies with an error.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisFailure> {
        loop {
            let (connection, is_new) = self.connection().await?;
            match command.query_async(&mut (*connection).clone()).await {
                Ok(reply) => return Ok(reply),
                Err(error) => {
                    if error.is_unrecoverable_error() || error.is_timeout() {
                        self.abandon(&connection);
                    }
                    if is_new || !error.is_connection_dropped() {
                        return Err(error.into());
                    }
                }
            }
        }
    }

    /// Returns the shared connection, and whether this call established it.
    async fn connection(&self) -> Result<(Arc<MultiplexedConnection>, bool), RedisError> {
        if let Some(connection) = self.current() {
            return Ok((connection, false));
        }
        let _connecting = self.connecting.lock().await;
        if let Some(connection) = self.current() {
            return Ok((connection, false));
        }
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&self.config)
            .await?;
        let connection = Arc::new(connection);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
        Ok((connection, true))
    }

    fn current(&self) -> Option<Arc<MultiplexedConnection>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Abandons a connection, unless another one has already replaced it.
    fn abandon(&self, connection: &Arc<MultiplexedConnection>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            *current = None;
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the client would show the address, which holds the password
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}
