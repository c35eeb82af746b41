//! The end of a session before its time: destroyed by its own log-out, or revoked from elsewhere.

use std::time::Duration;

use super::{LoadedSession, RequestStore};
use crate::backend::Outcome;
use crate::error::Error;
use crate::metrics;
use crate::session::principal::PrincipalDigest;

/// The result of revoking one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RevokeOutcome {
    /// It ended now.
    Revoked,
    /// There is no record. Its session ended, or in a format of PHP it may have been renewed.
    Missing,
    /// It was not selected.
    Skipped,
}

/// What a member of a user's index stands for.
pub(crate) enum MemberState {
    /// A session of the user, and the time that its record has left.
    Session(Box<LoadedSession>, Duration),
    /// No record. There will never be one, so the member can be dropped.
    Missing,
    /// A record that is not a session of the user, is beyond its lifetime, or is unreadable. The member must stay, because a
    /// sign-in in flight may have added it already.
    Other,
}

impl RequestStore {
    /// Destroys a session: no request in flight brings it back.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable or the record is unreadable. The session may live on.
    pub async fn destroy(&self, session: LoadedSession) -> Result<(), Error> {
        if self.terminate(session, |_| true).await? == RevokeOutcome::Revoked {
            metrics::count(metrics::DESTROYED);
        }
        Ok(())
    }

    /// Returns what a member of a user's index stands for. Does not extend any time.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable.
    pub(crate) async fn inspect(&self, user: &PrincipalDigest, member: &str) -> Result<MemberState, Error> {
        let (session, left) = match self.find(member).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(MemberState::Missing),
            Err(error @ Error::Unreadable { .. }) => {
                // no request can use it, and it stays as it is
                tracing::error!(error = %error, "failed to read a session of an index");
                return Ok(MemberState::Other);
            }
            Err(error) => return Err(error),
        };
        // beyond its lifetime, its member stays: the clock of this process may be wrong
        if !self.belongs(&session, user) || self.lifetime_left(&session).is_zero() {
            return Ok(MemberState::Other);
        }
        Ok(MemberState::Session(Box::new(session), left))
    }

    /// Revokes the session of a member of a user's index, if it is the user's and `selected`.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable.
    pub(crate) async fn revoke(
        &self,
        user: &PrincipalDigest,
        member: &str,
        selected: impl Fn(&LoadedSession) -> bool + Send + Sync,
    ) -> Result<RevokeOutcome, Error> {
        let outcome = match self.find(member).await {
            Ok(Some((found, _))) => {
                let selected = |session: &LoadedSession| self.belongs(session, user) && selected(session);
                self.terminate(found, selected).await?
            }
            Ok(None) => RevokeOutcome::Missing,
            // no request can use it
            Err(Error::Unreadable { .. }) => return Ok(RevokeOutcome::Skipped),
            Err(error) => return Err(error),
        };
        if outcome == RevokeOutcome::Revoked {
            metrics::count(metrics::REVOKED);
        }
        if outcome == RevokeOutcome::Missing {
            // nothing depends on it: a reader drops a member that has no record
            let _ = self.drop_member(user, member).await;
            self.confirm_key(&self.key_of_member(member)).await?;
        }
        Ok(outcome)
    }

    async fn find(&self, member: &str) -> Result<Option<(LoadedSession, Duration)>, Error> {
        let key = self.key_of_member(member);
        let Some((bytes, left)) = self.peek(&key).await? else {
            return Ok(None);
        };
        Ok(Some((self.decode(key, bytes)?, left)))
    }

    fn belongs(&self, session: &LoadedSession, user: &PrincipalDigest) -> bool {
        self.principal(session).is_some_and(|principal| principal == *user)
    }

    /// Removes the session's record. If another request changes the record first, tries again while it is `selected`.
    async fn terminate(
        &self,
        mut session: LoadedSession,
        selected: impl Fn(&LoadedSession) -> bool + Send + Sync,
    ) -> Result<RevokeOutcome, Error> {
        while selected(&session) {
            let outcome = match self.remove(&session.key, session.bytes()).await? {
                Outcome::Changed(newer) => {
                    session = self.decode(session.key, newer)?;
                    continue;
                }
                Outcome::Applied => RevokeOutcome::Revoked,
                Outcome::Gone => RevokeOutcome::Missing,
            };
            if let Some(user) = self.principal(&session) {
                // nothing depends on it: a reader drops a member that has no record
                let _ = self.drop_member(&user, self.member(&session.key)).await;
            }
            return Ok(outcome);
        }
        Ok(RevokeOutcome::Skipped)
    }
}
