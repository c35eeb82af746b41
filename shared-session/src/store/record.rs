//! [`LoadedSession`]: a record as a request read it, decoded and encoded again.

use std::time::Duration;

use bytes::Bytes;

use super::Store;
use super::index::IndexEntry;
use crate::error::Error;
use crate::session::change::Change;
use crate::session::fields::{Field, Fields, RESERVED};
use crate::session::handle::Handle;
use crate::session::metadata::Metadata;
use crate::session::storage_key::StorageKey;
use crate::session::verifier::VerifierDigest;

/// How many characters of a field's name an error holds.
const FIELD_CHARACTERS: usize = 100;

/// A session as a request loaded it.
#[derive(Clone, Debug)]
pub struct LoadedSession {
    pub(super) key: StorageKey,
    pub(super) fields: Fields,
    pub(super) metadata: Metadata,
}

/// A record ready to be written.
pub(super) struct EncodedRecord {
    pub bytes: Bytes,
    /// The expiry that the record gets.
    pub idle_time: Duration,
    /// The entry that the user's index must hold before the record may be used.
    pub missing_entry: Option<IndexEntry>,
}

impl LoadedSession {
    /// Returns a session that is in no record yet.
    pub(super) fn new(key: StorageKey, verifier: Option<VerifierDigest>, is_remembered: bool) -> Self {
        let metadata = Metadata {
            verifier,
            is_remembered,
            ..Metadata::default()
        };
        Self {
            key,
            fields: Fields::new(),
            metadata,
        }
    }

    /// Returns the fields as the request loaded them.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Returns the error of a record whose fields are unusable.
    pub(crate) fn unreadable(&self, reason: String) -> Error {
        Error::unreadable(&self.key, reason)
    }

    pub(crate) fn key(&self) -> &StorageKey {
        &self.key
    }

    /// Notes the device of a renewal, if it is known.
    pub(super) fn note_device(&mut self, device: Option<&str>) {
        if let Some(device) = device {
            self.metadata.device = Some(device.into());
        }
    }

    /// Returns the session's handle.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::of(&self.key)
    }

    /// Returns when the session was created, since the epoch, if the record says so.
    pub(crate) fn created(&self) -> Option<Duration> {
        self.metadata.created
    }

    /// Returns whether the user stays signed in.
    pub(crate) fn is_remembered(&self) -> bool {
        self.metadata.is_remembered
    }

    /// Returns the device that the user signed in from.
    pub(crate) fn device(&self) -> Option<&str> {
        self.metadata.device.as_deref()
    }

    /// Returns the bytes that were read.
    pub(crate) fn bytes(&self) -> &Bytes {
        self.fields.source()
    }
}

impl Store {
    /// Decodes the record that was found under a key.
    pub(super) fn decode(&self, key: StorageKey, bytes: Bytes) -> Result<LoadedSession, Error> {
        let decoded = self.0.codec.decode(bytes).map_err(|error| error.to_string());
        let decoded = decoded.and_then(|fields| {
            let metadata = Metadata::decode(&fields)?;
            Ok((fields, metadata))
        });
        match decoded {
            Ok((fields, metadata)) => Ok(LoadedSession { key, fields, metadata }),
            Err(reason) => Err(Error::unreadable(&key, reason)),
        }
    }

    /// Applies the change to the session. A sign-in restarts its lifetime. Nothing is encoded yet.
    pub(super) fn apply(&self, session: &mut LoadedSession, change: &Change) -> Result<(), Error> {
        if change.touches(RESERVED) {
            return Err(Error::unwritable(RESERVED, "the name is reserved"));
        }
        session.fields.apply(change);
        if self.signs_in(change) {
            session.metadata.sign_in(self.now());
        }
        Ok(())
    }

    /// Updates the session's metadata, and encodes the session. `device` is the device that a sign-in comes from.
    pub(super) fn encode(&self, session: &mut LoadedSession, device: Option<&str>) -> Result<EncodedRecord, Error> {
        let missing_entry = self.update_metadata(session, device);
        self.encode_updated(session, missing_entry)
    }

    /// Encodes a session whose metadata is up to date.
    pub(super) fn encode_updated(
        &self,
        session: &mut LoadedSession,
        missing_entry: Option<IndexEntry>,
    ) -> Result<EncodedRecord, Error> {
        let size_before = session.bytes().len();
        let metadata = session.metadata.encode();
        if session.fields.get(RESERVED) != Some(&metadata) {
            session.fields.set(RESERVED, &metadata);
        }
        let bytes = self.0.codec.encode(&session.fields)?;
        let max = self.rules().max_size;
        // a record that another program made too large may still shrink
        if bytes.len() > max && bytes.len() > size_before {
            let (size, field) = (bytes.len(), self.grown_most(session));
            return Err(Error::TooLarge { size, max, field });
        }
        Ok(EncodedRecord {
            bytes,
            idle_time: self.idle_time(session.is_remembered()),
            missing_entry,
        })
    }

    /// Returns the name of the field that grew most since the record was read.
    fn grown_most(&self, session: &LoadedSession) -> Option<String> {
        let before = match session.bytes() {
            bytes if bytes.is_empty() => Fields::new(),
            bytes => self.0.codec.decode(bytes.clone()).ok()?,
        };
        let growth = |field: &Field| match before.get(&field.name) {
            Some(value) => field.value.len().saturating_sub(value.len()),
            None => field.name.len() + field.value.len(),
        };
        let grown = session.fields.visible_entries().filter(|field| growth(field) > 0);
        let most = grown.max_by_key(|field| growth(field))?;
        Some(most.name.chars().take(FIELD_CHARACTERS).collect())
    }

    /// Returns how long the session may still last, by its lifetime.
    pub(crate) fn lifetime_left(&self, session: &LoadedSession) -> Duration {
        let lifetime = self.lifetime(session.is_remembered());
        match session.metadata.lifetime_start() {
            // a time in the future counts as now: the clock of another program may be wrong
            Some(start) => start.saturating_add(lifetime).saturating_sub(self.now()).min(lifetime),
            None => lifetime,
        }
    }

    /// Returns when the session's lifetime ends, since the epoch, if the record says when it began.
    pub(super) fn lifetime_end(&self, session: &LoadedSession) -> Option<Duration> {
        let start = session.metadata.lifetime_start()?.min(self.now());
        Some(start.saturating_add(self.lifetime(session.is_remembered())))
    }

    pub(super) fn check_lifetime(&self, session: &LoadedSession) -> Result<(), Error> {
        if self.lifetime_left(session).is_zero() {
            return Err(Error::Ended);
        }
        Ok(())
    }

    /// Returns when a session whose record has the time `left` was last used, since the epoch.
    pub(crate) fn last_used(&self, session: &LoadedSession, left: Duration) -> Duration {
        let now = self.now();
        let used = now.saturating_sub(self.idle_time(session.is_remembered()).saturating_sub(left));
        // another program may give its records other times
        used.clamp(session.metadata.created.unwrap_or_default().min(now), now)
    }
}
