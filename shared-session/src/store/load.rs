//! Loading and creating sessions.

use super::{LoadedSession, RequestStore};
use crate::error::Error;
use crate::session::change::Change;
use crate::session::id::SessionId;

/// What an id leads to.
#[derive(Clone, Debug)]
pub enum Loaded {
    /// No session: never issued, expired, destroyed, or renewed some time ago.
    Missing,
    /// The session.
    Session(Box<LoadedSession>),
    /// The session, but a renewal replaced this id a short time ago. It opens nothing any more; a log-out with it still
    /// destroys the session.
    Superseded(Box<LoadedSession>),
}

#[cfg(feature = "testing")]
impl Loaded {
    /// Returns the session, unless its id was superseded.
    #[must_use]
    pub fn session(self) -> Option<LoadedSession> {
        match self {
            Self::Session(session) => Some(*session),
            Self::Missing | Self::Superseded(_) => None,
        }
    }
}

impl RequestStore {
    /// Loads a session and extends its idle timeout, in one round trip.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable, or if the record is unreadable.
    pub async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        let key = self.key(id);
        match self.read(&key, self.idle_time()).await? {
            Some(bytes) => self.check_id(id, Box::new(self.decode(key, bytes)?)).await,
            None => Ok(Loaded::Missing),
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
            Some((bytes, _)) => self.check_id(id, Box::new(self.decode(key, bytes)?)).await,
            None => Ok(Loaded::Missing),
        }
    }

    /// Returns what an id leads to, which found this session.
    async fn check_id(&self, id: &SessionId, session: Box<LoadedSession>) -> Result<Loaded, Error> {
        if self.lifetime_left(&session).is_zero() {
            // nothing depends on it: without it, every visit would keep the dead record for another TTL
            let _ = Box::pin(self.remove(&session.key, session.bytes())).await;
            return Ok(Loaded::Missing);
        }
        let Some(digest) = self.rules().format.ids().verifier_digest(id) else {
            return Ok(Loaded::Session(session));
        };
        if session.metadata.verifier.as_ref() == Some(&digest) {
            Ok(Loaded::Session(session))
        } else if session.metadata.was_superseded(&digest, self.now()) {
            Ok(Loaded::Superseded(session))
        } else {
            Ok(Loaded::Missing)
        }
    }

    /// Succeeds once what a load of this id has found survives a fail-over. A request that changed nothing, because it found its
    /// change done, is only then answered as done.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable, or if too few replicas confirm it.
    pub async fn confirm(&self, id: &SessionId) -> Result<(), Error> {
        self.confirm_key(&self.key(id)).await
    }

    /// Creates a session from the fields that a request set. Returns its id.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable, or if a field cannot be stored.
    pub async fn create(&self, change: &Change) -> Result<SessionId, Error> {
        let ids = self.rules().format.ids();
        loop {
            let id = ids.generate()?;
            let mut session = LoadedSession::new(self.key(&id), ids.verifier_digest(&id));
            self.apply(&mut session, change)?;
            let record = self.encode(&mut session, change.device())?;
            if !self.write_new(&session.key, &record.bytes).await? {
                continue;
            }
            // after the record, because a member without a record is dropped; before anybody knows the id
            if let Some(entry) = &record.missing_entry
                && let Err(error) = self.add_to_index(entry).await
            {
                // nothing depends on it: a record that stays expires unused
                let _ = self.discard(&session.key).await;
                return Err(error);
            }
            return Ok(id);
        }
    }
}
