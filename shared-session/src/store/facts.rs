//! A session's own facts, in the field [`RESERVED`]: when it was created, or under which key it lives on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fields::{Fields, RESERVED};
use crate::id::StorageKey;

/// What the store knows of a record beside its fields. A record of another program may have none of it.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// When the session was created, since the epoch.
    pub created: Option<Duration>,
    /// The record is none of a session, but says where it went.
    pub tombstone: Option<Tombstone>,
}

/// What lies in a renewed session's old place: for requests in flight, which commit to the key that it names.
#[derive(Debug)]
pub(super) struct Tombstone {
    key: String,
    until: Duration,
}

/// The facts as they are stored, in seconds since the epoch.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewed_as: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

impl Facts {
    /// The facts of a record.
    pub fn read(fields: &Fields, tombstones: bool) -> Result<Self, String> {
        let Some(text) = fields.get(RESERVED) else {
            return Ok(Self::default());
        };
        let stored: Stored =
            serde_json::from_str(text).map_err(|_| format!("the field {RESERVED} is not the session's own"))?;
        let tombstone = stored.renewed_as.filter(|_| tombstones).map(|key| Tombstone {
            key,
            until: Duration::from_secs(stored.until.unwrap_or(0)),
        });
        Ok(Self {
            created: stored.created.map(Duration::from_secs),
            tombstone,
        })
    }

    /// The field of a session that is created now.
    pub fn created(now: Duration) -> String {
        let stored = Stored {
            created: Some(now.as_secs()),
            ..Stored::default()
        };
        stored.text()
    }
}

impl Stored {
    fn text(&self) -> String {
        // numbers and a string: there is nothing in it that could fail
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Tombstone {
    /// How long a tombstone is followed: longer than a request takes.
    pub const TTL: Duration = Duration::from_secs(30);

    /// The fields of a tombstone that is put up now.
    pub fn fields(key: &StorageKey, now: Duration) -> Fields {
        let stored = Stored {
            renewed_as: Some(key.as_str().to_owned()),
            until: Some((now + Self::TTL).as_secs()),
            ..Stored::default()
        };
        let mut fields = Fields::new();
        fields.set(RESERVED, &stored.text());
        fields
    }

    /// The key that the session lives on under.
    pub fn key(&self) -> StorageKey {
        StorageKey::named_by_tombstone(self.key.clone())
    }

    /// How long it is still followed.
    pub fn remaining(&self, now: Duration) -> Duration {
        self.until.saturating_sub(now)
    }
}
