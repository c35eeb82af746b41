//! Stores counts in Redis: each is a short string.

use std::time::Duration;

use ::redis::cmd;
use async_trait::async_trait;
use service_kit::Failure;
use service_kit::database;

use super::count::Counts;

/// Replaces a string if it is the expected one; an empty argument stands for none.
const COMPARE_AND_SET: &str = "
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[3] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1";

/// Counts in Redis.
pub(super) struct RedisCounts(database::Redis);

impl RedisCounts {
    pub(super) fn new(redis: database::Redis) -> Self {
        Self(redis)
    }
}

fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl Counts for RedisCounts {
    async fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        self.0.run(cmd("GET").arg(key)).await
    }

    /// If the command is sent twice, the second run finds the text of the first one instead of the expected one. The attempt
    /// then counts twice.
    async fn replace(
        &self,
        key: &str,
        expected: Option<&str>,
        new: &str,
        ttl: Option<Duration>,
    ) -> Result<bool, Failure> {
        let mut command = cmd("EVAL");
        command.arg(COMPARE_AND_SET).arg(1).arg(key);
        command.arg(expected.unwrap_or_default()).arg(new);
        if let Some(ttl) = ttl {
            command.arg(milliseconds(ttl));
        }
        self.0.run(&command).await
    }

    async fn set(&self, key: &str, new: &str, ttl: Duration) -> Result<(), Failure> {
        let mut command = cmd("SET");
        command.arg(key).arg(new).arg("PX").arg(milliseconds(ttl));
        self.0.run(&command).await
    }

    async fn remove(&self, key: &str) -> Result<(), Failure> {
        let _removed: u64 = self.0.run(cmd("DEL").arg(key)).await?;
        Ok(())
    }
}
