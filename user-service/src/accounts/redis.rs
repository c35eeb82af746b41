//! Stores accounts in Redis: each is a JSON string under `user:account:<user id>`, without an expiry.

use ::redis::cmd;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use service_kit::Failure;
use service_kit::database;

use super::AccountRepository;
use crate::account::{Account, UserId};

/// Replaces a record if it is the expected one, or deletes it if there is no new one. If the record already is the new one, this
/// command was sent twice, because its first reply was lost.
const COMPARE_AND_SET: &str = "
local record = redis.call('GET', KEYS[1])
if record == ARGV[1] then
  if ARGV[2] then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('DEL', KEYS[1]) end
  return 1
end
if record == ARGV[2] then return 1 end
return 0";

/// Accounts in Redis.
pub(super) struct RedisAccounts(database::Redis);

impl RedisAccounts {
    pub(super) fn new(redis: database::Redis) -> Self {
        Self(redis)
    }

    async fn get(&self, id: &UserId) -> Result<Option<Vec<u8>>, Failure> {
        self.0.run(cmd("GET").arg(key(id))).await
    }
}

#[async_trait]
impl AccountRepository for RedisAccounts {
    async fn find(&self, id: &UserId) -> Result<Option<Account>, Failure> {
        let record = self.get(id).await?;
        record.map(|record| decode(id, &record)).transpose()
    }

    async fn create(&self, account: &Account) -> Result<bool, Failure> {
        let (id, record) = (&account.user_id, encode(account)?);
        let set: Option<()> = self.0.write(cmd("SET").arg(key(id)).arg(&record).arg("NX")).await?;
        // `write` repeats a command after a lost connection, so the first attempt may have stored this record
        Ok(set.is_some() || self.get(id).await?.is_some_and(|stored| stored == record))
    }

    async fn replace(&self, old: &Account, new: Option<&Account>) -> Result<bool, Failure> {
        let id = &old.user_id;
        let Some(record) = self.get(id).await? else {
            return Ok(false);
        };
        let stored = decode(id, &record)?;
        if stored != *old {
            return Ok(Some(&stored) == new);
        }
        let mut command = cmd("EVAL");
        command.arg(COMPARE_AND_SET).arg(1).arg(key(id)).arg(record);
        if let Some(new) = new {
            command.arg(encode(new)?);
        }
        self.0.write(&command).await
    }
}

fn key(id: &UserId) -> String {
    format!("user:account:{}", id.as_str())
}

/// The stored form of an account. The user ID is in the key.
#[derive(Serialize, Deserialize)]
struct Record {
    account: String,
    name: String,
    password: String,
    created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration: Option<String>,
}

fn encode(account: &Account) -> Result<Vec<u8>, Failure> {
    let record = Record {
        account: account.id.clone(),
        name: account.name.clone(),
        password: account.password_hash.clone(),
        created: account.created,
        registration: account.registration.clone(),
    };
    serde_json::to_vec(&record).map_err(|error| Failure::Internal(error.to_string()))
}

fn decode(id: &UserId, record: &[u8]) -> Result<Account, Failure> {
    // serde's error is dropped, because its text can quote the record
    let record: Record = serde_json::from_slice(record).map_err(|_| Failure::Unreadable("account"))?;
    Ok(Account {
        id: record.account,
        user_id: id.clone(),
        name: record.name,
        password_hash: record.password,
        created: record.created,
        registration: record.registration,
    })
}
