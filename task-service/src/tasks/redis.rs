//! The repository in Redis: one hash for each user, `task:list:<user id>`, which maps a task's id to its JSON form.
//!
//! Every command touches one key only, so it works on a cluster. An update is a read and a compare-and-set, which is
//! repeated if another request changed the task in between. Every command may be sent twice: only a removal whose first
//! reply was lost then reports that the task was not there.

use std::collections::HashMap;

use async_trait::async_trait;
use redis::{Cmd, Value};
use service_kit::{Failure, database};

use super::{LIMIT, TaskRepository};
use crate::task::{self, Change, Task, TaskId};

/// Adds the fields that do not exist until the hash has as many as the limit. Returns the names of the rejected fields.
const ADD: &str = "
local room, rejected = ARGV[1] - redis.call('HLEN', KEYS[1]), {}
for i = 2, #ARGV, 2 do
  if room > 0 then room = room - redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
  elseif redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then rejected[#rejected + 1] = ARGV[i] end
end
return rejected";

/// Replaces a field's value and returns 1 if the value is as expected. Otherwise returns the current value, or nil if
/// the field does not exist.
const REPLACE: &str = "
local task = redis.call('HGET', KEYS[1], ARGV[1])
if task ~= ARGV[2] then return task end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1";

/// The maximum number of attempts of an update. An attempt fails only if another request's update of the task succeeds.
const MAX_ATTEMPTS: usize = 100;

/// The tasks of all users, in Redis.
pub struct RedisTasks(database::Redis);

impl RedisTasks {
    /// Creates the repository on a connection.
    #[must_use]
    pub fn new(redis: database::Redis) -> Self {
        Self(redis)
    }

    async fn get(&self, user_id: &str, id: &TaskId) -> Result<Option<Vec<u8>>, Failure> {
        self.0.run(redis::cmd("HGET").arg(key(user_id)).arg(id.as_str())).await
    }
}

/// Returns the key of a user's list. The id comes last and unchanged, so no two users share a key.
fn key(user_id: &str) -> String {
    format!("task:list:{user_id}")
}

fn script(script: &str, user_id: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(1).arg(key(user_id));
    command
}

fn decode(id: Option<TaskId>, json: &[u8]) -> Result<Task, Failure> {
    id.and_then(|id| Task::from_json(id, json))
        .ok_or(Failure::Unreadable("task"))
}

#[async_trait]
impl TaskRepository for RedisTasks {
    async fn list(&self, user_id: &str) -> Result<Vec<Task>, Failure> {
        let fields: HashMap<Vec<u8>, Vec<u8>> = self.0.run(redis::cmd("HGETALL").arg(key(user_id))).await?;
        let tasks = fields.iter().map(|(id, json)| {
            let id = std::str::from_utf8(id).ok().and_then(TaskId::parse);
            decode(id, json)
        });
        let mut tasks = tasks.collect::<Result<Vec<Task>, Failure>>()?;
        task::sort(&mut tasks);
        Ok(tasks)
    }

    async fn add(&self, user_id: &str, mut tasks: Vec<Task>) -> Result<Vec<Task>, Failure> {
        let mut command = script(ADD, user_id);
        command.arg(LIMIT);
        for task in &tasks {
            command.arg(task.id.as_str()).arg(task.to_json()?);
        }
        let rejected: Vec<String> = self.0.write(&command).await?;
        tasks.retain(|task| rejected.iter().any(|id| id == task.id.as_str()));
        Ok(tasks)
    }

    async fn update(&self, user_id: &str, id: &TaskId, change: &Change) -> Result<bool, Failure> {
        let mut current = self.get(user_id, id).await?;
        for _ in 0..MAX_ATTEMPTS {
            let Some(json) = current else {
                return Ok(false);
            };
            let mut task = decode(Some(id.clone()), &json)?;
            if !task.apply(change) {
                return Ok(true);
            }
            let mut command = script(REPLACE, user_id);
            command.arg(id.as_str()).arg(json).arg(task.to_json()?);
            current = match self.0.write(&command).await? {
                Value::Int(_) => return Ok(true),
                Value::BulkString(json) => Some(json),
                _ => None,
            };
        }
        Err(Failure::Unavailable(
            "too many concurrent updates of one task".to_owned(),
        ))
    }

    async fn remove(&self, user_id: &str, id: &TaskId) -> Result<bool, Failure> {
        self.0
            .write(redis::cmd("HDEL").arg(key(user_id)).arg(id.as_str()))
            .await
    }
}
