//! A session's own metadata, in the field [`RESERVED`]: when it was created, how it is listed, or under which key it lives
//! on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fields::{Fields, RESERVED};
use super::handle::Handle;
use super::storage_key::StorageKey;

/// What the store knows of a record beside its fields. A record of another program may have none of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    /// When the session was created, since the epoch.
    pub created: Option<Duration>,
    /// How the session is listed, if it is somebody's.
    pub listing: Listing,
    /// The record is none of a session, but says where it went.
    pub tombstone: Option<Tombstone>,
}

/// What a record holds once its session is somebody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The mark of the index entry that was made for this record.
    pub mark: Option<String>,
    /// The session's handle, where it is not that of the record's key: after a renewal.
    pub handle: Option<Handle>,
    /// The device that it was made somebody's from.
    pub device: Option<String>,
}

/// What lies in a renewed session's old place: for requests in flight, which commit to the key that it names.
#[derive(Clone, Debug)]
pub(crate) struct Tombstone {
    key: String,
    until: Duration,
}

/// The metadata as they are stored, in seconds since the epoch.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    indexed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewed_as: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

impl Metadata {
    /// The metadata of a record.
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
            listing: Listing {
                mark: stored.indexed,
                handle: stored.handle.and_then(|text| text.parse().ok()),
                device: stored.device,
            },
            tombstone,
        })
    }

    /// The field of a session with these metadata.
    pub fn text(&self) -> String {
        let stored = Stored {
            created: self.created.map(|created| created.as_secs()),
            indexed: self.listing.mark.clone(),
            handle: self.listing.handle.as_ref().map(Handle::to_string),
            device: self.listing.device.clone(),
            ..Stored::default()
        };
        stored.text()
    }
}

impl Stored {
    fn text(&self) -> String {
        // numbers and strings: there is nothing in it that could fail
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Tombstone {
    /// How long a tombstone is followed: longer than a request takes.
    pub const TTL: Duration = Duration::from_secs(30);

    /// The fields of a tombstone that is put up now.
    pub fn fields(key: &StorageKey, now: Duration) -> Fields {
        Self::until(key, now + Self::TTL)
    }

    /// The fields of one that nobody follows any more.
    pub fn ended(key: &StorageKey) -> Fields {
        Self::until(key, Duration::ZERO)
    }

    fn until(key: &StorageKey, until: Duration) -> Fields {
        let stored = Stored {
            renewed_as: Some(key.as_str().to_owned()),
            until: Some(until.as_secs()),
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
