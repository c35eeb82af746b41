//! Stores accounts in Redis: each is a JSON string under `user:account:<id>`, without an expiry.

use ::redis::cmd;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use service_kit::Failure;
use service_kit::database;

use super::AccountRepository;
use crate::account::{Account, AccountId};

/// Replaces a record if it is the expected one. Each hash has its own salt, so if the record already is the new one, this
/// command was sent twice, because its first reply was lost.
const COMPARE_AND_SET: &str = "
local record = redis.call('GET', KEYS[1])
if record == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end
if record == ARGV[2] then return 1 end
return 0";

/// Accounts in Redis.
pub(super) struct RedisAccounts(database::Redis);

impl RedisAccounts {
    pub(super) fn new(redis: database::Redis) -> Self {
        Self(redis)
    }

    async fn get(&self, id: &AccountId) -> Result<Option<Vec<u8>>, Failure> {
        self.0.run(cmd("GET").arg(key(id))).await
    }
}

#[async_trait]
impl AccountRepository for RedisAccounts {
    async fn find(&self, id: &AccountId) -> Result<Option<Account>, Failure> {
        let record = self.get(id).await?;
        record.map(|record| decode(id, &record)).transpose()
    }

    async fn create(&self, account: &Account) -> Result<bool, Failure> {
        let (id, record) = (&account.id, encode(account)?);
        let set: Option<()> = self.0.write(cmd("SET").arg(key(id)).arg(&record).arg("NX")).await?;
        // `write` repeats a command after a lost connection, so the first attempt may have stored this record
        Ok(set.is_some() || self.get(id).await?.is_some_and(|stored| stored == record))
    }

    async fn replace_password_hash(&self, id: &AccountId, expected: &str, new: &str) -> Result<bool, Failure> {
        let Some(old_record) = self.get(id).await? else {
            return Ok(false);
        };
        let account = decode(id, &old_record)?;
        if account.password_hash != expected {
            return Ok(account.password_hash == new);
        }
        let new_record = encode(&Account {
            password_hash: new.to_owned(),
            ..account
        })?;
        let mut command = cmd("EVAL");
        command
            .arg(COMPARE_AND_SET)
            .arg(1)
            .arg(key(id))
            .arg(old_record)
            .arg(new_record);
        self.0.write(&command).await
    }

    async fn delete(&self, id: &AccountId) -> Result<bool, Failure> {
        self.0.write(cmd("DEL").arg(key(id))).await
    }
}

fn key(id: &AccountId) -> String {
    format!("user:account:{}", id.as_str())
}

/// The stored form of an account. The ID is in the key.
#[derive(Serialize, Deserialize)]
struct Record {
    name: String,
    password: String,
    created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration: Option<String>,
}

fn encode(account: &Account) -> Result<Vec<u8>, Failure> {
    let record = Record {
        name: account.name.clone(),
        password: account.password_hash.clone(),
        created: account.created,
        registration: account.registration.clone(),
    };
    serde_json::to_vec(&record).map_err(|error| Failure::Internal(error.to_string()))
}

fn decode(id: &AccountId, record: &[u8]) -> Result<Account, Failure> {
    // serde's error is dropped, because its text can quote the record
    let record: Record = serde_json::from_slice(record).map_err(|_| Failure::Unreadable("account"))?;
    Ok(Account {
        id: id.clone(),
        name: record.name,
        password_hash: record.password,
        created: record.created,
        registration: record.registration,
    })
}
