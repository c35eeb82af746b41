//! Renewal in the formats of PHP, whose ids have no verifier: the record moves to a new key, because the key holds the id.
//!
//! It promises less than renewal in place: see `docs/php.md`.

use super::record::EncodedRecord;
use super::{LoadedSession, RequestStore};
use crate::backend::Outcome;
use crate::error::Error;
use crate::session::change::Change;
use crate::session::id::SessionId;
use crate::session::storage_key::StorageKey;

impl RequestStore {
    /// Copies the session to a new key, and then removes the old record if it is still the one that was copied. Returns
    /// the new id.
    pub(super) async fn move_record(&self, session: LoadedSession, change: &Change) -> Result<SessionId, Error> {
        let id = self.rules().format.ids().generate(false)?;
        let key = self.key(&id);
        let mut copy = None;
        let moved = self.copy_and_remove(session, change, &key, &mut copy).await;
        // after an error too: an old record that is gone may have been destroyed, and the copy must not bring it back
        if let (Err(_), Some(copy)) = (&moved, &copy) {
            self.discard_copy(&key, copy).await;
        }
        moved.map(|()| id)
    }

    async fn copy_and_remove(
        &self,
        mut session: LoadedSession,
        change: &Change,
        new_key: &StorageKey,
        copy: &mut Option<EncodedRecord>,
    ) -> Result<(), Error> {
        loop {
            self.check_lifetime(&session)?;
            let old_key = std::mem::replace(&mut session.key, new_key.clone());
            let (before, user) = (session.bytes().clone(), self.principal(&session));
            self.apply(&mut session, change)?;
            session.note_device(change.device());
            let record = self.encode(&mut session, change.device())?;
            self.write_copy(new_key, record, copy).await?;
            match self.remove(&old_key, &before).await? {
                Outcome::Applied => {
                    if let Some(user) = user {
                        // nothing depends on it: a reader drops a member that has no record
                        let _ = self.drop_member(&user, self.member(&old_key)).await;
                    }
                    return Ok(());
                }
                Outcome::Changed(newer) => session = self.decode(old_key, newer)?,
                Outcome::Gone => return Err(Error::Ended),
            }
        }
    }

    /// Writes the copy, over the one that was written before.
    async fn write_copy(
        &self,
        key: &StorageKey,
        record: EncodedRecord,
        copy: &mut Option<EncodedRecord>,
    ) -> Result<(), Error> {
        let earlier = copy.take().map(|earlier| earlier.bytes);
        let record = copy.insert(record);
        match earlier {
            None => {
                self.write_new(key, record).await?;
            }
            // it was revoked: only the index knew this key
            Some(earlier) if self.replace(key, &earlier, &record.bytes, record.idle_time).await? == Outcome::Gone => {
                return Err(Error::Ended);
            }
            Some(_) => {}
        }
        match &record.missing_entry {
            Some(entry) => self.add_to_index(entry).await,
            None => Ok(()),
        }
    }

    /// Removes a copy whose id nobody was given. A copy that stays after a failure expires unused.
    async fn discard_copy(&self, key: &StorageKey, copy: &EncodedRecord) {
        let discarded = self.discard(key).await;
        if let (Ok(()), Some(entry)) = (discarded, &copy.missing_entry) {
            // nothing depends on it: a reader drops a member that has no record
            let _ = self.index_remove(&entry.index, &entry.member).await;
        }
    }
}
