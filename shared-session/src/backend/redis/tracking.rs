//! [`Tracking`]: a connection that tells which of the records that it read have changed since (`CLIENT TRACKING`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use redis::{Cmd, FromRedisValue, PushKind, RedisError, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connector::{Link, Pushes};
use super::silence::Silence;
use super::{Redis, RedisFailure, TRACKED_LOAD, milliseconds};
use crate::timeout::until;

/// A connection. Redis notes which keys it reads.
pub(in crate::backend) struct Tracking {
    link: Link,
    /// How long a command waits for its reply.
    timeout: Duration,
    silence: Arc<Silence>,
    last_reply: Mutex<Instant>,
    ended: CancellationToken,
}

/// What Redis tells about the records that a connection read.
pub(in crate::backend) enum News<'a> {
    /// The record under this key changed or ended. Redis tells of its next change only after the connection has read it again.
    Changed(&'a str),
    /// All records may have changed.
    AllChanged,
}

impl Tracking {
    /// Connects. `tell` gets the news before any reply that Redis sent later is returned.
    pub async fn connect(redis: &Redis, tell: impl Fn(News<'_>) + Send + Sync + 'static) -> Result<Self, RedisFailure> {
        let ended = CancellationToken::new();
        let closed = ended.clone();
        let pushes: Pushes = Arc::new(move |push| match push.kind {
            PushKind::Disconnection => closed.cancel(),
            PushKind::Invalidate => pass_on(&push.data, &tell),
            _ => {}
        });
        let (link, timeout, silence) = redis.connection.link(&pushes).await?;
        let tracking = Self {
            link,
            timeout,
            silence,
            last_reply: Mutex::new(Instant::now()),
            ended,
        };
        // without NOLOOP: with it, Redis does not tell what it forgets when its table is full
        let mut command = redis::cmd("CLIENT");
        command.arg("TRACKING").arg("ON");
        tracking.run::<()>(&command).await?;
        Ok(tracking)
    }

    /// Waits until the connection is closed, or a command gets no reply.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Returns whether the connection can still be used.
    pub fn is_usable(&self) -> bool {
        let is_silent = || self.silence.is_after(|| *self.last_reply.lock());
        !self.ended.is_cancelled() && self.link.is_agreed() && !is_silent()
    }

    /// Returns the record under `key` and the time that it has left, which is from `least` to `most`. If it had less or more,
    /// it gets `most`, and Redis tells that it changed.
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

    /// Returns the record under `key`. Does not extend its time.
    pub async fn read(&self, key: &str) -> Result<Option<Bytes>, RedisFailure> {
        self.run(redis::cmd("GET").arg(key)).await
    }

    /// Asks Redis whether it is a primary. When this returns, `tell` has got the news of every change before the question.
    pub async fn is_primary(&self) -> Result<bool, RedisFailure> {
        // without arguments it changes nothing, and needs no permission
        let about: HashMap<String, Value> = self.run(&redis::cmd("HELLO")).await?;
        let role = about
            .get("role")
            .and_then(|role| String::from_redis_value_ref(role).ok());
        Ok(role.as_deref() == Some("master") && self.is_usable())
    }

    /// Runs a command. If it gets no reply in time, the connection has ended.
    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisFailure> {
        let (mut link, began) = (self.link.clone(), Instant::now());
        let replied = until(began + self.timeout, command.query_async(&mut link)).await;
        let reply: Result<T, RedisError> = replied.ok_or_else(|| {
            self.ended.cancel();
            self.silence.note(began);
            RedisFailure::no_reply().of_sent_command(command)
        })?;
        *self.last_reply.lock() = Instant::now();
        reply.map_err(|error| {
            let failure = RedisFailure::from(error).of_sent_command(command);
            if failure.ends_connection() {
                self.ended.cancel();
            }
            failure
        })
    }
}

/// Tells of each key that Redis names. If it names none, all records may have changed.
fn pass_on(data: &[Value], tell: &impl Fn(News<'_>)) {
    let [Value::Array(keys)] = data else {
        return tell(News::AllChanged);
    };
    for key in keys {
        let name = match key {
            Value::BulkString(key) => std::str::from_utf8(key).ok(),
            _ => None,
        };
        tell(name.map_or(News::AllChanged, News::Changed));
    }
}
