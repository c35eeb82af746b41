//! What the feature `testing` shows to `shared-session-testkit`. It is no API: any release may change it.

use std::time::Duration;

use crate::error::Error;
use crate::session::metadata::Metadata;
use crate::session::principal::PrincipalDigest;
use crate::store::current_session::CurrentSession;
use crate::store::registry::Registry;

pub use crate::session::change::Change;
pub use crate::session::fields::RESERVED;
pub use crate::session::id::{IdScheme, SessionId};
pub use crate::session::storage_key::StorageKey;
pub use crate::store::{CookieAction, Loaded, LoadedSession, NewId, Opened, Reading, Rules, Store, Wish};

/// Returns the registry of the sessions in a store.
#[must_use]
pub fn registry(store: Store) -> Registry {
    Registry::new(store)
}

/// Returns the current session of a request that loaded `session`, without its ends.
#[must_use]
pub fn current_session(session: &LoadedSession) -> CurrentSession {
    CurrentSession::of(session)
}

/// Returns the members of a user's index, also those that stand for no session.
///
/// # Errors
///
/// Returns an error if the store is unavailable.
pub async fn index_members(store: &Store, user: &str) -> Result<Vec<String>, Error> {
    let user = PrincipalDigest::of_user(user);
    store.request().members(&user, 0, usize::MAX).await
}

/// Returns the metadata of a session that begins now, or `None` if the ids have no verifier.
#[must_use]
pub fn new_metadata(ids: IdScheme, id: &SessionId, now: Duration) -> Option<String> {
    let verifier = ids.verifier_digest(id)?;
    let metadata = Metadata {
        created: Some(now),
        verifier: Some(verifier),
        ..Metadata::default()
    };
    Some(metadata.encode())
}
