//! [`Registry`]: the sessions of a person, listed and revoked. Knows the store's rules, and nothing of HTTP.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;

use super::current_session::CurrentSession;
use super::index::Person;
use super::{LoadedSession, MemberState, RevokeOutcome, Store};
use crate::error::Error;
use crate::session::handle::Handle;

/// How many members are asked for at once.
const CHUNK: usize = 100;

/// How often the index is read until nothing has left its place meanwhile.
const PASSES: usize = 10;

/// A person's sessions, in every service that shares the store: for a page that shows them, and for ending them.
///
/// A person is called by what the field of `SESSION_PRINCIPAL_FIELD` holds in their sessions: the text of a string, or a
/// number as JSON writes it. Whether the visitor is that person, or may speak for them, is the caller's to see.
///
/// The calls wait for the store beside the request's own steps: at most `SESSION_STORE_TIMEOUT` for each hundred
/// sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    store: Store,
}

/// Some of a person's sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions, newest first.
    pub sessions: Vec<SessionInfo>,
    /// The offset that the next page begins at; `None` after the last one.
    pub next: Option<usize>,
}

/// What a person may be shown of one of their sessions. It holds no id.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// What to revoke it by.
    pub handle: Handle,
    /// When it was created, if its record tells.
    pub created: Option<SystemTime>,
    /// When a request last came with it, as far as its record's expiry tells.
    pub last_used: SystemTime,
    /// The `User-Agent` of the request that signed in or last renewed the session: at most 200 characters of what a
    /// stranger may have sent. Escape it.
    pub device: Option<String>,
    /// Whether it is the session of the request that asks.
    pub current: bool,
}

impl Registry {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// A person's sessions, `limit` of them (at least one) from `offset` on, the newest first. The first offset is 0,
    /// every further one is the last page's [`SessionPage::next`]. Sessions that begin or end meanwhile move the others: one
    /// may be seen twice, or not.
    ///
    /// Listing a session does not begin its idle time anew.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn list(
        &self,
        person: &str,
        current: &CurrentSession,
        offset: usize,
        limit: usize,
    ) -> Result<SessionPage, Error> {
        let (person, limit) = (Person::named(person), limit.max(1));
        let (mut sessions, mut offset, mut dropped) = (Vec::new(), offset, HashSet::new());
        loop {
            let wanted = (limit - sessions.len()).min(CHUNK);
            let mut budget = self.store.budget();
            // one more tells whether there is a next page
            let mut members = self.store.members(&person, offset, wanted + 1, &mut budget).await?;
            let more = members.len() > wanted;
            members.truncate(wanted);
            let looks = members.iter().map(async |member| {
                let mut budget = budget;
                self.store.look(&person, member, &mut budget).await
            });
            for (member, seen) in members.iter().zip(join_all(looks).await) {
                match seen? {
                    MemberState::Session(session, left) => sessions.push(self.info(&session, left, current)),
                    MemberState::Other => {}
                    // the ones behind it move up; one that will not go is passed by
                    MemberState::Gone => {
                        let gone = self.store.drop_member(&person, member, &mut budget).await.is_ok();
                        if gone && dropped.insert(member.clone()) {
                            continue;
                        }
                    }
                }
                offset += 1;
            }
            if !more || sessions.len() >= limit {
                let next = more.then_some(offset);
                return Ok(SessionPage { sessions, next });
            }
        }
    }

    /// Ends one of a person's sessions, by its handle; `false` when they have none of that handle. Every service refuses
    /// it from now on, also to requests that are under way.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked. The session then may live on.
    pub async fn revoke(&self, person: &str, handle: &Handle) -> Result<bool, Error> {
        let meant = |session: &LoadedSession| session.handle() == *handle;
        Ok(self.revoke_where(person, meant).await? > 0)
    }

    /// Ends all sessions of a person, and says how many there were. One that begins while this runs may live on; it is
    /// listed.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked, or the person's sessions are renewed faster than they can be ended. Some of them
    /// then may live on.
    pub async fn revoke_all(&self, person: &str) -> Result<usize, Error> {
        self.revoke_where(person, |_| true).await
    }

    /// Ends all sessions of a person but the one that this request came with, which lives on even if it is renewed
    /// meanwhile. Otherwise as [`Registry::revoke_all`].
    ///
    /// # Errors
    ///
    /// As [`Registry::revoke_all`].
    pub async fn revoke_others(&self, person: &str, current: &CurrentSession) -> Result<usize, Error> {
        self.revoke_where(person, |session| !current.is(session)).await
    }

    /// Ends the person's sessions that are `meant`.
    ///
    /// In a format without tombstones a record that is gone does not tell whether its session was renewed. But a renewed
    /// session's new record is in the index before the old one is gone, so reading the index again finds it; and what
    /// was found gone is no member any more, so this comes to an end.
    async fn revoke_where(
        &self,
        person: &str,
        meant: impl Fn(&LoadedSession) -> bool + Send + Sync,
    ) -> Result<usize, Error> {
        let mut ended = 0;
        match self.revoke_each(&Person::named(person), &meant, &mut ended).await {
            Ok(()) => Ok(ended),
            // what is said of the others is that nothing was changed
            Err(error) if ended > 0 && !matches!(error, Error::Unfinished(_)) => {
                Err(Error::Unfinished(Arc::new(error)))
            }
            Err(error) => Err(error),
        }
    }

    async fn revoke_each(
        &self,
        person: &Person,
        meant: &(impl Fn(&LoadedSession) -> bool + Send + Sync),
        ended: &mut usize,
    ) -> Result<(), Error> {
        for _ in 0..PASSES {
            let mut all_in_place = true;
            let members = self
                .store
                .members(person, 0, usize::MAX, &mut self.store.budget())
                .await?;
            for chunk in members.chunks(CHUNK) {
                let budget = self.store.budget();
                let fates = chunk
                    .iter()
                    .map(|member| self.store.revoke(person, member, meant, budget));
                let mut failed = None;
                for fate in join_all(fates).await {
                    match fate {
                        Ok(RevokeOutcome::Ended) => *ended += 1,
                        Ok(RevokeOutcome::Gone) => all_in_place = false,
                        Ok(RevokeOutcome::Spared) => {}
                        Err(error) => failed = Some(error),
                    }
                }
                if let Some(error) = failed {
                    return Err(error);
                }
            }
            if all_in_place {
                return Ok(());
            }
        }
        // they were renewed faster than they could be revoked
        Err(Error::Unfinished(Arc::new(Error::Contended)))
    }

    fn info(&self, session: &LoadedSession, left: Duration, current: &CurrentSession) -> SessionInfo {
        SessionInfo {
            handle: session.handle(),
            created: session.created().map(|created| SystemTime::UNIX_EPOCH + created),
            last_used: SystemTime::UNIX_EPOCH + self.store.last_used(session, left),
            device: session.device().map(str::to_owned),
            current: current.is(session),
        }
    }
}
