//! The end of a session before its time: destroyed by its own visitor, or revoked by whoever may.

use std::time::Duration;

use super::index::Person;
use super::{LoadedSession, Store};
use crate::backend::Outcome;
use crate::error::Error;
use crate::store::circuit_breaker::Budget;

/// What became of a session that was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RevokeOutcome {
    /// It ended now.
    Ended,
    /// There was none any more. It ended, or in a format without tombstones it may have been renewed.
    Gone,
    /// It is none of those that were meant.
    Spared,
}

/// What a member of a person's index stands for.
pub(crate) enum MemberState {
    /// A session of the person, and the time that its record has left.
    Session(Box<LoadedSession>, Duration),
    /// No session, and it never will be one again: the member can be dropped.
    Gone,
    /// A record that is not the person's session: not yet, no more, or not readable. The member must stay, as a sign-in
    /// may be under way that has added it already.
    Other,
}

impl Store {
    /// Ends a session for good, also one that was renewed meanwhile: nothing under way brings it back.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked. The session then may live on.
    pub async fn destroy(&self, session: LoadedSession, budget: &mut Budget) -> Result<(), Error> {
        self.end(session, |_| true, budget).await.map(|_| ())
    }

    /// What lies under a member of a person's index, without giving it more time.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub(crate) async fn look(&self, person: &Person, member: &str, budget: &mut Budget) -> Result<MemberState, Error> {
        let (session, left) = match self.find(member, budget).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(MemberState::Gone),
            Err(error @ Error::Unreadable { .. }) => {
                // no request can use it, and it is left as it is
                tracing::error!(error = %error, "a record in the index of sessions cannot be read");
                return Ok(MemberState::Other);
            }
            Err(error) => return Err(error),
        };
        if session.metadata.tombstone.is_some() || !self.belongs(&session, person) {
            return Ok(MemberState::Other);
        }
        if self.remaining(&session.metadata).is_zero() {
            return Ok(MemberState::Gone);
        }
        Ok(MemberState::Session(Box::new(session), left))
    }

    /// Ends what a member of a person's index stands for, also if it was renewed meanwhile, if it is the person's and
    /// `meant`.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub(crate) async fn revoke(
        &self,
        person: &Person,
        member: &str,
        meant: impl Fn(&LoadedSession) -> bool + Send + Sync,
        mut budget: Budget,
    ) -> Result<RevokeOutcome, Error> {
        let budget = &mut budget;
        let (fate, stale) = match self.find(member, budget).await {
            Ok(Some((found, _))) => {
                let stale = found.metadata.tombstone.is_some();
                let meant = |session: &LoadedSession| self.belongs(session, person) && meant(session);
                (self.end(found, meant, budget).await?, stale)
            }
            Ok(None) => (RevokeOutcome::Gone, true),
            Err(Error::Unreadable { .. }) => return Ok(RevokeOutcome::Spared), // as no request can use it
            Err(error) => return Err(error),
        };
        if fate != RevokeOutcome::Spared && stale {
            // a member without a record is dropped when it is read
            let _ = self.drop_member(person, member, budget).await;
        }
        Ok(fate)
    }

    async fn find(&self, member: &str, budget: &mut Budget) -> Result<Option<(LoadedSession, Duration)>, Error> {
        let key = self.key_of_member(member);
        let Some((record, left)) = self.peek(&key, budget).await? else {
            return Ok(None);
        };
        Ok(Some((self.open(key, record)?, left)))
    }

    fn belongs(&self, session: &LoadedSession, person: &Person) -> bool {
        self.person(session).is_some_and(|owner| owner == *person)
    }

    /// Removes the record, or the one that a tombstone in its place leads to, if it is `meant`.
    async fn end(
        &self,
        mut at: LoadedSession,
        meant: impl Fn(&LoadedSession) -> bool + Send + Sync,
        budget: &mut Budget,
    ) -> Result<RevokeOutcome, Error> {
        let mut fate = RevokeOutcome::Gone;
        let mut tombstones: Vec<LoadedSession> = Vec::new();
        let mut returning = false;
        loop {
            match &at.metadata.tombstone {
                Some(tombstone) if !returning && !tombstone.remaining(self.clock.now()).is_zero() => {
                    let key = tombstone.key();
                    if let Some((record, _)) = self.peek(&key, budget).await? {
                        let renewed = self.open(key, record)?;
                        tombstones.push(std::mem::replace(&mut at, renewed));
                        continue;
                    }
                }
                None if !meant(&at) => return Ok(RevokeOutcome::Spared),
                _ => {}
            }
            match self.remove(&at.key, at.record(), budget).await? {
                Outcome::Changed(newer) => {
                    at = self.open(at.key, newer)?;
                    returning = false;
                    continue;
                }
                Outcome::Applied if at.metadata.tombstone.is_none() => fate = RevokeOutcome::Ended,
                Outcome::Applied | Outcome::Gone => {}
            }
            self.unlist(&at.key, self.person(&at).as_ref(), budget).await;
            // a tombstone goes after what it names, so that a failure on the way leaves the way
            match tombstones.pop() {
                Some(tombstone) => (at, returning) = (tombstone, true),
                None => return Ok(fate),
            }
        }
    }
}
