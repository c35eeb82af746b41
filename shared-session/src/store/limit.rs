//! The limit of sessions per user (`SESSION_MAX_PER_USER`): a sign-in ends the user's oldest sessions.

use std::cmp::Reverse;

use futures_util::future::join_all;

use super::{MemberState, RequestStore};
use crate::error::Error;
use crate::session::principal::PrincipalDigest;
use crate::session::storage_key::StorageKey;

impl RequestStore {
    /// Ends the oldest sessions of a user who has just signed in, but never the session of this sign-in. Of concurrent
    /// sign-ins, the last one sees the sessions of all others, so the user has no more than the limit afterwards.
    ///
    /// An error is logged: the sign-in has been stored, and the next one tries again.
    pub(super) async fn keep_limit(&self, user: &PrincipalDigest, own: &StorageKey) {
        if self.rules().max_per_user > 0
            && let Err(error) = self.end_oldest(user, own).await
        {
            tracing::warn!(%error, "failed to end the oldest sessions of a user who signed in");
        }
    }

    async fn end_oldest(&self, user: &PrincipalDigest, own: &StorageKey) -> Result<(), Error> {
        let limit = usize::try_from(self.rules().max_per_user).unwrap_or(usize::MAX);
        if self.members(user, 0, limit.saturating_add(1)).await?.len() <= limit {
            return Ok(());
        }
        // some members may have no record any more
        let mut others = Vec::new();
        for chunk in self.members(user, 0, usize::MAX).await?.chunks(super::registry::CHUNK) {
            let states = join_all(chunk.iter().map(|member| self.inspect(user, member))).await;
            for (member, state) in chunk.iter().zip(states) {
                match state? {
                    MemberState::Session(session, _) if session.key != *own => {
                        others.push((session.metadata.lifetime_start(), member.clone()));
                    }
                    MemberState::Missing => self.drop_member(user, member).await?,
                    MemberState::Session(..) | MemberState::Other => {}
                }
            }
        }
        // the index has the sessions in the order of their ends, and a remembered one may end after a newer one
        others.sort_by_key(|(start, _)| Reverse(*start));
        for (_, member) in others.iter().skip(limit - 1) {
            self.revoke(user, member, |_| true).await?;
        }
        Ok(())
    }
}
