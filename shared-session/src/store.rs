//! The rules of a session over a backend and a codec: load, create, commit, renew, destroy. The only place that
//! merges, and the place that keeps the promises about storage. It knows nothing of HTTP.

pub(crate) mod circuit_breaker;
mod commit_queue;
pub(crate) mod current_session;
pub(crate) mod index;
mod operations;
pub(crate) mod registry;
mod renewal;
mod termination;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::backend::{Backend, Outcome};
use crate::clock::Clock;
use crate::codec::{Codec, CodecError};
use crate::error::Error;
use crate::format::Format;
use crate::session::change::Change;
use crate::session::fields::{Fields, RESERVED};
use crate::session::handle::Handle;
use crate::session::id::SessionId;
use crate::session::metadata::Metadata;
use crate::session::storage_key::StorageKey;
use crate::store::circuit_breaker::{Budget, CircuitBreaker};
use commit_queue::{CommitQueues, Turn};
use index::Entry;
pub(crate) use termination::{MemberState, RevokeOutcome};

/// How sessions are kept, beside where and how they are spelled.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What goes with the format: ids, keys, tombstones.
    pub format: Format,
    /// What every key begins with.
    pub key_prefix: String,
    /// How long a session lasts without a request; every load begins it anew.
    pub ttl: Duration,
    /// How long a session lasts at most, from its creation, through every renewal.
    pub lifetime: Duration,
    /// The field that tells whose session it is.
    pub principal_field: String,
    /// How long one request waits for the store, all its steps together.
    pub timeout: Duration,
}

/// Sessions in a backend. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    breaker: CircuitBreaker,
    codec: Arc<dyn Codec>,
    rules: Arc<Rules>,
    clock: Clock,
    lines: CommitQueues,
}

/// A session as a request loaded it.
#[derive(Clone, Debug)]
pub struct LoadedSession {
    key: StorageKey,
    fields: Fields,
    metadata: Metadata,
}

/// A record as it is to be written.
struct Draft {
    record: Bytes,
    /// What its index must be told first.
    unlisted: Option<Entry>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Store")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl LoadedSession {
    /// The fields, as they were when the request loaded them.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The error of a record whose fields cannot be used.
    pub(crate) fn unreadable(&self, reason: String) -> Error {
        Error::unreadable(&self.key, reason)
    }

    pub(crate) fn key(&self) -> &StorageKey {
        &self.key
    }

    /// The session's handle.
    pub(crate) fn handle(&self) -> Handle {
        self.kept_handle().cloned().unwrap_or_else(|| Handle::of(&self.key))
    }

    /// The handle that the record holds: none where it is that of the record's key.
    pub(crate) fn kept_handle(&self) -> Option<&Handle> {
        self.metadata.listing.handle.as_ref()
    }

    /// When the session was created, since the epoch, if that is known.
    pub(crate) fn created(&self) -> Option<Duration> {
        self.metadata.created
    }

    /// The device that it was made somebody's from.
    pub(crate) fn device(&self) -> Option<&str> {
        self.metadata.listing.device.as_deref()
    }

    fn record(&self) -> &Bytes {
        self.fields.source()
    }
}

impl Store {
    /// A store of records that `codec` spells, in `backend`.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, codec: Arc<dyn Codec>, rules: Rules, clock: Clock) -> Self {
        Self {
            breaker: CircuitBreaker::new(backend, rules.timeout),
            codec,
            rules: Arc::new(rules),
            clock,
            lines: CommitQueues::default(),
        }
    }

    /// What one request may wait for this store. The same budget goes through all of the request's calls.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.breaker.budget()
    }

    /// Whether the backend answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ready(&self) -> Result<(), Error> {
        self.breaker.ready().await
    }

    /// An id out of a cookie; `None` when this store cannot have issued it.
    #[must_use]
    pub fn parse_id(&self, value: &[u8]) -> Option<SessionId> {
        self.rules.format.ids().parse(value)
    }

    /// Reads a session and begins its idle time anew, in one round trip. `None` when there is no such session: never
    /// issued, expired, destroyed, or renewed under another id.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked, or holds something else under the session's key.
    pub async fn load(&self, id: &SessionId, budget: &mut Budget) -> Result<Option<LoadedSession>, Error> {
        let key = self.key(id);
        let Some(record) = self.read(&key, budget).await? else {
            return Ok(None);
        };
        let session = self.open(key, record)?;
        if session.metadata.tombstone.is_some() {
            self.keep_short(&session, budget).await;
            return Ok(None);
        }
        if self.remaining(&session.metadata).is_zero() {
            // else every visit would keep a dead record for another TTL; that it is dead does not depend on this
            let _ = self.remove(&session.key, session.record(), budget).await;
            return Ok(None);
        }
        Ok(Some(session))
    }

    /// Makes a session of what a request set, under a new id.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked, or a field cannot be stored.
    pub async fn create(&self, change: &Change, budget: &mut Budget) -> Result<SessionId, Error> {
        loop {
            let id = SessionId::generate()?;
            let mut session = LoadedSession {
                key: self.key(&id),
                fields: Fields::new(),
                metadata: Metadata::default(),
            };
            let draft = self.write(&mut session, None, change)?;
            if !self.write_new(&session.key, &draft.record, budget).await? {
                continue;
            }
            // after the record, as a member without one is dropped; and before the id is known to anyone
            if let Some(entry) = &draft.unlisted
                && let Err(error) = self.list(entry, budget).await
            {
                let _ = self.remove(&session.key, &draft.record, budget).await;
                return Err(error);
            }
            return Ok(id);
        }
    }

    /// Makes a request's change to what the session holds by now. Fields that the change does not touch stay as other
    /// requests left them. A session that was renewed meanwhile is changed under its new id, but is not made somebody's
    /// there: who has that id need not be who signs in.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] when the session is no more; [`Error::Superseded`] when it was renewed and the change sets the
    /// principal field; [`Error::Contended`] when other requests were always faster; and when the store cannot be asked.
    /// The change is then not stored, or after [`Error::Unavailable`] perhaps stored.
    pub async fn commit(&self, mut session: LoadedSession, change: &Change, budget: &mut Budget) -> Result<(), Error> {
        loop {
            let place = self.lines.enter(&session.key, budget).await?;
            match self.commit_in_line(session, change, place, budget).await? {
                None => return Ok(()),
                Some(renewed) => session = renewed,
            }
        }
    }

    /// Commits to the session's own record; returns the session that took its place if it was renewed.
    async fn commit_in_line(
        &self,
        mut session: LoadedSession,
        change: &Change,
        mut place: Turn,
        budget: &mut Budget,
    ) -> Result<Option<LoadedSession>, Error> {
        if let Some(newer) = place.found() {
            session = self.open(session.key, newer)?;
        }
        loop {
            let before = session.record().clone();
            self.check_lifetime(&session)?;
            let draft = self.write(&mut session, None, change)?;
            if draft.record == before {
                return Ok(None);
            }
            // before the record is somebody's: there is one already, so nobody drops the member meanwhile
            if let Some(entry) = &draft.unlisted {
                self.list(entry, budget).await?;
            }
            let replaced = self.replace(&session.key, &before, &draft.record, self.idle_time(), budget);
            match replaced.await? {
                Outcome::Applied => {
                    place.leave(draft.record);
                    return Ok(None);
                }
                Outcome::Gone => return Err(Error::Ended),
                Outcome::Changed(newer) => {
                    session = self.open(session.key, newer)?;
                    if session.metadata.tombstone.is_some() {
                        return self.follow(session, change, budget).await.map(Some);
                    }
                }
            }
        }
    }

    /// The session that a tombstone found in its place leads to, for a change that may follow it there.
    async fn follow(
        &self,
        mut found: LoadedSession,
        change: &Change,
        budget: &mut Budget,
    ) -> Result<LoadedSession, Error> {
        while let Some(tombstone) = &found.metadata.tombstone {
            if change.sets(&self.rules.principal_field) {
                return Err(Error::Superseded);
            }
            if tombstone.remaining(self.clock.now()).is_zero() {
                return Err(Error::Ended);
            }
            let key = tombstone.key();
            let record = self.read(&key, budget).await?.ok_or(Error::Ended)?;
            found = self.open(key, record)?;
        }
        Ok(found)
    }

    /// A load begins the expiry of whatever lies under the key anew; a tombstone keeps its own.
    async fn keep_short(&self, session: &LoadedSession, budget: &mut Budget) {
        let Some(tombstone) = &session.metadata.tombstone else {
            return;
        };
        let (key, record) = (&session.key, session.record());
        let remaining = tombstone.remaining(self.clock.now());
        // that it is dead does not depend on this
        let _ = if remaining.is_zero() {
            self.remove(key, record, budget).await
        } else {
            self.replace(key, record, record, remaining, budget).await
        };
    }

    fn key(&self, id: &SessionId) -> StorageKey {
        self.rules.format.ids().key(&self.rules.key_prefix, id)
    }

    /// Reads a record that was found under a key.
    fn open(&self, key: StorageKey, record: Bytes) -> Result<LoadedSession, Error> {
        let decoded = self.codec.decode(record).map_err(|error| error.to_string());
        let read = decoded.and_then(|fields| {
            let metadata = Metadata::read(&fields, self.rules.format.has_tombstones())?;
            Ok((fields, metadata))
        });
        match read {
            Ok((fields, metadata)) => {
                let mut session = LoadedSession { key, fields, metadata };
                self.check_handle(&mut session);
                Ok(session)
            }
            Err(reason) => Err(Error::unreadable(&key, reason)),
        }
    }

    /// The session's record with the change made to it, for its own key or the one that it is renewed as.
    fn write(
        &self,
        session: &mut LoadedSession,
        renewed_as: Option<&StorageKey>,
        change: &Change,
    ) -> Result<Draft, Error> {
        if change.touches(RESERVED) {
            return Err(Error::Unwritable(CodecError::Unwritable {
                field: RESERVED.to_owned(),
                reason: "the name is the session's own".to_owned(),
            }));
        }
        session.fields.apply(change);
        let unlisted = self.mark(session, renewed_as, change.device());
        Ok(Draft {
            record: self.codec.encode(&session.fields)?,
            unlisted,
        })
    }

    /// How long the session may still last, by its lifetime.
    fn remaining(&self, metadata: &Metadata) -> Duration {
        match metadata.created {
            Some(created) => created
                .saturating_add(self.rules.lifetime)
                .saturating_sub(self.clock.now()),
            None => self.rules.lifetime,
        }
    }

    fn check_lifetime(&self, session: &LoadedSession) -> Result<(), Error> {
        if self.remaining(&session.metadata).is_zero() {
            return Err(Error::Ended);
        }
        Ok(())
    }

    /// When a record with so much time left was last used, since the epoch.
    pub(crate) fn last_used(&self, session: &LoadedSession, left: Duration) -> Duration {
        let now = self.clock.now();
        let used = now.saturating_sub(self.idle_time().saturating_sub(left));
        // another program may give its records other times
        used.clamp(session.metadata.created.unwrap_or_default().min(now), now)
    }
}
