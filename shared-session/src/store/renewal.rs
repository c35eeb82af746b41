//! Renewal: a session gets a new id, and its old id is dead at once.
//!
//! In the formats whose ids have a verifier, a renewal replaces the verifier's digest in the record: one compare-and-set,
//! and nothing moves. The formats of PHP move the record to a new key instead: see `move_record.rs`.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::commit_queue::Commit;
use super::pauses::pauses;
use super::{LoadedSession, RequestStore, Store};
use crate::backend::Outcome;
use crate::error::Error;
use crate::metrics;
use crate::session::change::Change;
use crate::session::id::{IdScheme, SessionId};
use crate::session::metadata::GRACE;
use crate::session::storage_key::StorageKey;
use crate::session::verifier::VerifierDigest;

/// An id for the browser. If it is dropped before it is [delivered](Self::delivered), the browser still has the old id, so
/// the renewal is settled.
#[derive(Debug)]
pub struct NewId {
    id: SessionId,
    renewal: Option<Box<Unsettled>>,
}

impl NewId {
    /// Returns the id of a session that is new.
    pub(super) fn of_session(id: SessionId) -> Self {
        Self { id, renewal: None }
    }

    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Returns the id, which is now on its way to the browser.
    #[must_use]
    pub fn delivered(self) -> SessionId {
        if let Some(renewal) = self.renewal {
            renewal.forget();
        }
        self.id
    }
}

/// A renewal whose id the browser does not have. Dropping it settles the renewal in the background.
struct Unsettled {
    store: Store,
    renewal: Option<Renewal>,
    _work: TaskTrackerToken,
}

/// What settling a renewal needs.
struct Renewal {
    key: StorageKey,
    /// The record that the renewal was to replace.
    before: Bytes,
    old: VerifierDigest,
    new: VerifierDigest,
    /// The request's change, if it must not stay with the old id.
    undo: Option<Change>,
}

impl Unsettled {
    /// Drops the renewal without settling it.
    fn forget(mut self) {
        self.renewal = None;
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(renewal) = self.renewal.take() {
            let store = self.store.clone();
            self.store.0.tasks.spawn_in_background(settle(store, renewal));
        }
    }
}

impl fmt::Debug for Unsettled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Unsettled").finish_non_exhaustive()
    }
}

impl RequestStore {
    /// Renews the session, with everything that it holds now and the request's change. Returns the new id, or `None` if
    /// another request renewed the session first: the change is stored, and that request has the new id.
    ///
    /// The change of a sign-in says whether the session is remembered from now on. Any other renewal leaves that as it is.
    ///
    /// A sign-in always gets an id. If another request renewed the session first, the sign-in takes over the session if it is
    /// the same user's, and begins a session of its own otherwise.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RequestStore::commit`]. The old id then stays valid. After [`Error::Unavailable`], a background
    /// task restores it.
    pub async fn renew(&self, session: LoadedSession, change: Change) -> Result<Option<NewId>, Error> {
        match session.metadata.verifier.clone() {
            Some(loaded) => self.renew_in_place(session, loaded, change).await,
            None => {
                let id = self.move_record(session, &change).await?;
                metrics::count(metrics::RENEWED);
                Ok(Some(NewId::of_session(id)))
            }
        }
    }

    /// Renews a session for a request whose id has the digest `proven`. Another request may have renewed the session since.
    pub(super) async fn renew_in_place(
        &self,
        mut session: LoadedSession,
        proven: VerifierDigest,
        change: Change,
    ) -> Result<Option<NewId>, Error> {
        let ids = self.rules().format.ids();
        let is_remembered = if self.signs_in(&change) {
            change.is_remembered()
        } else {
            session.is_remembered()
        };
        let id = IdScheme::generate_verifier(self.member(&session.key), is_remembered)?;
        let Some(verifier) = ids.verifier_digest(&id) else {
            return Err(session.unreadable("it has a verifier, which its format does not know".to_owned()));
        };
        loop {
            if session.metadata.verifier.as_ref() != Some(&proven) {
                if !self.signs_in(&change) {
                    // another request has the new id
                    let commit = Commit::new(change, Some(proven));
                    return self.commit_as(Box::new(session), commit).await.map(|()| None);
                }
                if self.is_gone() {
                    // nobody would get this id, and the browser may have the other request's
                    return Err(Error::Superseded);
                }
                // a sign-in is never refused, but it must not take over another user's session
                if self.principal(&session) != self.principal_of(&change) {
                    return self.create(&change).await.map(NewId::of_session).map(Some);
                }
            }
            self.check_lifetime(&session)?;
            let before = session.bytes().clone();
            let old = session.metadata.verifier.clone().unwrap_or_else(|| proven.clone());
            self.apply(&mut session, &change)?;
            session.metadata.renew(verifier.clone(), self.now());
            session.metadata.is_remembered = is_remembered;
            session.note_device(change.device());
            let record = self.encode(&mut session, change.device())?;
            // first the index: then no session of a user is missing in it
            if let Some(entry) = &record.missing_entry {
                self.add_to_index(entry).await?;
            }
            let unsettled = Unsettled {
                store: self.store.clone(),
                renewal: Some(Renewal {
                    key: session.key.clone(),
                    before: before.clone(),
                    old,
                    new: verifier.clone(),
                    undo: change.sets(self.principal_field()).then(|| change.clone()),
                }),
                _work: self.store.0.tasks.token(),
            };
            let replaced = self
                .replace(&session.key, &before, &record.bytes, record.idle_time)
                .await;
            if matches!(replaced, Ok(Outcome::Applied)) {
                metrics::count(metrics::RENEWED);
                let renewal = Some(Box::new(unsettled));
                return Ok(Some(NewId { id, renewal }));
            }
            if !matches!(replaced, Err(Error::Unavailable(_))) {
                unsettled.forget();
            }
            session = match replaced? {
                Outcome::Changed(newer) => self.decode(session.key, newer)?,
                Outcome::Applied | Outcome::Gone => return Err(Error::Ended),
            };
        }
    }

    /// Makes the old id valid again if the renewal took place. If it did not, changes the record, so that the renewal does
    /// not match it if it arrives late.
    async fn restore_verifier(&self, renewal: &Renewal) -> Result<(), Error> {
        loop {
            let Some((bytes, _)) = self.peek(&renewal.key).await? else {
                return Ok(());
            };
            let before = bytes.clone();
            let mut session = self.decode(renewal.key.clone(), bytes)?;
            if session.metadata.verifier.as_ref() == Some(&renewal.new) {
                if let Some(change) = &renewal.undo {
                    let original = self.decode(renewal.key.clone(), renewal.before.clone())?;
                    session.fields.undo(change, &original.fields);
                    session.metadata.signed_in = original.metadata.signed_in;
                    session.metadata.is_remembered = original.metadata.is_remembered;
                }
                session.metadata.restore(renewal.old.clone());
            } else if session.metadata.verifier.as_ref() != Some(&renewal.old) {
                // another request renewed the session, so a late renewal does not match either
                return Ok(());
            }
            // no browser has this verifier: it only makes the record differ from the one that the renewal expects
            session.metadata.supersede(renewal.new.clone(), self.now());
            let record = self.encode(&mut session, None)?;
            if let Some(entry) = &record.missing_entry {
                self.add_to_index(entry).await?;
            }
            match self
                .replace(&renewal.key, &before, &record.bytes, record.idle_time)
                .await?
            {
                Outcome::Applied | Outcome::Gone => return Ok(()),
                Outcome::Changed(_) => {}
            }
        }
    }
}

/// Restores the old id after a renewal whose id the browser does not have. Gives up after [`GRACE`].
async fn settle(store: Store, renewal: Renewal) {
    let mut waited = Duration::ZERO;
    for pause in pauses() {
        match store.request().restore_verifier(&renewal).await {
            Ok(()) | Err(Error::Unreadable { .. } | Error::Unwritable(_) | Error::TooLarge { .. }) => return,
            Err(_) => sleep(pause).await,
        }
        waited += pause;
        if waited >= GRACE {
            return;
        }
    }
}
