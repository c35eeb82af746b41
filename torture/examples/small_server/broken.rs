//! What only faults do in Redis.

use std::collections::HashMap;

use crate::{connection::Error, cookies, scripts, store::Store};

impl Store {
    /// Returns all fields of a session.
    pub async fn all(&self, id: &str) -> Result<HashMap<String, String>, Error> {
        self.redis.query(redis::cmd("HGETALL").arg(self.key(id))).await
    }

    /// Writes fields back that were read before, to the session that the script `find` finds. Returns whether there is one.
    pub async fn write_back(&self, find: &str, id: &str, fields: &HashMap<String, String>) -> Result<bool, Error> {
        let fields: Vec<String> = fields
            .iter()
            .flat_map(|(name, value)| [name.clone(), value.clone()])
            .collect();
        self.redis
            .query(&self.script(&[find, scripts::SET_ALL], &[id.to_owned()], &fields))
            .await
    }

    /// Makes a copy of a session under another id.
    pub async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        self.redis
            .query(redis::cmd("COPY").arg(self.key(from)).arg(self.key(to)))
            .await
    }

    /// Forgets that sessions were renewed.
    pub async fn forget_renewal(&self, ids: &[String]) -> Result<(), Error> {
        let notes = ids.iter().map(|id| format!("{}:superseded", self.key(id)));
        self.redis.query(redis::cmd("DEL").arg(notes.collect::<Vec<_>>())).await
    }

    /// Returns whether a session was renewed a moment ago.
    pub async fn was_renewed(&self, id: &str) -> Result<bool, Error> {
        self.redis
            .query(redis::cmd("EXISTS").arg(format!("{}:superseded", self.key(id))))
            .await
    }

    /// Returns whether there is no trace of a session.
    pub async fn is_lost(&self, id: &str) -> Result<bool, Error> {
        let live: bool = self.redis.query(redis::cmd("EXISTS").arg(self.key(id))).await?;
        Ok(!live && !self.was_renewed(id).await?)
    }

    /// Leaves a key that nothing reads.
    pub async fn leave_key(&self) -> Result<(), Error> {
        self.redis
            .query(
                redis::cmd("SET")
                    .arg(self.key(&cookies::new_id()))
                    .arg("")
                    .arg("EX")
                    .arg(3600),
            )
            .await
    }
}
