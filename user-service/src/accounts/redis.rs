//! Accounts in Redis: each a string of JSON under `user:account:<id>`, without an expiry.

use ::redis::cmd;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use service_kit::Failure;
use service_kit::database;

use super::Accounts;
use crate::account::{Account, AccountId};

/// Replaces a record if it is the expected one. One that is the new one already was replaced by this very command,
/// whose answer was lost: the hash in it has a salt of its own.
const COMPARE_AND_SET: &str = "
local record = redis.call('GET', KEYS[1])
if record == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end
if record == ARGV[2] then return 1 end
return 0";

pub(super) struct Redis(database::Redis);

impl Redis {
    pub(super) fn new(redis: database::Redis) -> Self {
        Self(redis)
    }

    async fn get(&self, id: &AccountId) -> Result<Option<Vec<u8>>, Failure> {
        self.0.run(cmd("GET").arg(key(id))).await
    }
}

#[async_trait]
impl Accounts for Redis {
    async fn find(&self, id: &AccountId) -> Result<Option<Account>, Failure> {
        let record = self.get(id).await?;
        record.map(|record| decode(id, &record)).transpose()
    }

    async fn create(&self, account: &Account) -> Result<bool, Failure> {
        let (id, record) = (&account.id, encode(account)?);
        let set: Option<()> = self.0.run(cmd("SET").arg(key(id)).arg(&record).arg("NX")).await?;
        // a lost connection makes `run` send a command twice, so the record in the way may be this one
        Ok(set.is_some() || self.get(id).await?.is_some_and(|kept| kept == record))
    }

    async fn set_hash(&self, id: &AccountId, expected: &str, new: &str) -> Result<bool, Failure> {
        let Some(before) = self.get(id).await? else {
            return Ok(false);
        };
        let account = decode(id, &before)?;
        if account.hash != expected {
            return Ok(account.hash == new);
        }
        let after = encode(&Account {
            hash: new.to_owned(),
            ..account
        })?;
        let mut command = cmd("EVAL");
        command.arg(COMPARE_AND_SET).arg(1).arg(key(id)).arg(before).arg(after);
        self.0.run(&command).await
    }
}

fn key(id: &AccountId) -> String {
    format!("user:account:{}", id.as_str())
}

/// A record: the account without its id, which is in the key.
#[derive(Serialize, Deserialize)]
struct Record {
    name: String,
    password: String,
    created: u64,
}

fn encode(account: &Account) -> Result<Vec<u8>, Failure> {
    let record = Record {
        name: account.name.clone(),
        password: account.hash.clone(),
        created: account.created,
    };
    serde_json::to_vec(&record).map_err(|error| Failure::Internal(error.to_string()))
}

fn decode(id: &AccountId, record: &[u8]) -> Result<Account, Failure> {
    // what is wrong with it is not told: the message could quote it
    let record: Record = serde_json::from_slice(record).map_err(|_| Failure::Unreadable("account"))?;
    Ok(Account {
        id: id.clone(),
        name: record.name,
        hash: record.password,
        created: record.created,
    })
}
