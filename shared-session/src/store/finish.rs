//! The end of a request: what it did to its session is stored, and its cookie is decided. It knows no HTTP.

use std::time::Duration;

use super::{Loaded, RequestStore};
use crate::error::Error;
use crate::metrics;
use crate::session::change::Change;
use crate::session::id::SessionId;

/// What a request wants of its session, beside the change of its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The session stays as it is.
    Keep,
    /// The session gets a new id.
    Renew,
    /// The session ends.
    Destroy,
}

/// What happens to the browser's cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieAction {
    /// It stays as it is.
    Keep,
    /// It keeps its id, of a session that may last so long from now on.
    Extend(Duration),
    /// It is replaced by one with this id, of a session that may last so long.
    Issue(SessionId, Duration),
    /// It is removed.
    Remove,
}

impl RequestStore {
    /// Stores what a request did to the session that it loaded.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RequestStore::create`], [`RequestStore::commit`], [`RequestStore::renew`] and
    /// [`RequestStore::destroy`]. Nothing was stored then, except perhaps after [`Error::Unavailable`].
    pub async fn finish(&self, loaded: Loaded, wish: Wish, change: Change) -> Result<CookieAction, Error> {
        let signs_in = self.signs_in(&change);
        // boxed, so that a change of some fields, which is frequent, takes no room for the others
        match (wish, loaded) {
            // also with an id that was superseded a short time ago
            (Wish::Destroy, Loaded::Session(session) | Loaded::Superseded(session)) => {
                Box::pin(self.destroy(*session)).await?;
                Ok(CookieAction::Remove)
            }
            (Wish::Destroy, Loaded::Missing) => Ok(CookieAction::Remove),
            (Wish::Renew, Loaded::Session(session)) => {
                let left = if signs_in {
                    self.rules().lifetime
                } else {
                    self.lifetime_left(&session)
                };
                let id = Box::pin(self.renew(*session, change)).await?;
                Ok(id.map_or(CookieAction::Keep, |id| {
                    metrics::session_renewed();
                    CookieAction::Issue(id, left)
                }))
            }
            _ if change.is_empty() => Ok(CookieAction::Keep),
            (Wish::Keep, Loaded::Session(session)) => {
                self.commit(session, change).await?;
                Ok(if signs_in {
                    CookieAction::Extend(self.rules().lifetime)
                } else {
                    CookieAction::Keep
                })
            }
            // the cookie of a new session would replace that of the renewed one
            (_, Loaded::Superseded(_)) => Err(Error::Superseded),
            (_, Loaded::Missing) => {
                let id = Box::pin(self.create(&change)).await?;
                metrics::session_created();
                Ok(CookieAction::Issue(id, self.rules().lifetime))
            }
        }
    }
}
