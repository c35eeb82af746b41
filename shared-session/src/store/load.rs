//! Loading and creating sessions.

use futures_util::future::try_join_all;

use super::{LoadedSession, RequestStore};
use crate::error::Error;
use crate::metrics;
use crate::session::change::Change;
use crate::session::id::SessionId;
use crate::session::storage_key::StorageKey;

/// What an id leads to.
#[derive(Clone, Debug, Default)]
pub enum Loaded {
    /// No session: never issued, idle for too long, destroyed, or renewed some time ago.
    #[default]
    Missing,
    /// The session, but its lifetime is over by the clock of this process, which may be wrong. It opens nothing; a log-out
    /// destroys it.
    Expired(Box<LoadedSession>),
    /// The session.
    Session(Box<LoadedSession>),
    /// The session, but a renewal replaced this id a short time ago. It opens nothing any more; a log-out with it still
    /// destroys the session.
    Superseded(Box<LoadedSession>),
}

/// What the ids of a request lead to.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// The session that the request reads and changes.
    pub loaded: Loaded,
    /// The id of that session.
    pub id: Option<SessionId>,
    /// The other sessions that the request proves. A log-out ends them, too.
    pub others: Vec<Loaded>,
    /// All ids of the request.
    pub(super) ids: Vec<SessionId>,
}

/// How a request reads its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As it is now. Extends the idle timeout.
    Now,
    /// Perhaps as the process remembers it. Extends the idle timeout.
    Remembered,
    /// As it is now. Leaves the idle timeout as it is.
    WithoutExtending,
}

/// How many ids are looked up at once.
const IDS_AT_ONCE: usize = 16;

impl Opened {
    /// Returns whether several sessions are live, so that nobody can tell which one the browser means.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.others.iter().any(|other| matches!(other, Loaded::Session(_)))
    }
}

impl From<Loaded> for Opened {
    fn from(loaded: Loaded) -> Self {
        Self {
            loaded,
            ..Self::default()
        }
    }
}

#[cfg(feature = "testing")]
impl Loaded {
    /// Returns the session, unless its id was superseded.
    #[must_use]
    pub fn session(self) -> Option<LoadedSession> {
        match self {
            Self::Session(session) => Some(*session),
            Self::Missing | Self::Expired(_) | Self::Superseded(_) => None,
        }
    }
}

impl RequestStore {
    /// Loads what the distinct ids of a request lead to, in one round trip for each. The session of the one live id counts. If
    /// several are live, nobody can tell which one the browser means, and none counts.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RequestStore::load`].
    pub async fn open(&self, ids: Vec<SessionId>, reading: Reading) -> Result<Opened, Error> {
        let load = async |id| match reading {
            Reading::Now => self.load(id).await,
            Reading::Remembered => self.recall(id).await,
            Reading::WithoutExtending => self.load_without_extending(id).await,
        };
        // most requests have one id, and need no list
        if let [id] = &ids[..] {
            let (mut opened, found) = (Opened::default(), load(id).await?);
            match found {
                Loaded::Expired(_) => opened.others.push(found),
                _ => (opened.loaded, opened.id) = (found, Some(id.clone())),
            }
            return Ok(Opened { ids, ..opened });
        }
        let mut others = Vec::with_capacity(ids.len());
        for ids in ids.chunks(IDS_AT_ONCE) {
            others.extend(try_join_all(ids.iter().map(load)).await?);
        }
        let is_live = |found: &Loaded| matches!(found, Loaded::Session(_));
        let counts = match others.iter().filter(|found| is_live(found)).count() {
            0 => others.iter().position(|found| matches!(found, Loaded::Superseded(_))),
            1 => others.iter().position(is_live),
            _ => None,
        };
        let loaded = counts.map(|position| others.swap_remove(position)).unwrap_or_default();
        others.retain(|found| !matches!(found, Loaded::Missing));
        Ok(Opened {
            loaded,
            id: counts.map(|position| ids[position].clone()),
            others,
            ids,
        })
    }

    /// Loads a session and extends its idle timeout, in one round trip.
    ///
    /// The id says which idle timeout the session has. An id from before the sign-in, or a forged one, may say the wrong one.
    /// Then one more round trip gives the record the right one. Otherwise somebody with an id that opens nothing could shorten a
    /// remembered session.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable, or if the record is unreadable.
    pub async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        self.load_and(id, self.key(id), false).await
    }

    /// Returns a session that the backend remembers, or else loads it. A remembered record may be out of date. It counts only if it
    /// is a live session of exactly this id. The idle timeout may be a little shorter than after a load.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RequestStore::load`].
    pub async fn recall(&self, id: &SessionId) -> Result<Loaded, Error> {
        let (mut key, is_remembered) = (self.key(id), id.is_remembered());
        if let Some(bytes) = self.remembered(&key, self.idle_time(is_remembered)) {
            if let Ok(session) = self.decode(key, bytes)
                && session.is_remembered() == is_remembered
                && let found @ Loaded::Session(_) = self.check_id(id, Box::new(session))
            {
                return Ok(found);
            }
            key = self.key(id);
        }
        match self.load_and(id, key, true).await {
            // a load makes the backend forget it
            Err(Error::Unreadable { .. }) => self.load(id).await,
            loaded => loaded,
        }
    }

    /// Loads the session under the id's key. `may_remember` lets the backend remember it.
    async fn load_and(&self, id: &SessionId, key: StorageKey, may_remember: bool) -> Result<Loaded, Error> {
        let mut is_remembered = id.is_remembered();
        loop {
            let idle_time = self.idle_time(is_remembered);
            let read = match may_remember {
                true => self.read_and_remember(&key, idle_time).await?,
                false => self.read(&key, idle_time).await?,
            };
            let Some(bytes) = read else {
                return Ok(Loaded::Missing);
            };
            let session = Box::new(self.decode(key.clone(), bytes)?);
            if session.is_remembered() == is_remembered {
                return Ok(self.check_id(id, session));
            }
            is_remembered = session.is_remembered();
        }
    }

    /// Loads a session and leaves its idle timeout as it is, in one round trip.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RequestStore::load`].
    pub async fn load_without_extending(&self, id: &SessionId) -> Result<Loaded, Error> {
        let key = self.key(id);
        match self.peek(&key).await? {
            Some((bytes, _)) => Ok(self.check_id(id, Box::new(self.decode(key, bytes)?))),
            None => Ok(Loaded::Missing),
        }
    }

    /// Returns what an id leads to. `session` is the one under the id's key.
    fn check_id(&self, id: &SessionId, session: Box<LoadedSession>) -> Loaded {
        let digest = self.rules().format.ids().verifier_digest(id);
        let is_current = digest.is_none() || session.metadata.verifier == digest;
        let is_superseded = || digest.is_some_and(|digest| session.metadata.was_superseded(&digest, self.now()));
        if !is_current && !is_superseded() {
            Loaded::Missing
        } else if self.lifetime_left(&session).is_zero() {
            // the record stays: the clock of this process may be wrong
            Loaded::Expired(session)
        } else if is_current {
            Loaded::Session(session)
        } else {
            Loaded::Superseded(session)
        }
    }

    /// Waits until replicas have the records that the ids of a request lead to.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable, or if too few replicas confirm it.
    pub async fn confirm(&self, opened: &Opened) -> Result<(), Error> {
        for id in &opened.ids {
            self.confirm_key(&self.key(id)).await?;
        }
        Ok(())
    }

    /// Creates a session from the fields that a request set. It is remembered if the change says so. Returns its id.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable, or if a field cannot be stored.
    pub async fn create(&self, change: &Change) -> Result<SessionId, Error> {
        loop {
            let id = self.rules().format.ids().generate(change.is_remembered())?;
            if self.create_as(&id, change).await? {
                return Ok(id);
            }
        }
    }

    /// Creates a session under an id that nobody knows yet. Returns `false` if another session has its key.
    pub(super) async fn create_as(&self, id: &SessionId, change: &Change) -> Result<bool, Error> {
        let verifier = self.rules().format.ids().verifier_digest(id);
        let mut session = LoadedSession::new(self.key(id), verifier, id.is_remembered());
        self.apply(&mut session, change)?;
        let record = self.encode(&mut session, change.device())?;
        if !self.write_new(&session.key, &record).await? {
            return Ok(false);
        }
        // after the record, because readers drop a member without one; before anybody knows the id
        if let Some(entry) = &record.missing_entry
            && let Err(error) = self.add_to_index(entry).await
        {
            // nothing depends on it: a record that stays expires unused
            let _ = self.discard(&session.key).await;
            return Err(error);
        }
        metrics::count(metrics::CREATED);
        Ok(true)
    }
}
