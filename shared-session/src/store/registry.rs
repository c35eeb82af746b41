//! [`Registry`]: lists and revokes the sessions of a user.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;

use super::current_session::CurrentSession;
use super::{LoadedSession, MemberState, RevokeOutcome, Store};
use crate::error::Error;
use crate::session::handle::Handle;
use crate::session::principal::PrincipalDigest;

/// How many records are read at once.
pub(super) const CHUNK: usize = 100;

/// How often a revocation reads the index, until every member has a record.
const PASSES: usize = 10;

/// The sessions of a user, in every service that shares the store: for a page that lists them, and for revoking them.
///
/// A user is named by the value of the principal field (`SESSION_PRINCIPAL_FIELD`) in their sessions: the text of a string
/// that is not empty, or an integer within ±(2^53 − 1) as JSON writes it. The caller decides whether the request may list or
/// revoke that user's sessions.
///
/// The calls wait for the store beside the request's own operations: at most `SESSION_STORE_TIMEOUT` for each hundred
/// sessions. A revocation that was begun goes on if its future is dropped, as it is when the client disconnects. Clones share
/// the store.
///
/// # Examples
///
/// A handler that signs a user out on all other devices:
///
/// ```
/// use actix_web::web::Data;
/// use shared_session::{CurrentSession, Registry, Session};
///
/// async fn sign_out_others(
///     session: Session,
///     current: CurrentSession,
///     registry: Data<Registry>, // from `.app_data(Data::new(sessions.registry()))`
/// ) -> actix_web::Result<String> {
///     let Some(user) = session.get::<String>("userid")? else {
///         return Ok("not signed in".to_owned());
///     };
///     let count = registry.revoke_others(&user, &current).await?;
///     Ok(format!("signed out on {count} devices"))
/// }
/// ```
#[derive(Clone)]
pub struct Registry {
    store: Store,
}

/// A page of a user's sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions. Those that may last longest come first: of two that are remembered, or of two that are not, the newer one.
    pub sessions: Vec<SessionInfo>,
    /// The offset of the next page, or `None` if this is the last one.
    pub next: Option<usize>,
}

/// What a user may see of one of their sessions. It holds no id.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Names the session, to revoke it.
    pub handle: Handle,
    /// When the session was created, or `None` if another program began it and did not say.
    pub created: Option<SystemTime>,
    /// When the session was last used, computed from the expiry of its record.
    pub last_used: SystemTime,
    /// The `User-Agent` of the request that signed in or last renewed the session: at most 200 characters that a client
    /// chose. Escape it in HTML.
    pub device: Option<String>,
    /// Whether the user stays signed in: see [`Remember`](crate::Remember).
    pub remembered: bool,
    /// Whether it is the session of the request that asks.
    pub current: bool,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Returns at most `limit` sessions of a user (at least one), from `offset` on, in the order of
    /// [`SessionPage::sessions`]. The first page has the offset 0, and every other one the [`SessionPage::next`] of the page
    /// before it. Sessions that begin or end meanwhile move the others: a session may then be on two pages, or on none.
    ///
    /// Does not extend the idle timeout of any session.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable.
    pub async fn list(
        &self,
        user: &str,
        current: &CurrentSession,
        offset: usize,
        limit: usize,
    ) -> Result<SessionPage, Error> {
        let (user, limit) = (PrincipalDigest::of_user(user), limit.max(1));
        let (mut sessions, mut offset, mut dropped) = (Vec::new(), offset, HashSet::new());
        loop {
            let wanted = (limit - sessions.len()).min(CHUNK);
            let store = self.store.request();
            // one more says whether there is a next page
            let mut members = store.members(&user, offset, wanted + 1).await?;
            let more = members.len() > wanted;
            members.truncate(wanted);
            let states = join_all(members.iter().map(|member| store.inspect(&user, member))).await;
            for (member, state) in members.iter().zip(states) {
                match state? {
                    MemberState::Session(session, left) => {
                        let last_used = store.last_used(&session, left);
                        sessions.push(SessionInfo::new(&session, last_used, current));
                    }
                    MemberState::Other => {}
                    // the members behind it move up; one that stays in the index is skipped
                    MemberState::Missing => {
                        let gone = store.drop_member(&user, member).await.is_ok();
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

    /// Revokes the session with this handle. Returns `false` if the user has no such session. Every service refuses the
    /// session from now on, also to requests in flight.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable. The session may live on.
    pub async fn revoke(&self, user: &str, handle: &Handle) -> Result<bool, Error> {
        let handle = handle.clone();
        let selected = move |session: &LoadedSession| session.handle() == handle;
        Ok(self.revoke_where(user, selected).await? > 0)
    }

    /// Revokes all sessions of a user and returns how many there were. A session that begins meanwhile may live on; it is
    /// listed.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable, or if the sessions are renewed faster than they can be revoked (in a
    /// format of PHP). Some of the sessions may live on.
    pub async fn revoke_all(&self, user: &str) -> Result<usize, Error> {
        self.revoke_where(user, |_| true).await
    }

    /// Revokes all sessions of a user except the current one. Returns how many there were.
    ///
    /// The current session stays, also if another request renews it meanwhile (except in a format of PHP).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Registry::revoke_all`].
    pub async fn revoke_others(&self, user: &str, current: &CurrentSession) -> Result<usize, Error> {
        let current = current.clone();
        self.revoke_where(user, move |session| !current.is(session)).await
    }

    /// Revokes the selected sessions, even if the request is dropped meanwhile.
    async fn revoke_where(
        &self,
        user: &str,
        selected: impl Fn(&LoadedSession) -> bool + Send + Sync + 'static,
    ) -> Result<usize, Error> {
        let (registry, user) = (self.clone(), PrincipalDigest::of_user(user));
        let revocation = async move {
            let mut revoked = 0;
            let result = registry.revoke_each(&user, &selected, &mut revoked).await;
            (result, revoked)
        };
        let (result, revoked) = self.store.run_to_end(revocation).await;
        match result {
            Ok(()) => Ok(revoked),
            // the text of every other error says that nothing was changed
            Err(error) if revoked > 0 && !matches!(error, Error::Unfinished(_)) => {
                Err(Error::Unfinished(Arc::new(error)))
            }
            Err(error) => Err(error),
        }
    }

    /// Revokes the selected sessions. Each pass drops the members without a record. In a format of PHP, a renewal may have
    /// moved such a record: the index had its new member before, so the next pass finds it.
    async fn revoke_each(
        &self,
        user: &PrincipalDigest,
        selected: &(impl Fn(&LoadedSession) -> bool + Send + Sync),
        revoked: &mut usize,
    ) -> Result<(), Error> {
        for _ in 0..PASSES {
            let mut all_present = true;
            let members = self.store.request().members(user, 0, usize::MAX).await?;
            for chunk in members.chunks(CHUNK) {
                let store = self.store.request();
                let outcomes = chunk.iter().map(|member| store.revoke(user, member, selected));
                let mut failed = None;
                for outcome in join_all(outcomes).await {
                    match outcome {
                        Ok(RevokeOutcome::Revoked) => *revoked += 1,
                        Ok(RevokeOutcome::Missing) => all_present = false,
                        Ok(RevokeOutcome::Skipped) => {}
                        Err(error) => failed = Some(error),
                    }
                }
                if let Some(error) = failed {
                    return Err(error);
                }
            }
            if all_present {
                return Ok(());
            }
        }
        // the sessions were renewed faster than they could be revoked
        Err(Error::Unfinished(Arc::new(Error::Contended)))
    }
}

impl SessionInfo {
    fn new(session: &LoadedSession, last_used: Duration, current: &CurrentSession) -> Self {
        Self {
            handle: session.handle(),
            created: session.created().map(|created| SystemTime::UNIX_EPOCH + created),
            last_used: SystemTime::UNIX_EPOCH + last_used,
            device: session.device().map(str::to_owned),
            remembered: session.is_remembered(),
            current: current.is(session),
        }
    }
}
