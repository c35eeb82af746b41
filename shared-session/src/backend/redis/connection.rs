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
use super::replication::Replication;
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
    /// The connections for changes, if replicas must confirm them.
    confirmed: Option<Confirmed>,
}

/// How many replicas must confirm a change, and the connections that wait for them.
struct Confirmed {
    replicas: u32,
    threads: ThreadLocal<ThreadConnection>,
}

/// The connection of one thread.
#[derive(Default)]
struct ThreadConnection {
    current: Mutex<Option<Arc<Established>>>,
    /// Held while connecting, so that concurrent requests replace a lost connection once.
    connecting: tokio::sync::Mutex<()>,
}

struct Established {
    link: Link,
    replication: Replication,
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
            confirmed: (settings.store_replicas() > 0).then(|| Confirmed {
                replicas: settings.store_replicas(),
                threads: ThreadLocal::new(),
            }),
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
        self.run_on(&self.threads, command, 0).await
    }

    /// Runs a command that changes data, as [`run`](Self::run) does, and waits until `SESSION_STORE_REPLICAS` replicas have
    /// the change.
    ///
    /// # Errors
    ///
    /// Returns [`RedisFailure`] as [`run`](Self::run) does, and if fewer replicas confirm the change in the same time. The
    /// change is then applied, but a fail-over may lose it.
    pub async fn write<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisFailure> {
        match &self.confirmed {
            None => self.run(command).await,
            Some(Confirmed { replicas, threads }) => self.run_on(threads, command, *replicas).await,
        }
    }

    async fn run_on<T: FromRedisValue>(
        &self,
        threads: &ThreadLocal<ThreadConnection>,
        command: &Cmd,
        replicas: u32,
    ) -> Result<T, RedisFailure> {
        let thread = threads.get_or_default();
        loop {
            let (connection, is_new) = self.connect(thread).await?;
            let deadline = Instant::now() + self.reply_timeout;
            let reply = until(deadline, connection.run(command, replicas, deadline)).await;
            let failure = match reply.unwrap_or_else(|| Err(RedisFailure::no_reply())) {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            if connection.link.is_ended_by(&failure) {
                thread.abandon(&connection);
            }
            if is_new || !failure.may_be_repeated() {
                return Err(failure);
            }
        }
    }

    /// Returns the thread's connection, and whether this call established it.
    async fn connect(&self, thread: &ThreadConnection) -> Result<(Arc<Established>, bool), RedisFailure> {
        if let Some(connection) = thread.current() {
            return Ok((connection, false));
        }
        let _connecting = thread.connecting.lock().await;
        if let Some(connection) = thread.current() {
            return Ok((connection, false));
        }
        let deadline = Instant::now() + self.timeout;
        let link = until(deadline, self.connector.connect(deadline)).await;
        let connection = Arc::new(Established {
            link: link.ok_or_else(RedisFailure::no_reply)??,
            replication: Replication::default(),
        });
        *thread.lock() = Some(connection.clone());
        Ok((connection, true))
    }
}

impl Established {
    /// Runs a command, and waits until `replicas` replicas have what it changed.
    async fn run<T: FromRedisValue>(&self, command: &Cmd, replicas: u32, deadline: Instant) -> Result<T, RedisFailure> {
        let mut link = self.link.clone();
        let reply = command.query_async(&mut link).await?;
        if replicas > 0 {
            // a moment earlier, so that a missing confirmation does not look like a missing reply
            let deadline = deadline - deadline.saturating_duration_since(Instant::now()) / 10;
            self.replication.confirm(&mut link, replicas, deadline).await?;
        }
        Ok(reply)
    }
}

impl ThreadConnection {
    fn current(&self) -> Option<Arc<Established>> {
        let mut current = self.lock();
        current.take_if(|connection| connection.link.is_superseded());
        current.clone()
    }

    /// Abandons a connection, unless another one has already replaced it.
    fn abandon(&self, connection: &Arc<Established>) {
        self.lock().take_if(|current| Arc::ptr_eq(current, connection));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Established>>> {
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
