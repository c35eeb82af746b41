//! Stores texts in Redis: each is a string.

use std::time::Duration;

use ::redis::cmd;
use async_trait::async_trait;
use service_kit::Failure;
use service_kit::database;

use super::Texts;

/// Replaces a string if it is the expected one; an empty argument stands for none.
const COMPARE_AND_SET: &str = "
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

/// Texts in Redis.
pub(super) struct RedisTexts(database::Redis);

impl RedisTexts {
    pub(super) fn new(redis: database::Redis) -> Self {
        Self(redis)
    }
}

#[async_trait]
impl Texts for RedisTexts {
    async fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        self.0.run(cmd("GET").arg(key)).await
    }

    /// If the command is sent twice, the second run finds the text of the first one instead of the expected one. An attempt then
    /// counts twice.
    async fn replace(&self, key: &str, expected: Option<&str>, new: &str, ttl: Duration) -> Result<bool, Failure> {
        let mut command = cmd("EVAL");
        command.arg(COMPARE_AND_SET).arg(1).arg(key);
        command.arg(expected.unwrap_or_default()).arg(new);
        command.arg(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        self.0.run(&command).await
    }

    async fn remove(&self, key: &str) -> Result<(), Failure> {
        let _removed: u64 = self.0.run(cmd("DEL").arg(key)).await?;
        Ok(())
    }
}
