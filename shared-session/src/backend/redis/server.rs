//! [`Server`]: the connections of a process to one server, one for each thread. They pipeline commands and reconnect.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::ConnectionLike;
use redis::{Cmd, RedisError, Value};
use thread_local::ThreadLocal;
use tokio::time::Instant;

use super::RedisFailure;
use super::connector::{Connector, Link, Pushes};
use super::inspection::Inspection;
use super::replication::Replication;
use super::silence::Silence;
use crate::timeout::until;

/// The connections to one server.
pub(super) struct Server {
    connector: Connector,
    timeouts: Timeouts,
    silence: Arc<Silence>,
    inspection: Arc<Inspection>,
    threads: ThreadLocal<ThreadConnection>,
    /// The connections for changes, if replicas must confirm them.
    confirmed: Option<Confirmed>,
}

/// How long a command waits.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    /// For a connection, if there is none.
    pub connect: Duration,
    /// For the reply.
    pub reply: Duration,
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// No change that replicas must confirm. It is safe to run twice.
    Read,
    /// A change that is safe to run twice.
    Write,
    /// A change that is not safe to run twice. It fails if its reply is lost.
    WriteOnce,
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
    since: Instant,
    replication: Replication,
    /// When the last reply arrived, or when it was established.
    last_reply: Mutex<Instant>,
}

impl Server {
    /// Creates the connections to a server whose changes `replicas` replicas must confirm. Does not connect yet.
    ///
    /// If a command gets no reply, all connections with the same name are suspect: see [`Silence`].
    pub fn new(
        name: &str,
        connector: Connector,
        timeouts: Timeouts,
        replicas: u32,
        inspection: Arc<Inspection>,
    ) -> Self {
        Self {
            connector,
            timeouts,
            silence: Silence::of(name),
            inspection,
            threads: ThreadLocal::new(),
            confirmed: (replicas > 0).then(|| Confirmed {
                replicas,
                threads: ThreadLocal::new(),
            }),
        }
    }

    /// Returns whether changes wait for replicas.
    pub fn waits_for_replicas(&self) -> bool {
        self.confirmed.is_some()
    }

    /// Runs a command and returns its reply. `asking` sends `ASKING` first: the node then serves a slot that it is about to
    /// store.
    ///
    /// Connects again and repeats the command if the connection is closed, as after a restart of Redis, or leads to a replica,
    /// as after a fail-over. Abandons a connection if no reply to any command arrives in time, because a host that has
    /// disappeared closes nothing. If other replies arrive, only this command is slow, and the others must not fail with it.
    ///
    /// Replaces a connection for changes if the one for reads is newer: a request reads first, which shows that the server
    /// closed its connections. A change that meets a closed connection may fail, because it is not always repeated.
    pub async fn run(&self, command: &Cmd, effect: Effect, asking: bool) -> Result<Value, RedisFailure> {
        let (threads, replicas) = match &self.confirmed {
            Some(Confirmed { replicas, threads }) if effect != Effect::Read => (threads, *replicas),
            _ => (&self.threads, 0),
        };
        let thread = threads.get_or_default();
        loop {
            if replicas > 0
                && let Some(reads) = self.threads.get().and_then(|reads| reads.current(&self.silence))
            {
                thread.current.lock().take_if(|changes| changes.since < reads.since);
            }
            let (connection, is_new) = self.connection(thread).await?;
            let in_flight = InFlight {
                silence: &self.silence,
                thread,
                connection: &connection,
                began: Instant::now(),
                patience: self.timeouts.reply / 2,
            };
            let deadline = in_flight.began + self.timeouts.reply;
            // pinned here, so that `until` does not copy it
            let sent = pin!(send(&connection.link, command, asking));
            let Some(reply) = until(deadline, sent).await else {
                return Err(RedisFailure::no_reply().of_sent_command(command));
            };
            connection.note_reply();
            let result = match reply {
                Ok(reply) if replicas == 0 => Ok(reply),
                Ok(reply) => Box::pin(connection.confirm(replicas, deadline)).await.map(|()| reply),
                Err(error) => Err(error.into()),
            };
            let failure = match result {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure.of_sent_command(command),
            };
            if failure.ends_connection() {
                thread.abandon(&connection);
            }
            let is_safe = effect != Effect::WriteOnce || !failure.may_have_run();
            if is_new || !is_safe || !failure.may_be_repeated() {
                return Err(failure);
            }
        }
    }

    /// Establishes a connection that gets pushes. Returns it, how long a command waits for its reply, and where a missing reply is
    /// noted.
    pub async fn link(&self, pushes: &Pushes) -> Result<(Link, Duration, Arc<Silence>), RedisFailure> {
        let link = self.connect_for(Some(pushes)).await?;
        Ok((link, self.timeouts.reply, self.silence.clone()))
    }

    async fn connect_for(&self, pushes: Option<&Pushes>) -> Result<Link, RedisFailure> {
        let deadline = Instant::now() + self.timeouts.connect;
        let link = until(deadline, self.connector.connect(pushes, deadline)).await;
        Ok(link.ok_or_else(RedisFailure::no_reply)??)
    }

    /// Returns the thread's connection, and whether this call established it.
    async fn connection(&self, thread: &ThreadConnection) -> Result<(Arc<Established>, bool), RedisFailure> {
        match thread.current(&self.silence) {
            Some(connection) => Ok((connection, false)),
            // it takes kilobytes, for which commands on a connection should not have room
            None => Box::pin(self.connect(thread)).await,
        }
    }

    /// Connects, unless another request does so at the same time.
    async fn connect(&self, thread: &ThreadConnection) -> Result<(Arc<Established>, bool), RedisFailure> {
        let _connecting = thread.connecting.lock().await;
        if let Some(connection) = thread.current(&self.silence) {
            return Ok((connection, false));
        }
        let link = self.connect_for(None).await?;
        self.inspection.begin(link.clone());
        let since = Instant::now();
        let connection = Arc::new(Established {
            link,
            since,
            replication: Replication::default(),
            last_reply: Mutex::new(since),
        });
        *thread.current.lock() = Some(connection.clone());
        Ok((connection, true))
    }
}

impl Established {
    /// Waits until `replicas` replicas have what the last command changed.
    async fn confirm(&self, replicas: u32, deadline: Instant) -> Result<(), RedisFailure> {
        let mut link = self.link.clone();
        self.replication.confirm(&mut link, replicas, deadline).await?;
        // the replica that confirmed it may follow a server that is not the primary any more
        if link.is_superseded() {
            return Err(RedisFailure::unconfirmed());
        }
        Ok(())
    }

    fn note_reply(&self) {
        *self.last_reply.lock() = Instant::now();
    }

    fn last_reply(&self) -> Instant {
        *self.last_reply.lock()
    }
}

/// A command that waits for its reply. Dropping it after a long wait abandons the connection if no reply to any command
/// arrived meanwhile.
struct InFlight<'a> {
    silence: &'a Silence,
    thread: &'a ThreadConnection,
    connection: &'a Arc<Established>,
    began: Instant,
    patience: Duration,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.connection.last_reply() <= self.began && self.began.elapsed() >= self.patience {
            self.silence.note(self.began);
            self.thread.abandon(self.connection);
        }
    }
}

impl ThreadConnection {
    /// Returns the connection, unless it is known or suspected to be of no use.
    fn current(&self, silence: &Silence) -> Option<Arc<Established>> {
        let mut current = self.current.lock();
        current.take_if(|connection| connection.link.is_superseded() || silence.is_after(|| connection.last_reply()));
        current.clone()
    }

    /// Abandons a connection, unless another one has already replaced it.
    fn abandon(&self, connection: &Arc<Established>) {
        self.current.lock().take_if(|current| Arc::ptr_eq(current, connection));
    }
}

/// Sends a command, and returns its reply.
async fn send(link: &Link, command: &Cmd, asking: bool) -> Result<Value, RedisError> {
    let mut link = link.clone();
    if asking {
        return Box::pin(send_asking(link, command)).await;
    }
    link.req_packed_command(command).await?.extract_error()
}

/// Sends `ASKING` and a command together, so that no other command of this connection comes between them.
async fn send_asking(mut link: Link, command: &Cmd) -> Result<Value, RedisError> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("ASKING").add_command(command.clone());
    let replies = link.req_packed_commands(&pipeline, 0, 2).await?;
    let replies = replies.into_iter().map(Value::extract_error);
    let replies = replies.collect::<Result<Vec<_>, _>>()?;
    Ok(replies.into_iter().next_back().unwrap_or(Value::Nil))
}
