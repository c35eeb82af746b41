//! What the middleware does before the handler: cookies → load → `actix_session::Session`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_session::{Session, SessionExt};
use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderMap;

use super::middleware::{ExtendIdleTimeout, SessionMiddleware};
use super::session_state::Filled;
use super::{cookie, session_state};
use crate::error::Error;
use crate::session::id::SessionId;
use crate::store::current_session::CurrentSession;
use crate::store::{Loaded, RequestStore};

/// How many ids a request may come with. Each costs a round trip.
pub(super) const MAX_IDS: usize = 4;

/// The session cookie of a request.
pub(super) struct Received {
    /// Whether there is one, with any value.
    pub is_present: bool,
    /// The id of the session that was loaded.
    pub id: Option<SessionId>,
}

/// A request whose session was loaded.
pub(super) struct Begun {
    pub session: Session,
    pub loaded: Loaded,
    pub filled: Filled,
    pub cookie: Received,
    /// How long the request may still wait for the store.
    pub time_left: Duration,
}

impl SessionMiddleware {
    /// Loads the session of a request.
    pub(super) async fn begin(&self, request: &ServiceRequest) -> Result<Begun, Error> {
        let store = self.store.request();
        let extends = request
            .extensions()
            .get()
            .map_or(self.extends, |ExtendIdleTimeout(extends)| *extends);
        let (is_present, ids) = self.received(request.headers());
        let (loaded, id) = if ids.is_empty() {
            (Loaded::Missing, None)
        } else {
            // requests without a session should not have room for this
            Box::pin(self.load(ids, extends, &store)).await?
        };
        let session = request.get_session();
        let (mut filled, mut current) = (Filled::default(), CurrentSession::default());
        if let Loaded::Session(loaded) = &loaded {
            filled = session_state::fill(&session, loaded, self.store.principal_field())?;
            current = store.current_session(loaded, extends);
        }
        request.extensions_mut().insert(current);
        Ok(Begun {
            session,
            loaded,
            filled,
            cookie: Received { is_present, id },
            time_left: store.time_left(),
        })
    }

    /// Loads the session of the request's cookies, and returns it with its id. Of several ids, the one of a live session
    /// counts; if two sessions are live, nobody can tell which one the browser means, and none counts.
    async fn load(
        &self,
        ids: Vec<SessionId>,
        extends: bool,
        store: &RequestStore,
    ) -> Result<(Loaded, Option<SessionId>), Error> {
        if ids.len() > MAX_IDS {
            self.warn_about_cookies();
            return Ok((Loaded::Missing, None));
        }
        let mut loaded = (Loaded::Missing, None);
        for id in ids {
            let found = if extends {
                store.load(&id).await?
            } else {
                store.load_without_extending(&id).await?
            };
            match (found, &loaded.0) {
                (Loaded::Session(_), Loaded::Session(_)) => {
                    self.warn_about_cookies();
                    return Ok((Loaded::Missing, None));
                }
                (found @ Loaded::Session(_), _) | (found @ Loaded::Superseded(_), Loaded::Missing) => {
                    loaded = (found, Some(id));
                }
                _ => {}
            }
        }
        Ok(loaded)
    }

    /// Returns whether a request has a session cookie, and the distinct ids in its session cookies.
    fn received(&self, headers: &HeaderMap) -> (bool, Vec<SessionId>) {
        let (mut is_present, mut ids) = (false, Vec::new());
        for value in cookie::values(headers, &self.cookie.name) {
            is_present = true;
            if let Some(id) = self.store.parse_id(value)
                && !ids.contains(&id)
            {
                ids.push(id);
            }
        }
        (is_present, ids)
    }

    /// Warns at most once a minute that requests came with several sessions.
    fn warn_about_cookies(&self) {
        let minute = self.started.elapsed().as_secs() / 60 + 1;
        if self.warned.swap(minute, Ordering::Relaxed) != minute {
            let cookie = &*self.cookie.name;
            tracing::warn!(cookie, "request has several session cookies: no session was loaded");
        }
    }
}
