//! Tasks in Redis: a hash for each person, `task:list:<person>`, with a field for each task: its id, and the task as JSON.
//!
//! Every operation is one command on that one key, so it holds on a cluster too; a change of a task is two, and one
//! more whenever another request changed the same task in between. All may be sent twice; only a deletion that Redis
//! made without the answer arriving then says that the task was not there.

use std::collections::HashMap;

use async_trait::async_trait;
use redis::{Cmd, Value};
use service_kit::{Failure, database};

use super::{LIMIT, Tasks};
use crate::task::{self, Change, Task, TaskId};

/// Sets the fields that are not there yet, as long as there are fewer than the limit. Returns those without room.
const ADD: &str = "
local room, left = ARGV[1] - redis.call('HLEN', KEYS[1]), {}
for i = 2, #ARGV, 2 do
  if room > 0 then room = room - redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
  elseif redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then left[#left + 1] = ARGV[i] end
end
return left";

/// Sets a field if it is as expected. Otherwise returns what it is, or nothing where it is gone.
const REPLACE: &str = "
local task = redis.call('HGET', KEYS[1], ARGV[1])
if task ~= ARGV[2] then return task end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1";

/// How often a change is tried. Each time that it fails another one has succeeded, so this many requests would have to
/// change the same task at the same moment.
const ATTEMPTS: usize = 100;

/// Tasks in Redis.
pub struct Redis(database::Redis);

impl Redis {
    /// Tasks in this one.
    #[must_use]
    pub fn new(redis: database::Redis) -> Self {
        Self(redis)
    }

    async fn get(&self, person: &str, id: &TaskId) -> Result<Option<Vec<u8>>, Failure> {
        self.0.run(redis::cmd("HGET").arg(key(person)).arg(id.as_str())).await
    }
}

/// The person's id comes last and as it is, so no two share a key, whatever they hold.
fn key(person: &str) -> String {
    format!("task:list:{person}")
}

fn script(script: &str, person: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(1).arg(key(person));
    command
}

fn read(id: Option<TaskId>, kept: &[u8]) -> Result<Task, Failure> {
    id.and_then(|id| Task::read(id, kept))
        .ok_or(Failure::Unreadable("task"))
}

#[async_trait]
impl Tasks for Redis {
    async fn list(&self, person: &str) -> Result<Vec<Task>, Failure> {
        let fields: HashMap<Vec<u8>, Vec<u8>> = self.0.run(redis::cmd("HGETALL").arg(key(person))).await?;
        let tasks = fields.iter().map(|(id, kept)| {
            let id = std::str::from_utf8(id).ok().and_then(TaskId::parse);
            read(id, kept)
        });
        let mut tasks = tasks.collect::<Result<Vec<Task>, Failure>>()?;
        task::sort(&mut tasks);
        Ok(tasks)
    }

    async fn add(&self, person: &str, mut tasks: Vec<Task>) -> Result<Vec<Task>, Failure> {
        let mut command = script(ADD, person);
        command.arg(LIMIT);
        for task in &tasks {
            command.arg(task.id.as_str()).arg(task.kept()?);
        }
        let left: Vec<String> = self.0.run(&command).await?;
        tasks.retain(|task| left.iter().any(|id| id == task.id.as_str()));
        Ok(tasks)
    }

    async fn update(&self, person: &str, id: &TaskId, change: &Change) -> Result<bool, Failure> {
        let mut found = self.get(person, id).await?;
        for _ in 0..ATTEMPTS {
            let Some(kept) = found else {
                return Ok(false);
            };
            let mut task = read(Some(id.clone()), &kept)?;
            if !task.apply(change) {
                return Ok(true);
            }
            let mut command = script(REPLACE, person);
            command.arg(id.as_str()).arg(kept).arg(task.kept()?);
            found = match self.0.run(&command).await? {
                Value::Int(_) => return Ok(true),
                Value::BulkString(kept) => Some(kept),
                _ => None,
            };
        }
        let reason = "other requests kept changing the task";
        Err(Failure::Unavailable(reason.to_owned()))
    }

    async fn remove(&self, person: &str, id: &TaskId) -> Result<bool, Failure> {
        self.0.run(redis::cmd("HDEL").arg(key(person)).arg(id.as_str())).await
    }
}
