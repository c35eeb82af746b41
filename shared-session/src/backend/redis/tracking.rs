//! [`Tracking`]: a connection that tells which of the records that it read have changed since (`CLIENT TRACKING`).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, FromRedisValue, PushInfo, PushKind, RedisError, Value};
use tokio::time::Instant;

use super::connector::{Link, Pushes};
use super::{Redis, RedisFailure, TRACKED_LOAD, milliseconds};
use crate::timeout::until;

/// A connection whose reads Redis remembers.
pub(in crate::backend) struct Tracking {
    link: Link,
    /// How long a command waits for its reply.
    timeout: Duration,
    is_over: Arc<AtomicBool>,
}

/// What Redis tells about the records that a connection read.
pub(in crate::backend) enum News<'a> {
    /// The record under this key changed or ended. A further change is not told until the connection reads it again.
    Changed(&'a str),
    /// All records may have changed.
    AllChanged,
    /// The connection ended.
    Ended,
}

impl Tracking {
    /// Connects. Each piece of news is told before any reply that Redis sent later.
    pub async fn connect(redis: &Redis, tell: impl Fn(News<'_>) + Send + Sync + 'static) -> Result<Self, RedisFailure> {
        let is_over = Arc::new(AtomicBool::new(false));
        let ended = is_over.clone();
        let pushes: Pushes = Arc::new(move |push| {
            if push.kind == PushKind::Disconnection {
                ended.store(true, Ordering::Relaxed);
            }
            pass_on(&push, &tell);
        });
        let (link, timeout) = redis.connection.link(&pushes).await?;
        let tracking = Self { link, timeout, is_over };
        let mut command = redis::cmd("CLIENT");
        // without this connection's own changes: it makes them in one step with the read
        command.arg("TRACKING").arg("ON").arg("NOLOOP");
        tracking.run::<()>(&command).await?;
        Ok(tracking)
    }

    /// Returns whether the connection may still serve. If not, another one is needed.
    pub fn is_usable(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed) && self.link.is_agreed()
    }

    /// Returns the record under `key` and the time that it has left, which is from `least` to `most`. If it had less or more,
    /// it gets `most`.
    pub async fn load(
        &self,
        key: &str,
        least: Duration,
        most: Duration,
    ) -> Result<Option<(Bytes, Duration)>, RedisFailure> {
        let with_arguments = |mut command: Cmd| {
            command.arg(milliseconds(least)).arg(milliseconds(most));
            command
        };
        let found: Option<(Bytes, u64)> = match self.run(&with_arguments(TRACKED_LOAD.call(key))).await {
            Err(failure) if failure.is_unknown_script() => {
                self.run(&with_arguments(TRACKED_LOAD.load_and_call(key))).await?
            }
            reply => reply?,
        };
        Ok(found.map(|(record, left)| (record, Duration::from_millis(left))))
    }

    /// Returns the record under `key`, and extends no time.
    pub async fn read(&self, key: &str) -> Result<Option<Bytes>, RedisFailure> {
        self.run(redis::cmd("GET").arg(key)).await
    }

    /// Asks Redis for its role. When this returns, everything was told that changed before the question was sent.
    pub async fn is_primary(&self) -> Result<bool, RedisFailure> {
        // without arguments it changes nothing, and needs no permission
        let about: HashMap<String, Value> = self.run(&redis::cmd("HELLO")).await?;
        let role = about
            .get("role")
            .and_then(|role| String::from_redis_value_ref(role).ok());
        Ok(role.as_deref() == Some("master") && self.is_usable())
    }

    /// Runs a command. If it gets no reply in time, the connection is over.
    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisFailure> {
        let mut link = self.link.clone();
        let replied = until(Instant::now() + self.timeout, command.query_async(&mut link)).await;
        let reply: Result<T, RedisError> = replied.ok_or_else(|| {
            self.is_over.store(true, Ordering::Relaxed);
            RedisFailure::no_reply().of_sent_command(command)
        })?;
        reply.map_err(|error| {
            let failure = RedisFailure::from(error).of_sent_command(command);
            if failure.ends_connection() {
                self.is_over.store(true, Ordering::Relaxed);
            }
            failure
        })
    }
}

/// Passes on what a push says.
fn pass_on(push: &PushInfo, tell: &impl Fn(News<'_>)) {
    match (&push.kind, &push.data[..]) {
        (PushKind::Disconnection, _) => tell(News::Ended),
        (PushKind::Invalidate, [Value::Array(keys)]) => {
            for key in keys {
                match key {
                    Value::BulkString(key) => std::str::from_utf8(key).map_or((), |key| tell(News::Changed(key))),
                    _ => tell(News::AllChanged),
                }
            }
        }
        // FLUSHALL and FLUSHDB name no keys
        (PushKind::Invalidate, _) => tell(News::AllChanged),
        _ => {}
    }
}
