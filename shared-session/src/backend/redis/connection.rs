//! [`Connection`]: the connections of a process to Redis, one for each thread. They pipeline commands and reconnect.
//!
//! It must not know what the commands are for.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, FromRedisValue};
use thread_local::ThreadLocal;
use tokio::time::Instant;

use super::RedisFailure;
use super::connector::{Connector, Link};
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
    connector: Connector,
    timeout: Duration,
    reply_timeout: Duration,
    threads: ThreadLocal<ThreadConnection>,
}

/// The connection of one thread.
#[derive(Default)]
struct ThreadConnection {
    current: Mutex<Option<Arc<Link>>>,
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
        Ok(Self {
            connector: Connector::new(settings)?,
            timeout,
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
            let (link, is_new) = self.connect(thread).await?;
            let deadline = Instant::now() + self.reply_timeout;
            let failure = match until(deadline, command.query_async(&mut (*link).clone())).await {
                Some(Ok(reply)) => return Ok(reply),
                Some(Err(error)) => RedisFailure::from(error),
                None => RedisFailure::no_reply(),
            };
            if link.is_ended_by(&failure) {
                thread.abandon(&link);
            }
            if is_new || !failure.may_be_repeated() {
                return Err(failure);
            }
        }
    }

    /// Returns the thread's connection, and whether this call established it.
    async fn connect(&self, thread: &ThreadConnection) -> Result<(Arc<Link>, bool), RedisFailure> {
        if let Some(link) = thread.current() {
            return Ok((link, false));
        }
        let _connecting = thread.connecting.lock().await;
        if let Some(link) = thread.current() {
            return Ok((link, false));
        }
        let deadline = Instant::now() + self.timeout;
        let link = until(deadline, self.connector.connect(deadline)).await;
        let link = Arc::new(link.ok_or_else(RedisFailure::no_reply)??);
        *thread.lock() = Some(link.clone());
        Ok((link, true))
    }
}

impl ThreadConnection {
    fn current(&self) -> Option<Arc<Link>> {
        let mut current = self.lock();
        current.take_if(|link| link.is_superseded());
        current.clone()
    }

    /// Abandons a connection, unless another one has already replaced it.
    fn abandon(&self, link: &Arc<Link>) {
        self.lock().take_if(|current| Arc::ptr_eq(current, link));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Link>>> {
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
