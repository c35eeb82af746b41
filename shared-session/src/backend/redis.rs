//! `redis://`: a record is a Redis string under its key, and its expiry is the key's own. An index is a sorted set whose
//! scores are its members' ends in milliseconds.
//!
//! Every step is one command on one key, so it holds on a cluster too.

mod connection;

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, ServerErrorKind, Value};
use sha1::{Digest, Sha1};

pub use self::connection::{Connection, describe};
use super::{Backend, BackendError, Outcome};

/// Replaces or removes a record if it is the expected one. The expected record is given by its SHA-1, as Redis can
/// compute that of what it holds, and a record need not travel to be compared.
static COMPARE_AND_SET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
local record = redis.call('GET', KEYS[1])
if not record then return 0 end
if redis.sha1hex(record) ~= ARGV[1] then return record end
if ARGV[2] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) else redis.call('DEL', KEYS[1]) end
return 1",
    )
});

/// Reads a record with the time that it has left, -1 for one that someone else wrote without an expiry.
static PEEK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
local record = redis.call('GET', KEYS[1])
return record and {record, redis.call('PTTL', KEYS[1])}",
    )
});

/// Adds a member, drops those that have ended, and gives the set the expiry of its last member: all in one step, as
/// otherwise a connection that breaks between two would leave a key without an expiry.
static INDEX_ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
local last = redis.call('ZRANGE', KEYS[1], 0, 0, 'REV', 'WITHSCORES')
if last[2] then redis.call('PEXPIRE', KEYS[1], last[2] - ARGV[3]) end",
    )
});

/// A script, and the SHA-1 that Redis knows it by.
struct Script {
    text: &'static str,
    sha1: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        let sha1 = hex(&Sha1::digest(text));
        Self { text, sha1 }
    }
}

/// Records in Redis.
pub struct Redis(Connection);

impl Redis {
    /// A store at a `redis://` URL, or at what was made of one. Nothing is sent yet: a service starts while Redis is away.
    ///
    /// `timeout` bounds the connecting and every command.
    ///
    /// # Errors
    ///
    /// When the URL is none.
    pub fn new(address: impl IntoConnectionInfo, timeout: Duration) -> Result<Self, BackendError> {
        let connection = Connection::new(address, timeout);
        connection
            .map(Self)
            .map_err(|error| BackendError::Refused(describe(&error)))
    }

    /// Runs a script on one key.
    async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: impl Fn(&mut Cmd),
    ) -> Result<T, BackendError> {
        let command = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(1).arg(key);
            arguments(&mut command);
            command
        };
        let answer = match self.0.run(&command("EVALSHA", &script.sha1)).await {
            // Redis was restarted, or this is the first time: EVAL makes it know the script
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.0.run(&command("EVAL", script.text)).await
            }
            answer => answer,
        };
        answer.map_err(classify)
    }

    async fn compare(
        &self,
        key: &str,
        expected: &[u8],
        new: Option<(&[u8], Duration)>,
    ) -> Result<Outcome, BackendError> {
        let expected = hex(&Sha1::digest(expected));
        let arguments = |command: &mut Cmd| {
            command.arg(&expected);
            if let Some((record, ttl)) = new {
                command.arg(record).arg(milliseconds(ttl));
            }
        };
        match self.script(&COMPARE_AND_SET, key, arguments).await? {
            Value::Int(1) => Ok(Outcome::Done),
            Value::Int(_) => Ok(Outcome::Gone),
            Value::BulkString(record) => Ok(Outcome::Changed(record.into())),
            _ => Err(BackendError::Refused("an answer of an unknown kind".to_owned())),
        }
    }
}

#[async_trait]
impl Backend for Redis {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        let mut command = redis::cmd("GETEX");
        command.arg(key).arg("PX").arg(milliseconds(ttl));
        self.0.run(&command).await.map_err(classify)
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        let found: Option<(Bytes, i64)> = self.script(&PEEK, key, |_| {}).await?;
        Ok(found.map(|(record, left)| (record, u64::try_from(left).map_or(Duration::MAX, Duration::from_millis))))
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(record).arg("NX").arg("PX").arg(milliseconds(ttl));
        let written: Option<()> = self.0.run(&command).await.map_err(classify)?;
        Ok(written.is_some())
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        self.compare(key, expected, Some((record, ttl))).await
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        self.compare(key, expected, None).await
    }

    async fn index_add(&self, key: &str, member: &str, expires: Duration, now: Duration) -> Result<(), BackendError> {
        let arguments = |command: &mut Cmd| {
            command.arg(member).arg(milliseconds(expires)).arg(milliseconds(now));
        };
        self.script(&INDEX_ADD, key, arguments).await
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        let mut command = redis::cmd("ZREM");
        command.arg(key).arg(member);
        self.0.run(&command).await.map_err(classify)
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        // a rank beyond the last one is the last one
        let rank = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let (first, last) = (rank(offset), rank(offset.saturating_add(limit - 1)));
        let mut command = redis::cmd("ZRANGE");
        command.arg(key).arg(first).arg(last).arg("REV");
        self.0.run(&command).await.map_err(classify)
    }

    async fn check(&self, key: &str) -> Result<(), BackendError> {
        // refused for every reason that refuses a session's record: no write, no memory, no permission
        let mut command = redis::cmd("SET");
        command.arg(key).arg("").arg("XX").arg("PX").arg(1);
        let _: Option<()> = self.0.run(&command).await.map_err(classify)?;
        Ok(())
    }
}

/// In milliseconds, at least one: Redis refuses an expiry of 0.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an error of Redis means. The codes are those of its protocol (redis.io/docs, "RESP errors").
fn classify(error: RedisError) -> BackendError {
    let text = describe(&error);
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain,
        ) => BackendError::Unavailable(text),
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType => match error.code() {
            Some("NOAUTH" | "WRONGPASS" | "BUSY") => BackendError::Unavailable(text),
            Some("WRONGTYPE") => BackendError::Foreign(text),
            _ => BackendError::Refused(text),
        },
        _ => BackendError::Unavailable(text),
    }
}
