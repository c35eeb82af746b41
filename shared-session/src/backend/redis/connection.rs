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
/// thread that is blocked keeps nobody else waiting. A command that finds its connection closed reconnects. If
/// `SESSION_STORE_REPLICAS` is more than 0, each thread has one more connection, for changes.
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
    connect_timeout: Duration,
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

/// A connection, and which of its changes replicas have.
struct Established {
    link: Link,
    replication: Replication,
    /// When the last reply arrived.
    last_reply: Mutex<Option<Instant>>,
}

impl Connection {
    /// Creates a connection to the Redis of `SESSION_STORE`. Does not connect yet, so that a service can start while Redis
    /// is unreachable.
    ///
    /// `SESSION_STORE_TIMEOUT` limits connecting, and each command.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if `SESSION_STORE` is not a URL of Redis, if a file that the settings name cannot be read or
    /// is invalid, or if the settings contradict each other.
    pub fn open(settings: &Settings) -> Result<Self, SettingsError> {
        let timeout = settings.store_timeout();
        Ok(Self {
            connector: Connector::new(settings)?,
            connect_timeout: timeout,
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
    /// Abandons a connection if no reply to any command arrives in time, because a host that has disappeared closes nothing.
    /// If other replies arrive, only this command is slow, and the commands of other requests must not fail with it.
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
            let waiting = Waiting {
                thread,
                connection: &connection,
                began: Instant::now(),
                patience: self.reply_timeout / 2,
            };
            let deadline = waiting.began + self.reply_timeout;
            let Some(reply) = until(deadline, command.query_async(&mut connection.link.clone())).await else {
                return Err(RedisFailure::no_reply());
            };
            std::mem::forget(waiting);
            connection.note_reply();
            let result = match reply {
                Ok(reply) => connection.confirm(replicas, deadline).await.map(|()| reply),
                Err(error) => Err(error.into()),
            };
            let failure = match result {
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
        let deadline = Instant::now() + self.connect_timeout;
        let link = until(deadline, self.connector.connect(deadline)).await;
        let connection = Arc::new(Established {
            link: link.ok_or_else(RedisFailure::no_reply)??,
            replication: Replication::default(),
            last_reply: Mutex::default(),
        });
        *thread.lock() = Some(connection.clone());
        Ok((connection, true))
    }
}

impl Established {
    /// Waits until `replicas` replicas have what the last command changed.
    async fn confirm(&self, replicas: u32, deadline: Instant) -> Result<(), RedisFailure> {
        if replicas == 0 {
            return Ok(());
        }
        self.replication
            .confirm(&mut self.link.clone(), replicas, deadline)
            .await
    }

    fn note_reply(&self) {
        *self.last_reply.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Returns whether the server lives, because a reply arrived after this time. Of a cluster, another server may live.
    fn has_replied_since(&self, time: Instant) -> bool {
        let last = *self.last_reply.lock().unwrap_or_else(PoisonError::into_inner);
        self.link.is_of_one_server() && last.is_some_and(|last| last > time)
    }
}

/// A command that waits for its reply. Dropping it after a long wait abandons the connection, if no reply to any other
/// command arrived meanwhile: its own did not, or its request had less time left than the reply.
struct Waiting<'a> {
    thread: &'a ThreadConnection,
    connection: &'a Arc<Established>,
    began: Instant,
    patience: Duration,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.began.elapsed() >= self.patience && !self.connection.has_replied_since(self.began) {
            self.thread.abandon(self.connection);
        }
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
