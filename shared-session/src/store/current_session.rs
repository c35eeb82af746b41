//! [`CurrentSession`]: the session that a request came with, as the registry needs it. It knows no HTTP.

use super::LoadedSession;
use crate::session::handle::Handle;
use crate::session::storage_key::StorageKey;

/// The session that a request came with, for [`Registry`](crate::Registry). Empty if the request came without a session,
/// or if the middleware does not wrap the handler. A session that the request itself begins is not in it.
///
/// It shows no id.
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
pub struct CurrentSession(Option<StorageKey>);

impl CurrentSession {
    pub(crate) fn of(session: &LoadedSession) -> Self {
        Self(Some(session.key().clone()))
    }

    /// Returns the session's handle, as [`SessionInfo::handle`](crate::SessionInfo::handle) shows it.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        self.0.as_ref().map(Handle::of)
    }

    /// Returns whether it is this session.
    pub(crate) fn is(&self, session: &LoadedSession) -> bool {
        self.0.as_ref() == Some(session.key())
    }
}
