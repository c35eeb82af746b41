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
use super::connector::{Connector, Link};
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

/// A command, and how to send it.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub command: &'a Cmd,
    pub effect: Effect,
    /// Whether `ASKING` precedes it, so that a node serves it that is about to store its slot.
    pub asking: bool,
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
    /// Connections with the same name are suspect together if a command gets no reply.
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

    /// Runs a command and returns its reply.
    ///
    /// Connects again and repeats the command if the connection turns out to be closed, as it is after a restart of
    /// Redis, or if it leads to a replica, as it does after a fail-over. Abandons a connection if no reply to any command
    /// arrives in time, because a host that has disappeared closes nothing. If other replies arrive, only this command is
    /// slow, and the commands of other requests must not fail with it. Replaces the connections of other threads before
    /// they are used, if they have had no reply either since that command was sent.
    ///
    /// A connection for changes is replaced if the one for reads is newer. A request reads first, and so finds out that the
    /// server closed its connections. A change that finds this out itself fails, because it is not repeated.
    pub async fn run(&self, request: Request<'_>) -> Result<Value, RedisFailure> {
        let (threads, replicas) = match &self.confirmed {
            Some(Confirmed { replicas, threads }) if request.effect != Effect::Read => (threads, *replicas),
            _ => (&self.threads, 0),
        };
        let thread = threads.get_or_default();
        loop {
            if replicas > 0
                && let Some(reads) = self.threads.get().and_then(|reads| reads.current(&self.silence))
            {
                thread.abandon_older_than(reads.since);
            }
            let (connection, is_new) = self.connection(thread).await?;
            let waiting = Waiting {
                silence: &self.silence,
                thread,
                connection: &connection,
                began: Instant::now(),
                patience: self.timeouts.reply / 2,
            };
            let deadline = waiting.began + self.timeouts.reply;
            // pinned here, so that `until` does not copy it
            let sent = pin!(send(&connection.link, request));
            let Some(reply) = until(deadline, sent).await else {
                return Err(RedisFailure::no_reply().of_sent_command(request.command));
            };
            connection.note_reply();
            let result = match reply {
                Ok(reply) if replicas == 0 => Ok(reply),
                Ok(reply) => Box::pin(connection.confirm(replicas, deadline)).await.map(|()| reply),
                Err(error) => Err(error.into()),
            };
            let failure = match result {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure.of_sent_command(request.command),
            };
            if failure.ends_connection() {
                thread.abandon(&connection);
            }
            let is_safe = request.effect != Effect::WriteOnce || !failure.may_have_run();
            if is_new || !is_safe || !failure.may_be_repeated() {
                return Err(failure);
            }
        }
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
        let deadline = Instant::now() + self.timeouts.connect;
        let link = until(deadline, self.connector.connect(deadline)).await;
        let link = link.ok_or_else(RedisFailure::no_reply)??;
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

/// A command that waits for its reply. Dropping it after a long wait abandons the connection, if no reply to any other
/// command arrived meanwhile: its own did not, or its request had less time left than the reply.
struct Waiting<'a> {
    silence: &'a Silence,
    thread: &'a ThreadConnection,
    connection: &'a Arc<Established>,
    began: Instant,
    patience: Duration,
}

impl Drop for Waiting<'_> {
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

    fn abandon_older_than(&self, time: Instant) {
        self.current.lock().take_if(|current| current.since < time);
    }
}

/// Sends a command, and returns its reply.
async fn send(link: &Link, request: Request<'_>) -> Result<Value, RedisError> {
    let mut link = link.clone();
    if request.asking {
        return Box::pin(send_asking(link, request.command)).await;
    }
    link.req_packed_command(request.command).await?.extract_error()
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
