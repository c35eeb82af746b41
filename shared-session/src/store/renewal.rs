//! Renewal: a session moves to a new id with everything it holds, and the old id is dead at once.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::facts::Tombstone;
use super::{Loaded, Store};
use crate::backend::Outcome;
use crate::breaker::Budget;
use crate::error::Error;
use crate::fields::Change;
use crate::id::{SessionId, StorageKey};

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

impl Store {
    /// Gives the session a new id, with everything it holds by now and the request's change.
    ///
    /// First the record is written under the new key, then a tombstone takes the old one's place if that is still the
    /// record which was copied; if it is not, what it became is copied again. So the session is always under one of the
    /// two keys, and whoever ends it meanwhile wins.
    ///
    /// `None` when another request renewed the session first: the change is stored, and that request has the new id.
    ///
    /// # Errors
    ///
    /// As [`Store::commit`].
    pub async fn renew(
        &self,
        mut session: Loaded,
        change: &Change,
        budget: &mut Budget,
    ) -> Result<Option<SessionId>, Error> {
        let id = SessionId::generate()?;
        let renewed = self.key(&id);
        let farewell = self.farewell(&renewed)?;
        let mut copied = None;
        loop {
            let before = session.record().clone();
            let ttl = self.ttl(&session)?;
            let record = self.encode(&mut session.fields, change)?;
            self.copy(&renewed, copied.replace(record.clone()), &record, ttl, budget)
                .await?;
            let left = match self.leave(&session.key, &before, &farewell, budget).await {
                Ok(left) => left,
                Err(error) => {
                    self.settle(session.key, renewed, farewell, record, ttl);
                    return Err(error);
                }
            };
            match left {
                Outcome::Done => return Ok(Some(id)),
                // this very tombstone: the step was taken, and its answer was lost
                Outcome::Changed(newer) if farewell.is(&newer) => return Ok(Some(id)),
                Outcome::Gone => {
                    self.drop_copy(&renewed, &record, budget).await;
                    return Err(Error::Ended);
                }
                Outcome::Changed(newer) => {
                    let fields = self.decode(&session.key, newer.clone())?;
                    if self.facts(&session.key, &fields)?.tombstone.is_some() {
                        self.drop_copy(&renewed, &record, budget).await;
                        let session = self.follow(session.key, newer, budget).await?;
                        return self.commit(session, change, budget).await.map(|()| None);
                    }
                    session.fields = fields;
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

    /// Writes the session under its new key, where nobody but this request knows it yet.
    async fn copy(
        &self,
        renewed: &StorageKey,
        earlier: Option<Bytes>,
        record: &[u8],
        ttl: Duration,
        budget: &mut Budget,
    ) -> Result<(), Error> {
        match earlier {
            None => self.write_new(renewed, record, ttl, budget).await.map(|_| ()),
            Some(earlier) => self.replace(renewed, &earlier, record, ttl, budget).await.map(|_| ()),
        }
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

    async fn drop_copy(&self, renewed: &StorageKey, record: &[u8], budget: &mut Budget) {
        // nobody was told its id, so what stays of it after a failure expires unseen
        let _ = self.remove(renewed, record, budget).await;
    }

    /// Looks after a renewal whose last step has an unknown end, in the background: the visitor was told that it
    /// failed and keeps the old id, so the session goes back under that one if it had left it.
    fn settle(&self, old: StorageKey, renewed: StorageKey, farewell: Farewell, record: Bytes, ttl: Duration) {
        // without a tombstone nothing tells an old record that left from one that was destroyed
        let Farewell::Tombstone(tombstone) = farewell else {
            return;
        };
        let store = self.clone();
        tokio::spawn(async move {
            let Some(record) = store.take_back(&renewed, record).await else {
                return;
            };
            // twice, as the step may be on its way still: a hung Redis takes it when it goes on
            for _ in 0..2 {
                for _ in 0..SETTLE_STEPS {
                    sleep(SETTLE_PAUSE).await;
                    match store.replace(&old, &tombstone, &record, ttl, &mut store.budget()).await {
                        Ok(Outcome::Done | Outcome::Gone) => return,
                        Ok(Outcome::Changed(_)) => break,
                        Err(_) => {}
                    }
                }
            }
        });
    }

    /// Removes the copy under the new key and returns what it held; `None` when the session was ended there.
    async fn take_back(&self, renewed: &StorageKey, mut record: Bytes) -> Option<Bytes> {
        for _ in 0..SETTLE_STEPS {
            match self.remove(renewed, &record, &mut self.budget()).await {
                Ok(Outcome::Done) => return Some(record),
                Ok(Outcome::Gone) => return None,
                Ok(Outcome::Changed(newer)) => record = newer,
                Err(_) => sleep(SETTLE_PAUSE).await,
            }
        }
        None
    }
}

impl Farewell {
    fn is(&self, record: &[u8]) -> bool {
        matches!(self, Self::Tombstone(tombstone) if tombstone == record)
    }
}
