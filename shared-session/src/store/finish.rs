//! The end of a request: stores what it did to its session, and decides about its cookie.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::asked::Then;
use super::{Loaded, LoadedSession, NewId, Opened, RequestStore};
use crate::error::Error;
use crate::session::change::Change;
use crate::session::handle::Handle;

/// What a request wants of its session, beside the change of its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The session stays as it is.
    Keep,
    /// The session gets a new id.
    Renew,
    /// The session ends. What the request sets beside that begins a new one.
    Destroy,
}

/// What happens to the browser's cookie.
#[derive(Debug)]
pub enum CookieAction {
    /// It stays as it is.
    Keep,
    /// It keeps its id. The session may last this long from now on.
    Extend(Duration),
    /// It gets this id. The session may last this long.
    Issue(NewId, Duration),
    /// It is removed.
    Remove,
}

impl RequestStore {
    /// Stores what a request did to the session that it opened, and then does the rest. What was begun ends even if this
    /// future is dropped.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RequestStore::create`], [`RequestStore::commit`], [`RequestStore::renew`] and
    /// [`RequestStore::destroy`]: nothing was stored then, except perhaps after [`Error::Unavailable`]. After them, the
    /// first error of the rest.
    pub async fn finish(
        &self,
        opened: impl Into<Opened>,
        wish: Wish,
        change: Change,
        rest: Vec<Then>,
    ) -> Result<CookieAction, Error> {
        let opened = opened.into();
        match opened.loaded {
            // frequent, and a commit has a task of its own already
            Loaded::Session(session) if wish == Wish::Keep && rest.is_empty() && !self.signs_in(&change) => {
                self.change(session, change).await
            }
            loaded => {
                let (mut store, opened) = (self.clone(), Opened { loaded, ..opened });
                // ends with this future
                let waits = Arc::new(());
                store.waits = Some(Arc::downgrade(&waits));
                let conclusion = async move {
                    let user = store.principal_of(&change);
                    let loaded = match &opened.loaded {
                        Loaded::Session(session) => Some(session.key.clone()),
                        Loaded::Missing | Loaded::Expired(_) | Loaded::Superseded(_) => None,
                    };
                    let action = store.conclude(opened, wish, change).await?;
                    let key = match &action {
                        CookieAction::Issue(id, _) => Some(store.key(id.id())),
                        CookieAction::Keep | CookieAction::Extend(_) => loaded,
                        CookieAction::Remove => None,
                    };
                    if let (Some(user), Some(key)) = (user, &key) {
                        store.keep_limit(&user, key).await;
                    }
                    for then in rest {
                        then(key.as_ref().map(Handle::of)).await?;
                    }
                    Ok(action)
                };
                self.store.run_to_end(conclusion).await
            }
        }
    }

    async fn conclude(&self, opened: Opened, wish: Wish, change: Change) -> Result<CookieAction, Error> {
        let signs_in = self.signs_in(&change);
        match (wish, opened.loaded) {
            (Wish::Destroy, loaded) => {
                self.destroy_all(opened.others.into_iter().chain([loaded])).await?;
                if !change.sets_any() {
                    return Ok(CookieAction::Remove);
                }
                self.create(&change).await.map(|id| self.issue(NewId::of_session(id)))
            }
            (Wish::Keep, Loaded::Session(session)) => self.change(session, change).await,
            (Wish::Renew, Loaded::Session(session)) => {
                let left = self.lifetime_left(&session);
                let id = self.renew(*session, change).await?;
                Ok(match id {
                    Some(id) if signs_in => self.issue(id),
                    Some(id) => CookieAction::Issue(id, left),
                    None => CookieAction::Keep,
                })
            }
            _ if change.is_empty() => Ok(CookieAction::Keep),
            (Wish::Renew, Loaded::Superseded(session)) if signs_in => {
                let proven = opened.id.and_then(|id| self.rules().format.ids().verifier_digest(&id));
                let Some(proven) = proven else {
                    return Err(Error::Superseded);
                };
                let id = self.renew_in_place(*session, proven, change).await?;
                Ok(id.map_or(CookieAction::Keep, |id| self.issue(id)))
            }
            // the cookie of a new session would replace that of the renewed one
            (_, Loaded::Superseded(_)) => Err(Error::Superseded),
            (_, Loaded::Missing | Loaded::Expired(_)) => {
                if signs_in {
                    // beside another live session, the browser could not use the new one
                    let live = |other: &Loaded| matches!(other, Loaded::Session(_));
                    self.destroy_all(opened.others.into_iter().filter(live)).await?;
                }
                self.create(&change).await.map(|id| self.issue(NewId::of_session(id)))
            }
        }
    }

    /// Returns the action for the id of a session whose lifetime begins now.
    fn issue(&self, id: NewId) -> CookieAction {
        let lifetime = self.lifetime(id.id().is_remembered());
        CookieAction::Issue(id, lifetime)
    }

    /// Commits what a request changed in its session.
    async fn change(&self, session: Box<LoadedSession>, change: Change) -> Result<CookieAction, Error> {
        if change.is_empty() {
            return Ok(CookieAction::Keep);
        }
        let (signs_in, is_remembered) = (self.signs_in(&change), session.is_remembered());
        self.commit(session, change).await?;
        Ok(if signs_in {
            CookieAction::Extend(self.lifetime(is_remembered))
        } else {
            CookieAction::Keep
        })
    }

    /// Destroys these sessions, and does not stop at an error.
    async fn destroy_all(&self, sessions: impl IntoIterator<Item = Loaded>) -> Result<(), Error> {
        let sessions = sessions.into_iter().filter_map(|loaded| match loaded {
            // also with an id that was superseded a short time ago
            Loaded::Session(session) | Loaded::Superseded(session) | Loaded::Expired(session) => Some(*session),
            Loaded::Missing => None,
        });
        let destroyed = join_all(sessions.map(|session| self.destroy(session))).await;
        destroyed.into_iter().collect()
    }
}
