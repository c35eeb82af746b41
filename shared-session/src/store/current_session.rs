//! [`CurrentSession`]: the session that a request came with, as the registry needs it. It knows no HTTP.

use super::LoadedSession;
use crate::session::handle::Handle;
use crate::session::storage_key::StorageKey;

/// The session that this request came with, for [`Registry`](crate::Registry): none, where it came without one or to a
/// handler that the middleware is not around. A session that the request begins is not it yet.
///
/// It shows no id, and outlives a renewal: the same session under another id is still this one.
#[derive(Clone, Debug, Default)]
pub struct CurrentSession(Option<Current>);

#[derive(Clone, Debug)]
struct Current {
    key: StorageKey,
    /// Where it is not that of the key. No more is made of it than is asked for: few requests do.
    handle: Option<Handle>,
}

impl Current {
    fn handle(&self) -> Handle {
        self.handle.clone().unwrap_or_else(|| Handle::of(&self.key))
    }
}

impl CurrentSession {
    pub(crate) fn of(session: &LoadedSession) -> Self {
        Self(Some(Current {
            key: session.key().clone(),
            handle: session.kept_handle().cloned(),
        }))
    }

    /// The session's handle, as a list of its person's sessions shows it.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        self.0.as_ref().map(Current::handle)
    }

    /// Returns whether a record is this session's, also after another request renewed it.
    pub(crate) fn is(&self, session: &LoadedSession) -> bool {
        let current = self.0.as_ref();
        current.is_some_and(|current| current.key == *session.key() || current.handle() == session.handle())
    }
}
