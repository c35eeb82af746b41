//! Renewal: a session moves to a new id with everything it holds, and the old id is dead at once.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::{Draft, LoadedSession, Store};
use crate::backend::Outcome;
use crate::error::Error;
use crate::session::change::Change;
use crate::session::id::SessionId;
use crate::session::metadata::Tombstone;
use crate::session::storage_key::StorageKey;
use crate::store::circuit_breaker::Budget;

/// How long an unfinished renewal is looked after: as long as its tombstone could be followed.
const SETTLE_STEPS: u32 = 60;
const SETTLE_PAUSE: Duration = Duration::from_millis(500);

/// What goes in the old record's place.
enum Farewell {
    /// Requests in flight are told where the session went.
    Tombstone(Bytes),
    /// The format's other readers know no tombstones.
    Nothing,
}

/// A renewal whose last step has an unknown end.
struct Unfinished {
    old: StorageKey,
    /// The record that was copied.
    before: Bytes,
    renewed: StorageKey,
    copy: Draft,
    tombstone: Bytes,
    /// What takes the copy's place in the end.
    retirement: Bytes,
    retired: bool,
    /// What the renewal changed, if that must not stay.
    undo: Option<Change>,
}

impl Store {
    /// Gives the session a new id, with everything it holds by now and the request's change.
    ///
    /// First the record is written under the new key, then a tombstone takes the old one's place if that is still the
    /// record which was copied; if it is not, what it became is copied again. So the session is always under one of the
    /// two keys, and whoever ends it meanwhile wins. An index knows the new key before the old one is left.
    ///
    /// `None` when another request renewed the session first: the change is stored, and that request has the new id.
    ///
    /// # Errors
    ///
    /// As [`Store::commit`].
    pub async fn renew(
        &self,
        mut session: LoadedSession,
        change: &Change,
        budget: &mut Budget,
    ) -> Result<Option<SessionId>, Error> {
        let id = SessionId::generate()?;
        let renewed = self.key(&id);
        let farewell = self.farewell(&renewed)?;
        let mut copied = None;
        loop {
            let (before, person) = (session.record().clone(), self.person(&session));
            self.check_lifetime(&session)?;
            let copy = self.write(&mut session, Some(&renewed), change)?;
            self.copy(&renewed, copied.replace(copy.record.clone()), &copy, budget)
                .await?;
            let left = match self.leave(&session.key, &before, &farewell, budget).await {
                Ok(left) => left,
                Err(error) => {
                    match farewell {
                        Farewell::Tombstone(tombstone) => self.settle(Unfinished {
                            retirement: self.codec.encode(&Tombstone::ended(&session.key))?,
                            retired: false,
                            old: session.key,
                            before,
                            renewed,
                            copy,
                            tombstone,
                            undo: change.sets(&self.rules.principal_field).then(|| change.clone()),
                        }),
                        // nothing tells an old record that left from one that was destroyed: it is not brought back
                        Farewell::Nothing => self.drop_copy(&renewed, &copy, budget).await,
                    }
                    return Err(error);
                }
            };
            match left {
                Outcome::Changed(newer) if !farewell.is(&newer) => {
                    session = match self.open(session.key, newer) {
                        Ok(newer) if newer.metadata.tombstone.is_none() => newer,
                        other => {
                            self.drop_copy(&renewed, &copy, budget).await;
                            let session = self.follow(other?, change, budget).await?;
                            return self.commit(session, change, budget).await.map(|()| None);
                        }
                    };
                }
                Outcome::Gone => {
                    self.drop_copy(&renewed, &copy, budget).await;
                    return Err(Error::Ended);
                }
                // or this very tombstone: the step was taken, and its answer was lost
                Outcome::Applied | Outcome::Changed(_) => {
                    self.unlist(&session.key, person.as_ref(), budget).await;
                    return Ok(Some(id));
                }
            }
        }
    }

    fn farewell(&self, renewed: &StorageKey) -> Result<Farewell, Error> {
        if !self.rules.format.has_tombstones() {
            return Ok(Farewell::Nothing);
        }
        let fields = Tombstone::fields(renewed, self.clock.now());
        Ok(Farewell::Tombstone(self.codec.encode(&fields)?))
    }

    /// Writes the session under its new key, which only its index may know yet.
    async fn copy(
        &self,
        renewed: &StorageKey,
        earlier: Option<Bytes>,
        copy: &Draft,
        budget: &mut Budget,
    ) -> Result<(), Error> {
        match earlier {
            None => {
                self.write_new(renewed, &copy.record, budget).await?;
            }
            Some(earlier) => {
                let replaced = self.replace(renewed, &earlier, &copy.record, self.idle_time(), budget);
                // it was revoked; under a key that was left nothing is written again, as its member is being dropped
                if replaced.await? == Outcome::Gone {
                    return Err(Error::Ended);
                }
            }
        }
        if let Some(entry) = &copy.unlisted
            && let Err(error) = self.list(entry, budget).await
        {
            self.drop_copy(renewed, copy, budget).await;
            return Err(error);
        }
        Ok(())
    }

    async fn leave(
        &self,
        old: &StorageKey,
        record: &[u8],
        farewell: &Farewell,
        budget: &mut Budget,
    ) -> Result<Outcome, Error> {
        match farewell {
            Farewell::Tombstone(tombstone) => self.replace(old, record, tombstone, Tombstone::TTL, budget).await,
            Farewell::Nothing => self.remove(old, record, budget).await,
        }
    }

    async fn drop_copy(&self, renewed: &StorageKey, copy: &Draft, budget: &mut Budget) {
        // nobody was told its id, so what stays of it after a failure expires unused
        let removed = self.remove(renewed, &copy.record, budget).await;
        if let (Ok(Outcome::Applied | Outcome::Gone), Some(entry)) = (removed, &copy.unlisted) {
            self.unlist_entry(entry, budget).await;
        }
    }

    /// Looks after a renewal whose last step has an unknown end, in the background: the visitor was told that it
    /// failed and keeps the old id, so the session goes back under that one if it had left it. But not with who signed
    /// in: that was not to be under the old id at any time.
    fn settle(&self, mut unfinished: Unfinished) {
        let store = self.clone();
        tokio::spawn(async move {
            // twice, as the step may be on its way still: a hung Redis takes it when it goes on
            for _ in 0..2 {
                let mut settled = false;
                for _ in 0..SETTLE_STEPS {
                    sleep(SETTLE_PAUSE).await;
                    match store.put_back(&mut unfinished).await {
                        Ok(true) => {
                            settled = true;
                            break;
                        }
                        Ok(false) | Err(Error::Ended | Error::Unreadable { .. } | Error::Unwritable(_)) => return,
                        Err(_) => {}
                    }
                }
                if !settled {
                    return;
                }
            }
        });
    }

    /// Brings the old key in order first, and then retires the copy: so at every moment the session is under one of
    /// them, and whoever ends either ends it. `false` when it was ended.
    async fn put_back(&self, unfinished: &mut Unfinished) -> Result<bool, Error> {
        let budget = &mut self.budget();
        if !unfinished.retired {
            let Some((record, _)) = self.peek(&unfinished.renewed, budget).await? else {
                return Ok(false);
            };
            if record != unfinished.retirement {
                unfinished.copy.record = record;
            }
        }
        let back = self.undone(unfinished)?;
        // an index knows the old key before there is a session under it again; a tombstone's member stays
        if let Some(entry) = &back.unlisted {
            self.list(entry, budget).await?;
        }
        let (old, tombstone) = (&unfinished.old, &unfinished.tombstone);
        // anything but the tombstone is the session, which never left or is back already
        let replaced = self
            .replace(old, tombstone, &back.record, self.idle_time(), budget)
            .await?;
        if unfinished.retired {
            return Ok(replaced != Outcome::Gone);
        }
        self.retire(unfinished, budget).await
    }

    /// Puts a record in the copy's place that leads nowhere, so that a second try tells its own step from somebody's
    /// ending the session. What a request committed to the copy meanwhile goes to the old key.
    async fn retire(&self, unfinished: &mut Unfinished, budget: &mut Budget) -> Result<bool, Error> {
        let renewed = unfinished.renewed.clone();
        loop {
            let (copy, retirement) = (&unfinished.copy.record, &unfinished.retirement);
            let retired = self.replace(&renewed, copy, retirement, Tombstone::TTL, budget).await?;
            let old = self.peek(&unfinished.old, budget).await?;
            let old = old
                .map(|(record, _)| self.open(unfinished.old.clone(), record))
                .transpose()?;
            match (retired, old) {
                (Outcome::Changed(newer), Some(old)) if newer != unfinished.retirement => {
                    let before = self.open(renewed.clone(), unfinished.copy.record.clone())?;
                    let after = self.open(renewed.clone(), newer.clone())?;
                    let late = Change::between(&before.fields, &after.fields.owned());
                    self.commit(old, &late, budget).await?;
                    unfinished.copy.record = newer;
                }
                // ended under either key: there is to be none
                (Outcome::Gone, Some(old)) => return self.destroy(old, budget).await.map(|()| false),
                (_, None) => {
                    self.drop_copy(&renewed, &unfinished.copy, budget).await;
                    return Ok(false);
                }
                (Outcome::Applied | Outcome::Changed(_), Some(_)) => {
                    unfinished.retired = true;
                    if let Some(entry) = &unfinished.copy.unlisted {
                        self.unlist_entry(entry, budget).await;
                    }
                    return Ok(true);
                }
            }
        }
    }

    /// The record for the old key, with what the copy has become.
    fn undone(&self, unfinished: &Unfinished) -> Result<Draft, Error> {
        let mut session = self.open(unfinished.renewed.clone(), unfinished.copy.record.clone())?;
        session.key = unfinished.old.clone();
        if let Some(change) = &unfinished.undo {
            let before = self.open(unfinished.old.clone(), unfinished.before.clone())?;
            session.fields.undo(change, &before.fields);
        }
        self.write(&mut session, None, &Change::default())
    }
}

impl Farewell {
    fn is(&self, record: &[u8]) -> bool {
        matches!(self, Self::Tombstone(tombstone) if tombstone == record)
    }
}
