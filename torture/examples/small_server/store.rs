//! Sessions in Redis.

use redis::{Cmd, FromRedisValue, RedisError, Value};

use crate::{
    connection::{Error, Redis},
    cookies,
    fault::Fault,
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
    /// Sets a field to a value.
    Set(String, String),
    /// Removes a field.
    Remove(String),
    /// Appends a value to the list.
    Add(String),
    /// Adds one to the number.
    Count,
}

/// Which session a change is for. The last is a fault.
pub enum Target {
    Live,
    New,
    NotRenewed,
}

pub struct Store {
    pub redis: Redis,
    pub fault: Option<Fault>,
}

impl Store {
    /// Returns the first live session of these ids with the named fields, and extends it.
    pub async fn read(&self, ids: &[String], names: &[String]) -> Result<Option<Session>, Error> {
        if ids.is_empty() {
            return Ok(None);
        }
        let command = self.script(&[scripts::READ], ids, names);
        let reply: Result<Vec<Value>, Error> = match self.redis.query(&command).await {
            // an idle connection may have died; a read can be sent twice
            Err(Error::Redis(error)) if error.is_io_error() => self.redis.query(&command).await,
            reply => reply,
        };
        let mut values = reply?.into_iter();
        let Some(place) = values.next() else { return Ok(None) };
        let id = ids[usize::from_redis_value(place).map_err(RedisError::from)? - 1].clone();
        let fields = names.iter().cloned().zip(values.map(String::from_redis_value));
        let fields = fields.filter_map(|(name, value)| Some((name, value.ok()?))).collect();
        if self.fault == Some(Fault::CommandsPerRead) {
            let _: bool = self
                .redis
                .query(redis::cmd("EXPIRE").arg(self.key(&id)).arg(3600))
                .await?;
        }
        Ok(Some(Session { id, fields }))
    }

    /// Changes a session, and returns whether it is still there.
    pub async fn change(&self, id: &str, target: Target, change: &Change) -> Result<bool, Error> {
        let find = match target {
            Target::Live => scripts::LIVE,
            Target::New => scripts::NEW,
            Target::NotRenewed => scripts::NOT_RENEWED,
        };
        let (operation, arguments) = match change {
            Change::Set(name, value) => (scripts::SET, vec![name.clone(), value.clone()]),
            Change::Remove(name) => (scripts::REMOVE, vec![name.clone()]),
            Change::Add(item) => (scripts::ADD, vec![item.clone()]),
            Change::Count => (scripts::COUNT, vec![]),
        };
        self.redis
            .query(&self.script(&[find, operation], &[id.to_owned()], &arguments))
            .await
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

    /// Returns a script as a command.
    pub fn script(&self, parts: &[&str], ids: &[String], arguments: &[String]) -> Cmd {
        let mut common = scripts::COMMON.to_owned();
        if self.fault == Some(Fault::Expiry) {
            common = common.replace("redis.pcall('EXPIRE', key, 3600)", "");
        }
        let mut command = redis::cmd("EVAL");
        command.arg(common + &parts.concat()).arg(ids.len());
        ids.iter().for_each(|id| _ = command.arg(self.key(id)));
        command.arg(arguments);
        command
    }

    /// Returns a session's key.
    pub fn key(&self, id: &str) -> String {
        if self.fault == Some(Fault::IdsAtRest) {
            format!("session:{id}")
        } else {
            cookies::key(id)
        }
    }
}
