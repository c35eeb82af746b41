//! [`Redis`]: a backend in Redis. A record is a string whose expiry is the key's; an index is a sorted set whose scores
//! are the expiries of its members in milliseconds, by Redis's clock.
//!
//! Every command uses one key, so that all of them work on a cluster.

mod announcements;
mod cluster;
mod connection;
mod connector;
mod failure;
mod inspection;
mod options;
mod replication;
mod sentinel;
mod server;
mod silence;
mod slots;
#[cfg(feature = "tls")]
mod tls;
mod tracking;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join3;
use redis::{Cmd, FromRedisValue, Value};
use sha1::{Digest, Sha1};

pub use self::connection::Connection;
pub use self::failure::RedisFailure;
#[cfg(feature = "tls")]
pub(crate) use self::options::CertificateFiles;
pub(crate) use self::options::{Options, OptionsError, PasswordFiles, first_line};
use self::server::Effect;
pub(super) use self::tracking::{News, Tracking};
use super::{Backend, BackendError, Outcome};

/// Replaces or removes a record if it is the expected one.
static COMPARE_AND_SET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
local record = redis.call('GET', KEYS[1])
if record ~= ARGV[1] then return record or 0 end
if ARGV[2] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) else redis.call('DEL', KEYS[1]) end
return 1",
    )
});

/// Returns a record and its TTL, which is -1 if another program stored the record without an expiry.
static PEEK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
local record = redis.call('GET', KEYS[1])
return record and {record, redis.call('PTTL', KEYS[1])}",
    )
});

/// Returns a record and its TTL. Changes the TTL only if it is too short or too long, because Redis tells of the change to every
/// connection that tracks the key, and then tracks it no more. So the record is read last.
static TRACKED_LOAD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
local left = redis.call('PTTL', KEYS[1])
if left ~= -2 and (left <= tonumber(ARGV[1]) or left > tonumber(ARGV[2])) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    left = tonumber(ARGV[2])
end
local record = redis.call('GET', KEYS[1])
return record and {record, left}",
    )
});

/// Adds a member or extends its time, removes the expired ones, and sets the key's expiry to that of the last member. In separate
/// commands, a connection that breaks between them would leave a key without an expiry. The time is that of Redis.
static INDEX_ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], 'GT', now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local last = redis.call('ZRANGE', KEYS[1], 0, 0, 'REV', 'WITHSCORES')
if last[2] then redis.call('PEXPIRE', KEYS[1], last[2] - now) end",
    )
});

/// A script, and the SHA-1 by which Redis identifies it.
struct Script {
    text: &'static str,
    sha1: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        let sha1 = sha1_hex(text.as_bytes());
        Self { text, sha1 }
    }

    /// Returns the command that runs the script on a key, if Redis knows it.
    fn call(&self, key: &str) -> Cmd {
        on_key("EVALSHA", &self.sha1, key)
    }

    /// Returns the command that loads the script into Redis and runs it on a key.
    fn load_and_call(&self, key: &str) -> Cmd {
        on_key("EVAL", self.text, key)
    }
}

/// A [`Backend`] that stores records in Redis.
///
/// An application gets it from `SESSION_STORE=redis://…`. Build one yourself only to wrap it in a backend of your own:
///
/// ```no_run
/// use std::sync::Arc;
///
/// use shared_session::backend::redis::{Connection, Redis};
/// use shared_session::{SessionManager, Settings};
///
/// let settings = Settings::from_env()?;
/// let backend = Arc::new(Redis::new(Connection::open(&settings)?)); // wrap it here
/// let sessions = SessionManager::builder(&settings).backend(backend).build()?;
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
#[derive(Debug)]
pub struct Redis {
    connection: Connection,
    /// Whether the server refused `SET … IFEQ`, as Redis before 8.4 and Valkey before 8.1 do. Then a script replaces records.
    lacks_ifeq: AtomicBool,
}

impl Redis {
    /// Creates a backend that sends its commands over `connection`. At each new connection, it warns of a clock that differs
    /// from Redis's, and of a Redis that evicts keys.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        connection.inspect();
        Self {
            connection,
            lacks_ifeq: AtomicBool::new(false),
        }
    }

    /// Runs a command that does not change a record or an index.
    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, BackendError> {
        Ok(self.connection.run(command).await?)
    }

    async fn write<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, BackendError> {
        Ok(self.connection.write(command).await?)
    }

    /// Runs a script on one key.
    async fn run_script<T: FromRedisValue>(
        &self,
        script: &Script,
        effect: Effect,
        key: &str,
        add_arguments: impl Fn(&mut Cmd),
    ) -> Result<T, BackendError> {
        let send = async |mut command: Cmd| {
            add_arguments(&mut command);
            self.connection.send(&command, effect).await
        };
        let reply = match send(script.call(key)).await {
            // Redis forgets scripts when it restarts
            Err(failure) if failure.is_unknown_script() => Box::pin(send(script.load_and_call(key))).await,
            reply => reply,
        };
        Ok(reply?)
    }

    /// Returns the outcome of a replacement that did not find the expected record.
    async fn found(&self, key: &str) -> Result<Outcome, BackendError> {
        let mut command = redis::cmd("GET");
        command.arg(key);
        // a write, so that replicas confirm the record
        let record: Option<Bytes> = self.write(&command).await?;
        Ok(record.map_or(Outcome::Gone, Outcome::Changed))
    }

    /// Replaces or removes a record by a script.
    async fn compare_and_set(
        &self,
        key: &str,
        expected: &[u8],
        new: Option<(&[u8], Duration)>,
    ) -> Result<Outcome, BackendError> {
        let add_arguments = |command: &mut Cmd| {
            command.arg(expected);
            if let Some((record, ttl)) = new {
                command.arg(record).arg(milliseconds(ttl));
            }
        };
        match self
            .run_script(&COMPARE_AND_SET, Effect::WriteOnce, key, add_arguments)
            .await?
        {
            Value::Int(1) => Ok(Outcome::Applied),
            Value::Int(_) => Ok(Outcome::Gone),
            Value::BulkString(record) => Ok(Outcome::Changed(record.into())),
            _ => Err(BackendError::refused("unknown type of reply")),
        }
    }
}

#[async_trait]
impl Backend for Redis {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        let mut command = command("GETEX", 128);
        command.arg(key);
        if ttl.is_zero() {
            // Redis deletes a record whose expiry is in the past, and refuses `PX 0`
            command.arg("PXAT").arg(1);
        } else {
            command.arg("PX").arg(milliseconds(ttl));
        }
        self.run(&command).await
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        let found: Option<(Bytes, i64)> = self.run_script(&PEEK, Effect::Read, key, |_| {}).await?;
        Ok(found.map(|(record, ttl)| (record, u64::try_from(ttl).map_or(Duration::MAX, Duration::from_millis))))
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(record).arg("NX").arg("PX").arg(milliseconds(ttl));
        let stored: Option<()> = self.write(&command).await?;
        Ok(stored.is_some())
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        if !self.lacks_ifeq.load(Ordering::Relaxed) {
            let mut command = command("SET", 128 + expected.len() + record.len());
            command.arg(key).arg(record).arg("IFEQ").arg(expected);
            command.arg("PX").arg(milliseconds(ttl));
            match self.connection.send(&command, Effect::WriteOnce).await {
                Ok(Some(())) => return Ok(Outcome::Applied),
                Ok(None) => return Box::pin(self.found(key)).await,
                Err(failure) if failure.is_syntax_error() => self.lacks_ifeq.store(true, Ordering::Relaxed),
                Err(failure) => return Err(failure.into()),
            }
        }
        self.compare_and_set(key, expected, Some((record, ttl))).await
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        self.compare_and_set(key, expected, None).await
    }

    async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError> {
        let add_arguments = |command: &mut Cmd| {
            // not `milliseconds`: a member without any time left is not added
            command
                .arg(member)
                .arg(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        };
        self.run_script(&INDEX_ADD, Effect::Write, key, add_arguments).await
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        let mut command = redis::cmd("ZREM");
        command.arg(key).arg(member);
        self.write(&command).await
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        // Redis reads a rank beyond the last member as the last one
        let rank = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let (first, last) = (rank(offset), rank(offset.saturating_add(limit - 1)));
        let mut command = redis::cmd("ZRANGE");
        command.arg(key).arg(first).arg(last).arg("REV");
        self.run(&command).await
    }

    async fn confirm(&self, key: &str) -> Result<(), BackendError> {
        if !self.connection.waits_for_replicas() {
            return Ok(());
        }
        // `WAIT` covers what the server stored before the last command of the connection, whatever that command is
        let mut command = redis::cmd("PTTL");
        command.arg(key);
        self.connection.write::<i64>(&command).await?;
        Ok(())
    }

    async fn check(&self, key: &str) -> Result<(), BackendError> {
        // the commands of requests. Under this key they store nothing, so no replica has to confirm them
        let load = self.load(key, Duration::ZERO);
        // Redis refuses it for every reason for which it refuses a record: no writes, no memory, no permission
        let mut set = redis::cmd("SET");
        set.arg(key).arg("").arg("XX").arg("PX").arg(1);
        let store = self.run::<Option<()>>(&set);
        let script = self.run_script::<Value>(&COMPARE_AND_SET, Effect::Read, key, |command| {
            command.arg("");
        });
        try_join3(load, store, script).await.map(|_| ())
    }

    fn shard(&self, key: &str) -> u64 {
        self.connection.shard(key)
    }

    fn system_name(&self) -> &'static str {
        "redis"
    }
}

/// Returns the command `name` for a script, with one key and no arguments.
fn on_key(name: &str, script: &str, key: &str) -> Cmd {
    let mut command = command(name, 512);
    command.arg(script).arg(1).arg(key);
    command
}

/// Returns a command without arguments, with room for `size` bytes of them.
fn command(name: &str, size: usize) -> Cmd {
    let mut command = Cmd::with_capacity(8, size);
    command.arg(name);
    command
}

/// Returns the time in milliseconds, at least 1, because Redis refuses an expiry of 0.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn sha1_hex(bytes: &[u8]) -> String {
    let digits = Sha1::digest(bytes).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}
