//! The one connection to Redis that all requests of a process share, over which commands are pipelined; one that breaks,
//! or no longer answers, is made anew by the next command. It knows commands, and nothing of what they are for.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, RedisError};

/// A connection to Redis, for the backend here and for a service that keeps more than sessions there.
pub struct Connection {
    client: Client,
    config: AsyncConnectionConfig,
    current: RwLock<Option<Arc<MultiplexedConnection>>>,
    /// Held while connecting, so that a lost connection is made anew once and not by every request.
    connecting: tokio::sync::Mutex<()>,
}

impl Connection {
    /// A connection to a `redis://` URL, or to what was made of one. Nothing is sent yet.
    ///
    /// `timeout` bounds the connecting and every command.
    ///
    /// # Errors
    ///
    /// When the URL is none.
    pub fn new(address: impl IntoConnectionInfo, timeout: Duration) -> Result<Self, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            // more than the requests a process has under way at once, so none waits to be sent
            .set_pipeline_buffer_size(1024);
        Ok(Self {
            client: Client::open(address)?,
            config,
            current: RwLock::default(),
            connecting: tokio::sync::Mutex::default(),
        })
    }

    /// Runs a command. A connection that turns out to be closed (Redis was restarted) is made anew and the command is
    /// sent again, so it must be one that may be taken twice. One that does not answer in time is given up, as a host
    /// that is gone closes nothing.
    ///
    /// # Errors
    ///
    /// When Redis cannot be reached, does not answer in time, or answers with an error.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        loop {
            let (connection, fresh) = self.connection().await?;
            match command.query_async(&mut (*connection).clone()).await {
                Ok(value) => return Ok(value),
                Err(error) => {
                    if error.is_unrecoverable_error() || error.is_timeout() {
                        self.give_up(&connection);
                    }
                    if fresh || !error.is_connection_dropped() {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// The shared connection, and whether it was made just now.
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

    /// Gives up a connection, unless another one has taken its place.
    fn give_up(&self, connection: &Arc<MultiplexedConnection>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            *current = None;
        }
    }
}

/// An error in words for the log. Redis quotes arguments in some of them, and an argument may be a record or a key, so
/// of what the server says only the code is kept.
#[must_use]
pub fn describe(error: &RedisError) -> String {
    match error.code() {
        Some(code) => code.to_owned(),
        None => error.to_string(),
    }
}
