//! Renewal: a session gets a new id, and its old id is dead at once.
//!
//! In the formats whose ids have a verifier, a renewal replaces the verifier's digest in the record: one compare-and-set,
//! and nothing moves. The formats of PHP move the record to a new key instead: see `move_record.rs`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::commit_queue::Commit;
use super::{LoadedSession, RequestStore};
use crate::backend::Outcome;
use crate::error::Error;
use crate::session::change::Change;
use crate::session::id::{IdScheme, SessionId};
use crate::session::metadata::GRACE;
use crate::session::storage_key::StorageKey;
use crate::session::verifier::VerifierDigest;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A renewal whose outcome is unknown.
struct UnknownRenewal {
    key: StorageKey,
    /// The record that the renewal was to replace.
    before: Bytes,
    old: VerifierDigest,
    new: VerifierDigest,
    /// The request's change, if it must not stay with the old id.
    undo: Option<Change>,
}

impl RequestStore {
    /// Renews the session, with everything that it holds now and the request's change. Returns the new id, or `None` if
    /// another request renewed the session first: the change is stored, and that request has the new id.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RequestStore::commit`]. The old id then stays valid, also after [`Error::Unavailable`]: a
    /// background task sees to it.
    pub async fn renew(&self, session: LoadedSession, change: Change) -> Result<Option<SessionId>, Error> {
        match session.metadata.verifier.clone() {
            Some(loaded) => self.renew_in_place(session, loaded, change).await,
            None => self.move_record(session, &change).await.map(Some),
        }
    }

    async fn renew_in_place(
        &self,
        mut session: LoadedSession,
        loaded: VerifierDigest,
        change: Change,
    ) -> Result<Option<SessionId>, Error> {
        let ids = self.rules().format.ids();
        let id = IdScheme::generate_verifier(self.member(&session.key))?;
        let Some(verifier) = ids.verifier_digest(&id) else {
            return Err(session.unreadable("it has a verifier, which its format does not know".to_owned()));
        };
        loop {
            self.check_lifetime(&session)?;
            let before = session.bytes().clone();
            self.apply(&mut session, &change)?;
            session.metadata.renew(verifier.clone(), self.now());
            if let Some(device) = change.device() {
                session.metadata.device = Some(device.into());
            }
            let record = self.encode(&mut session, change.device())?;
            // first the index: then no session of a user is missing in it
            if let Some(entry) = &record.missing_entry {
                self.add_to_index(entry).await?;
            }
            match self.replace(&session.key, &before, &record.bytes).await {
                Ok(Outcome::Applied) => return Ok(Some(id)),
                Ok(Outcome::Gone) => return Err(Error::Ended),
                Ok(Outcome::Changed(newer)) => session = self.decode(session.key, newer)?,
                Err(error) => {
                    if matches!(error, Error::Unavailable(_)) {
                        let undo = change.sets(&self.rules().principal_field).then_some(change);
                        self.settle(UnknownRenewal {
                            key: session.key,
                            before,
                            old: loaded,
                            new: verifier,
                            undo,
                        });
                    }
                    return Err(error);
                }
            }
            match &session.metadata.verifier {
                Some(current) if *current == loaded => {}
                // a backend may repeat the operation against the rule, and another request committed between
                Some(current) if *current == verifier => return Ok(Some(id)),
                _ => {
                    let verifier = Some(loaded);
                    let commit = Arc::new(Commit { change, verifier });
                    return self.commit_as(Box::new(session), commit).await.map(|()| None);
                }
            }
        }
    }

    /// Brings a session in order in the background, after a renewal whose outcome is unknown. The browser has the old id.
    fn settle(&self, renewal: UnknownRenewal) {
        let store = self.store.clone();
        tokio::spawn(async move {
            let (mut waited, mut pause) = (Duration::ZERO, FIRST_PAUSE);
            while waited < GRACE {
                sleep(pause).await;
                match store.request().restore_verifier(&renewal).await {
                    Ok(()) => return,
                    Err(Error::Unreadable { .. } | Error::Unwritable(_) | Error::TooLarge { .. }) => return,
                    Err(_) => {}
                }
                waited += pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// Makes the old id valid again if the renewal took place. If it did not, changes the record so that the delayed
    /// operation cannot match it any more.
    async fn restore_verifier(&self, renewal: &UnknownRenewal) -> Result<(), Error> {
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
                }
                session.metadata.restore(renewal.old.clone());
            } else if session.metadata.verifier.as_ref() != Some(&renewal.old) {
                // another request renewed the session since, so the delayed operation cannot match it
                return Ok(());
            }
            // nobody was given this verifier: it only makes the record different from the one to be matched
            session.metadata.supersede(renewal.new.clone(), self.now());
            let record = self.encode(&mut session, None)?;
            if let Some(entry) = &record.missing_entry {
                self.add_to_index(entry).await?;
            }
            match self.replace(&renewal.key, &before, &record.bytes).await? {
                Outcome::Applied | Outcome::Gone => return Ok(()),
                Outcome::Changed(_) => {}
            }
        }
    }
}
