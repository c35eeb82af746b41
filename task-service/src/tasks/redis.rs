//! The repository in Redis: one hash for each account, `task:list:<account>`, which maps a task's id to its JSON form.
//!
//! Every command touches one key only, so it works on a cluster. An update is a read and a compare-and-set, which is
//! repeated if another request changed the task in between. Every command may be sent twice. A removal whose first reply was
//! lost then reports that the task was not there.

use async_trait::async_trait;
use redis::{Cmd, FromRedisValue, Value};
use service_kit::user_data::tasks_key as key;
use service_kit::{Failure, database};

use super::{LIMIT, PAGE_SIZE, PageOf, TaskPage, TaskRepository, page_of_index};
use crate::task::{Change, Task, TaskId};

/// Adds the fields that do not exist until the hash has as many as the limit. Returns the names of the rejected fields.
const ADD: &str = "
local room, rejected = ARGV[1] - redis.call('HLEN', KEYS[1]), {}
for i = 2, #ARGV, 2 do
  if room > 0 then room = room - redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
  elseif redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then rejected[#rejected + 1] = ARGV[i] end
end
return rejected";

/// Returns the number of fields, the index of the first one on the page, and the page's fields with their values, the last
/// name first. The page contains a field, or begins at an index, or is the last one. Returns nil if the field does not
/// exist. Only names are read beyond the page, because values are large.
const PAGE: &str = "
local names, size, index = redis.call('HKEYS', KEYS[1]), tonumber(ARGV[1]), tonumber(ARGV[2])
table.sort(names, function(one, other) return one > other end)
if ARGV[3] then
  index = nil
  for i, name in ipairs(names) do if name == ARGV[3] then index = i - 1 end end
  if not index then return false end
end
index = math.max(math.min(index, #names - 1), 0)
index = index - index % size
local page = {#names, index}
for i = index + 1, math.min(index + size, #names) do
  page[#page + 1] = names[i]
  page[#page + 1] = redis.call('HGET', KEYS[1], names[i])
end
return page";

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

    async fn get(&self, account: &str, id: &TaskId) -> Result<Option<Vec<u8>>, Failure> {
        self.0.run(redis::cmd("HGET").arg(key(account)).arg(id.as_str())).await
    }
}

fn script(script: &str, account: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(1).arg(key(account));
    command
}

fn decode(id: Option<TaskId>, json: &[u8]) -> Result<Task, Failure> {
    id.and_then(|id| Task::from_json(id, json))
        .ok_or(Failure::Unreadable("task"))
}

#[async_trait]
impl TaskRepository for RedisTasks {
    async fn page(&self, account: &str, page: PageOf<'_>) -> Result<Option<TaskPage>, Failure> {
        let mut command = script(PAGE, account);
        command.arg(PAGE_SIZE);
        match page {
            PageOf::Number(number) => command.arg(number.clamp(1, LIMIT).saturating_sub(1) * PAGE_SIZE),
            PageOf::Task(id) => command.arg(0).arg(id.as_str()),
        };
        let Some(reply) = self.0.run::<Option<Vec<Value>>>(&command).await? else {
            return Ok(None);
        };
        let unexpected = || Failure::Unavailable("unknown type of reply".to_owned());
        let [total, index, fields @ ..] = &*reply else {
            return Err(unexpected());
        };
        let number = |value: &Value| usize::from_redis_value_ref(value).map_err(|_| unexpected());
        let tasks = fields.chunks_exact(2).map(|field| match field {
            [Value::BulkString(id), Value::BulkString(json)] => {
                let id = std::str::from_utf8(id).ok().and_then(TaskId::parse);
                decode(id, json)
            }
            _ => Err(unexpected()),
        });
        Ok(Some(TaskPage {
            number: page_of_index(number(index)?),
            total: number(total)?,
            tasks: tasks.collect::<Result<_, _>>()?,
        }))
    }

    async fn add(&self, account: &str, mut tasks: Vec<Task>) -> Result<Vec<Task>, Failure> {
        let mut command = script(ADD, account);
        command.arg(LIMIT);
        for task in &tasks {
            command.arg(task.id.as_str()).arg(task.to_json()?);
        }
        let rejected: Vec<String> = self.0.write(&command).await?;
        tasks.retain(|task| rejected.iter().any(|id| id == task.id.as_str()));
        Ok(tasks)
    }

    async fn update(&self, account: &str, id: &TaskId, change: &Change) -> Result<bool, Failure> {
        let mut current = self.get(account, id).await?;
        for _ in 0..MAX_ATTEMPTS {
            let Some(json) = current else {
                return Ok(false);
            };
            let mut task = decode(Some(id.clone()), &json)?;
            if !task.apply(change) {
                return Ok(true);
            }
            let mut command = script(REPLACE, account);
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

    async fn remove(&self, account: &str, id: &TaskId) -> Result<bool, Failure> {
        self.0
            .write(redis::cmd("HDEL").arg(key(account)).arg(id.as_str()))
            .await
    }
}
