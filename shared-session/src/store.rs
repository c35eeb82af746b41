//! The rules of a session over a backend and a codec: load, create, commit, renew, destroy. The only place that
//! merges, and the place that keeps the promises about storage. It knows nothing of HTTP.

mod facts;
mod line;
mod renewal;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::backend::{Backend, Outcome};
use crate::breaker::{Breaker, Budget};
use crate::clock::Clock;
use crate::codec::{Codec, CodecError};
use crate::error::Error;
use crate::fields::{Change, Fields, RESERVED};
use crate::format::Format;
use crate::id::{SessionId, StorageKey};
use facts::{Facts, Tombstone};
use line::{Lines, Place};

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
    /// How long one request waits for the store, all its steps together.
    pub timeout: Duration,
}

/// Sessions in a backend. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    breaker: Breaker,
    codec: Arc<dyn Codec>,
    rules: Arc<Rules>,
    clock: Clock,
    lines: Lines,
}

/// A session as a request loaded it.
#[derive(Clone, Debug)]
pub struct Loaded {
    key: StorageKey,
    fields: Fields,
}

impl Loaded {
    /// The fields, as they were when the request loaded them.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The error of a record whose fields cannot be used.
    pub(crate) fn unreadable(&self, reason: String) -> Error {
        Error::Unreadable {
            key: self.key.clone(),
            reason,
        }
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
            breaker: Breaker::new(backend, rules.timeout),
            codec,
            rules: Arc::new(rules),
            clock,
            lines: Lines::default(),
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
    pub async fn load(&self, id: &SessionId, budget: &mut Budget) -> Result<Option<Loaded>, Error> {
        let key = self.key(id);
        let Some(record) = self.read(&key, budget).await? else {
            return Ok(None);
        };
        let fields = self.decode(&key, record)?;
        let facts = self.facts(&key, &fields)?;
        let session = Loaded { key, fields };
        if let Some(tombstone) = facts.tombstone {
            self.keep_short(&session, &tombstone, budget).await;
            return Ok(None);
        }
        if self.remaining(&facts).is_zero() {
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
        let mut fields = Fields::new();
        let record = self.encode(&mut fields, change)?;
        loop {
            let id = SessionId::generate()?;
            if self
                .write_new(&self.key(&id), &record, self.first_ttl(), budget)
                .await?
            {
                return Ok(id);
            }
        }
    }

    /// Makes a request's change to what the session holds by now. Fields that the change does not touch stay as other
    /// requests left them. A session that was renewed meanwhile is changed under its new id.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] when the session is no more; [`Error::Contended`] when other requests were always faster; and
    /// when the store cannot be asked. The change is then not stored, or after [`Error::Unavailable`] perhaps stored.
    pub async fn commit(&self, mut session: Loaded, change: &Change, budget: &mut Budget) -> Result<(), Error> {
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
        mut session: Loaded,
        change: &Change,
        mut place: Place,
        budget: &mut Budget,
    ) -> Result<Option<Loaded>, Error> {
        if let Some(newer) = place.found() {
            session.fields = self.decode(&session.key, newer)?;
        }
        loop {
            let before = session.record().clone();
            let ttl = self.ttl(&session)?;
            let record = self.encode(&mut session.fields, change)?;
            if record == before {
                return Ok(None);
            }
            match self.replace(&session.key, &before, &record, ttl, budget).await? {
                Outcome::Done => {
                    place.leave(record);
                    return Ok(None);
                }
                Outcome::Gone => return Err(Error::Ended),
                Outcome::Changed(newer) => {
                    let key = session.key.clone();
                    session = self.follow(session.key, newer, budget).await?;
                    if session.key != key {
                        return Ok(Some(session));
                    }
                }
            }
        }
    }

    /// Ends a session for good, also one that was renewed meanwhile: nothing under way brings it back.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked. The session then may live on.
    pub async fn destroy(&self, session: Loaded, budget: &mut Budget) -> Result<(), Error> {
        let mut tombstones = Vec::new();
        let (mut key, mut record) = (session.key.clone(), session.record().clone());
        loop {
            match self.remove(&key, &record, budget).await? {
                // a tombstone goes after what it names, so that a failure on the way leaves the way
                Outcome::Done | Outcome::Gone => match tombstones.pop() {
                    Some(passed) => (key, record) = passed,
                    None => return Ok(()),
                },
                Outcome::Changed(newer) => {
                    let fields = self.decode(&key, newer.clone())?;
                    match self.facts(&key, &fields)?.tombstone {
                        None => record = newer,
                        Some(tombstone) => {
                            tombstones.push((key, newer));
                            // no record is empty in a format that has tombstones: this asks what is there
                            (key, record) = (tombstone.key(), Bytes::new());
                        }
                    }
                }
            }
        }
    }

    /// The session that a record found at commit belongs to: itself, or the one that a tombstone names.
    async fn follow(&self, mut key: StorageKey, mut record: Bytes, budget: &mut Budget) -> Result<Loaded, Error> {
        loop {
            let fields = self.decode(&key, record)?;
            let Some(tombstone) = self.facts(&key, &fields)?.tombstone else {
                return Ok(Loaded { key, fields });
            };
            if tombstone.remaining(self.clock.now()).is_zero() {
                return Err(Error::Ended);
            }
            key = tombstone.key();
            record = self.read(&key, budget).await?.ok_or(Error::Ended)?;
        }
    }

    /// A load begins the expiry of whatever lies under the key anew; a tombstone keeps its own.
    async fn keep_short(&self, session: &Loaded, tombstone: &Tombstone, budget: &mut Budget) {
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

    fn decode(&self, key: &StorageKey, record: Bytes) -> Result<Fields, Error> {
        self.codec.decode(record).map_err(|error| Error::Unreadable {
            key: key.clone(),
            reason: error.to_string(),
        })
    }

    /// The record with the change made to it; a session that another program began gets its facts now.
    fn encode(&self, fields: &mut Fields, change: &Change) -> Result<Bytes, Error> {
        if change.touches(RESERVED) {
            return Err(Error::Unwritable(CodecError::Unwritable {
                field: RESERVED.to_owned(),
                reason: "the name is the session's own".to_owned(),
            }));
        }
        fields.apply(change);
        if fields.get(RESERVED).is_none() {
            fields.set(RESERVED, &Facts::created(self.clock.now()));
        }
        Ok(self.codec.encode(fields)?)
    }

    fn facts(&self, key: &StorageKey, fields: &Fields) -> Result<Facts, Error> {
        Facts::read(fields, self.rules.format.has_tombstones()).map_err(|reason| Error::Unreadable {
            key: key.clone(),
            reason,
        })
    }

    /// How long the session may still last, by its lifetime.
    fn remaining(&self, facts: &Facts) -> Duration {
        match facts.created {
            Some(created) => created
                .saturating_add(self.rules.lifetime)
                .saturating_sub(self.clock.now()),
            None => self.rules.lifetime,
        }
    }

    /// The expiry that a session's record gets: the idle time, and not past its lifetime.
    fn ttl(&self, session: &Loaded) -> Result<Duration, Error> {
        let remaining = self.remaining(&self.facts(&session.key, &session.fields)?);
        if remaining.is_zero() {
            return Err(Error::Ended);
        }
        Ok(remaining.min(self.rules.ttl))
    }

    fn first_ttl(&self) -> Duration {
        self.rules.ttl.min(self.rules.lifetime)
    }

    async fn read(&self, key: &StorageKey, budget: &mut Budget) -> Result<Option<Bytes>, Error> {
        self.breaker
            .call(budget, key, |backend| backend.load(key.as_str(), self.first_ttl()))
            .await
    }

    async fn write_new(
        &self,
        key: &StorageKey,
        record: &[u8],
        ttl: Duration,
        budget: &mut Budget,
    ) -> Result<bool, Error> {
        self.breaker
            .call(budget, key, |backend| backend.create(key.as_str(), record, ttl))
            .await
    }

    async fn replace(
        &self,
        key: &StorageKey,
        expected: &[u8],
        record: &[u8],
        ttl: Duration,
        budget: &mut Budget,
    ) -> Result<Outcome, Error> {
        self.breaker
            .call(budget, key, |backend| {
                backend.replace(key.as_str(), expected, record, ttl)
            })
            .await
    }

    async fn remove(&self, key: &StorageKey, expected: &[u8], budget: &mut Budget) -> Result<Outcome, Error> {
        self.breaker
            .call(budget, key, |backend| backend.remove(key.as_str(), expected))
            .await
    }
}
