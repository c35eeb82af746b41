//! [`Connection`]: the connections of a process to Redis, one for each thread. They pipeline commands and reconnect.
//!
//! It must not know what the commands are for.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue};
use thread_local::ThreadLocal;
use tokio::time::Instant;

use super::{RedisFailure, address};
use crate::settings::{Settings, SettingsError};
use crate::timeout::until;

/// A connection to the Redis of `SESSION_STORE`, for [`Redis`](super::Redis) and for services that store their own data
/// there.
///
/// Each thread that runs commands has one TCP connection, which carries the commands of all its requests (pipelining): so a
/// thread that is blocked keeps nobody else waiting. A command that finds its connection closed reconnects.
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
    connect_timeout: Duration,
    reply_timeout: Duration,
    threads: ThreadLocal<ThreadConnection>,
}

/// The connection of one thread.
#[derive(Default)]
struct ThreadConnection {
    current: Mutex<Option<Arc<MultiplexedConnection>>>,
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
            // the client's own timeouts fire after a stall of this process, before it reads a reply that arrived
            .set_connection_timeout(None)
            .set_response_timeout(None)
            // more than a process has requests in flight, so that no command waits to be sent
            .set_pipeline_buffer_size(1024);
        let client = Client::open(address::connection_info(settings)?);
        let client =
            client.map_err(|error| SettingsError::new("SESSION_STORE", RedisFailure::from(error).to_string()))?;
        Ok(Self {
            client,
            config,
            connect_timeout: timeout,
            // less than a request waits: so the first request without a reply abandons the connection
            reply_timeout: timeout * 4 / 5,
            threads: ThreadLocal::new(),
        })
    }

    /// Runs a command and returns its reply.
    ///
    /// Connects again and repeats the command if the connection turns out to be closed, as it is after a restart of
    /// Redis, or if it leads to a replica, as it does after a fail-over. The command must therefore be safe to run twice.
    /// Abandons a connection on which no reply arrives in time, because a host that has disappeared closes nothing.
    ///
    /// # Errors
    ///
    /// Returns [`RedisFailure`] if Redis is unreachable, does not reply within 4/5 of `SESSION_STORE_TIMEOUT`, or replies
    /// with an error.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisFailure> {
        let thread = self.threads.get_or_default();
        loop {
            let (connection, is_new) = self.connect(thread).await?;
            let waiting = Waiting {
                thread,
                connection: &connection,
                began: Instant::now(),
                patience: self.reply_timeout / 2,
            };
            let deadline = waiting.began + self.reply_timeout;
            let Some(reply) = until(deadline, command.query_async(&mut (*connection).clone())).await else {
                return Err(RedisFailure::no_reply());
            };
            std::mem::forget(waiting);
            let failure = match reply {
                Ok(reply) => return Ok(reply),
                Err(error) => RedisFailure::from(error),
            };
            if failure.ends_connection() {
                thread.abandon(&connection);
            }
            if is_new || !failure.may_be_repeated() {
                return Err(failure);
            }
        }
    }

    /// Returns the thread's connection, and whether this call established it.
    async fn connect(&self, thread: &ThreadConnection) -> Result<(Arc<MultiplexedConnection>, bool), RedisFailure> {
        if let Some(connection) = thread.current() {
            return Ok((connection, false));
        }
        let _connecting = thread.connecting.lock().await;
        if let Some(connection) = thread.current() {
            return Ok((connection, false));
        }
        let connection = self.client.get_multiplexed_async_connection_with_config(&self.config);
        let connection = until(Instant::now() + self.connect_timeout, connection).await;
        let connection = Arc::new(connection.ok_or_else(RedisFailure::no_reply)??);
        *thread.lock() = Some(connection.clone());
        Ok((connection, true))
    }
}

/// A command that waits for its reply. Dropping it after a long wait abandons the connection: if no reply arrived, or if
/// its request had less time left than the reply.
struct Waiting<'a> {
    thread: &'a ThreadConnection,
    connection: &'a Arc<MultiplexedConnection>,
    began: Instant,
    patience: Duration,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.began.elapsed() >= self.patience {
            self.thread.abandon(self.connection);
        }
    }
}

impl ThreadConnection {
    fn current(&self) -> Option<Arc<MultiplexedConnection>> {
        self.lock().clone()
    }

    /// Abandons a connection, unless another one has already replaced it.
    fn abandon(&self, connection: &Arc<MultiplexedConnection>) {
        self.lock().take_if(|current| Arc::ptr_eq(current, connection));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<MultiplexedConnection>>> {
        // no operation leaves it half changed
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the client would show the address, which holds the password
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}
