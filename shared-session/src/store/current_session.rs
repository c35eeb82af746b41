//! [`CurrentSession`]: the session that a request came with, as the registry and pages about it need it.

use std::time::{Duration, SystemTime};

use super::{LoadedSession, Store};
use crate::session::handle::Handle;
use crate::session::storage_key::StorageKey;

/// The session that a request came with, for [`Registry`](crate::Registry) and for a page about the session. Empty if the
/// request came without a session, or if the middleware does not wrap the handler. A session that the request itself begins
/// is not in it.
///
/// It is what the store held when the request came, and shows no id.
///
/// # Examples
///
/// ```
/// use actix_web::web::Data;
/// use shared_session::{CurrentSession, Registry};
///
/// /// Returns the devices of a user, and marks the one that sent the request.
/// async fn devices(current: CurrentSession, registry: Data<Registry>) -> Result<String, shared_session::Error> {
///     let page = registry.list("anna", &current, 0, 20).await?;
///     let lines = page.sessions.iter().map(|session| {
///         let mark = if session.current { '*' } else { ' ' };
///         format!("{mark} {}\n", session.device.as_deref().unwrap_or("unknown"))
///     });
///     Ok(lines.collect())
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CurrentSession(Option<Loaded>);

#[derive(Clone, Debug)]
struct Loaded {
    key: StorageKey,
    size: usize,
    created: Option<Duration>,
    idle_end: Option<Duration>,
    lifetime_end: Option<Duration>,
}

impl CurrentSession {
    /// Returns the session without its ends.
    pub(crate) fn of(session: &LoadedSession) -> Self {
        Self(Some(Loaded {
            key: session.key().clone(),
            size: session.bytes().len(),
            created: session.created(),
            idle_end: None,
            lifetime_end: None,
        }))
    }

    /// Returns the session's handle, as [`SessionInfo::handle`](crate::SessionInfo::handle) shows it.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        self.0.as_ref().map(|session| Handle::of(&session.key))
    }

    /// Returns when the session was created, or `None` if another program began it and did not say.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        self.time(|session| session.created)
    }

    /// Returns when the session ends if it is not used again (`SESSION_TTL`), or `None` if this request did not extend its
    /// idle timeout.
    #[must_use]
    pub fn idle_end(&self) -> Option<SystemTime> {
        self.time(|session| session.idle_end)
    }

    /// Returns when the session ends in any case (`SESSION_LIFETIME`), or `None` if another program began it and did not say
    /// when. A sign-in begins the lifetime anew.
    #[must_use]
    pub fn lifetime_end(&self) -> Option<SystemTime> {
        self.time(|session| session.lifetime_end)
    }

    /// Returns the size of the session's record in bytes.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        self.0.as_ref().map(|session| session.size)
    }

    /// Returns whether it is this session.
    pub(crate) fn is(&self, session: &LoadedSession) -> bool {
        self.0.as_ref().is_some_and(|current| current.key == *session.key())
    }

    fn time(&self, of: impl FnOnce(&Loaded) -> Option<Duration>) -> Option<SystemTime> {
        let since_epoch = self.0.as_ref().and_then(of)?;
        SystemTime::UNIX_EPOCH.checked_add(since_epoch)
    }
}

impl Store {
    /// Returns the current session of a request that loaded it, and extended its idle timeout or not.
    pub(crate) fn current_session(&self, session: &LoadedSession, extended: bool) -> CurrentSession {
        let mut current = CurrentSession::of(session);
        if let Some(loaded) = &mut current.0 {
            let lifetime_end = self.lifetime_end(session);
            let idle_end = self.now() + self.idle_time();
            loaded.idle_end = extended.then(|| lifetime_end.map_or(idle_end, |end| idle_end.min(end)));
            loaded.lifetime_end = lifetime_end;
        }
        current
    }
}
