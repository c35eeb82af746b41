//! Sessions in Redis.

use redis::{Cmd, FromRedisValue};

use crate::{
    connection::{Error, Redis},
    cookies::key,
    scripts,
};

/// A live session, as a request found it.
pub struct Session {
    pub id: String,
    /// The fields that were asked for, as JSON.
    pub fields: Vec<(String, String)>,
}

/// What a request changes. Values are JSON.
pub enum Change {
    Set { name: String, value: String },
    Remove { name: String },
    Add { item: String },
    Count,
}

pub struct Store {
    redis: Redis,
}

impl Store {
    pub fn new(redis: Redis) -> Self {
        Self { redis }
    }

    /// Returns the first live session of these ids with the named fields, and extends it.
    pub async fn read(&self, ids: &[String], names: &[String]) -> Result<Option<Session>, Error> {
        if ids.is_empty() {
            return Ok(None);
        }
        let command = self.script(&[scripts::READ], ids, names);
        let reply: Result<Vec<redis::Value>, Error> = match self.redis.query(&command).await {
            // an idle connection may have died; a read can be sent twice
            Err(Error::Redis(error)) if error.is_io_error() => self.redis.query(&command).await,
            reply => reply,
        };
        let mut values = reply?.into_iter();
        let Some(place) = values.next() else { return Ok(None) };
        let id = ids[usize::from_redis_value(place).map_err(redis::RedisError::from)? - 1].clone();
        let fields = names
            .iter()
            .cloned()
            .zip(values)
            .filter_map(|(name, value)| Some((name, String::from_redis_value(value).ok()?)));
        Ok(Some(Session {
            id,
            fields: fields.collect(),
        }))
    }

    /// Changes a session, and returns whether it is still there.
    pub async fn change(&self, id: &str, change: &Change) -> Result<bool, Error> {
        self.redis.query(&self.change_script("", id, change)).await
    }

    /// Begins a session with a change.
    pub async fn begin(&self, id: &str, change: &Change) -> Result<(), Error> {
        self.redis.query(&self.change_script("begin", id, change)).await
    }

    /// Gives the first live session of these ids a new id, or begins one; and signs a user in.
    pub async fn renew(&self, ids: &[String], new: &str, user: &str) -> Result<(), Error> {
        let ids: Vec<String> = std::iter::once(new.to_owned()).chain(ids.iter().cloned()).collect();
        self.redis
            .query(&self.script(&[scripts::RENEW], &ids, &[user.to_owned()]))
            .await
    }

    /// Ends all sessions of these ids.
    pub async fn end(&self, ids: &[String]) -> Result<(), Error> {
        self.redis.query(&self.script(&[scripts::END], ids, &[])).await
    }

    fn change_script(&self, begin: &str, id: &str, change: &Change) -> Cmd {
        let (operation, arguments) = match change {
            Change::Set { name, value } => (scripts::SET, vec![name, value]),
            Change::Remove { name } => (scripts::REMOVE, vec![name]),
            Change::Add { item } => (scripts::ADD, vec![item]),
            Change::Count => (scripts::COUNT, vec![]),
        };
        let arguments: Vec<String> = std::iter::once(begin.to_owned())
            .chain(arguments.into_iter().cloned())
            .collect();
        self.script(&[scripts::CHANGE, operation], &[id.to_owned()], &arguments)
    }

    fn script(&self, parts: &[&str], ids: &[String], arguments: &[String]) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command
            .arg(format!("{}{}", scripts::COMMON, parts.concat()))
            .arg(ids.len());
        ids.iter().for_each(|id| _ = command.arg(key(id)));
        command.arg(arguments);
        command
    }
}
