//! [`Server`]: the connections of a process to one server, one for each thread. They pipeline commands and reconnect.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, RedisError, Value};
use thread_local::ThreadLocal;
use tokio::time::Instant;

use super::RedisFailure;
use super::connector::{Connector, Link};
use crate::timeout::until;

/// The connections to one server.
pub(super) struct Server {
    connector: Connector,
    timeouts: Timeouts,
    threads: ThreadLocal<ThreadConnection>,
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
    /// Whether it is sent again if it is unknown whether it ran.
    pub repeat: Repeat,
    /// Whether `ASKING` precedes it, so that a node serves it that is about to store its slot.
    pub asking: bool,
}

/// Whether a command is sent again if it is unknown whether it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It is safe to run twice.
    Yes,
    /// It is not.
    No,
}

/// The connection of one thread.
#[derive(Default)]
struct ThreadConnection {
    current: Mutex<Option<Arc<Link>>>,
    /// Held while connecting, so that concurrent requests replace a lost connection once.
    connecting: tokio::sync::Mutex<()>,
}

impl Server {
    /// Creates the connections. Does not connect yet.
    pub fn new(connector: Connector, timeouts: Timeouts) -> Self {
        Self {
            connector,
            timeouts,
            threads: ThreadLocal::new(),
        }
    }

    /// Runs a command and returns its reply.
    ///
    /// Connects again and repeats the command if the connection turns out to be closed, as it is after a restart of
    /// Redis, or if it leads to a replica, as it does after a fail-over. Abandons a connection on which no reply arrives in
    /// time, because a host that has disappeared closes nothing.
    pub async fn run(&self, request: Request<'_>) -> Result<Value, RedisFailure> {
        let thread = self.threads.get_or_default();
        loop {
            let (link, is_new) = self.connect(thread).await?;
            let deadline = Instant::now() + self.timeouts.reply;
            let failure = match until(deadline, send(&link, request)).await {
                Some(Ok(reply)) => return Ok(reply),
                Some(Err(error)) => RedisFailure::from(error),
                None => RedisFailure::no_reply(),
            };
            let failure = failure.of_sent_command();
            if link.is_ended_by(&failure) {
                thread.abandon(&link);
            }
            let is_safe = request.repeat == Repeat::Yes || !failure.may_have_run();
            if is_new || !is_safe || !failure.may_be_repeated() {
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
        let deadline = Instant::now() + self.timeouts.connect;
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

/// Sends a command, and returns its reply.
async fn send(link: &Link, request: Request<'_>) -> Result<Value, RedisError> {
    let mut link = link.clone();
    if !request.asking {
        return link.req_packed_command(request.command).await?.extract_error();
    }
    // together, so that no other command of this connection comes between them
    let mut pipeline = redis::pipe();
    pipeline.cmd("ASKING").add_command(request.command.clone());
    let replies = link.req_packed_commands(&pipeline, 0, 2).await?;
    let replies = replies.into_iter().map(Value::extract_error);
    let replies = replies.collect::<Result<Vec<_>, _>>()?;
    Ok(replies.into_iter().next_back().unwrap_or(Value::Nil))
}
