//! What the middleware does before the handler: cookies → load → `actix_session::Session`.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_session::{Session, SessionExt};
use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use actix_web::http::uri::Scheme;

use super::middleware::{ExtendIdleTimeout, SessionMiddleware};
use super::session_state::Filled;
use super::{cookie, session_state};
use crate::error::Error;
use crate::session::id::SessionId;
use crate::store::current_session::CurrentSession;
use crate::store::{Loaded, Opened};

/// A request whose session was loaded.
pub(super) struct Begun {
    pub session: Session,
    pub opened: Opened,
    pub filled: Filled,
    /// Whether the request has a session cookie, with any value.
    pub has_cookie: bool,
    /// How long the request may still wait for the store.
    pub time_left: Duration,
    pub facts: Facts,
}

/// What the end of a request must know about it. The request itself is gone if a middleware fails.
pub(super) struct Facts {
    /// Whether its method is safe (RFC 9110, section 9.2.1).
    pub is_safe: bool,
    pub is_https: bool,
    pub user_agent: Option<HeaderValue>,
}

impl Facts {
    fn of(request: &ServiceRequest) -> Self {
        Self {
            is_safe: request.method().is_safe(),
            is_https: is_https(request),
            user_agent: request.headers().get(USER_AGENT).cloned(),
        }
    }
}

/// Returns whether a request came over https. Behind a proxy, the headers that it sets decide.
fn is_https(request: &ServiceRequest) -> bool {
    const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    let headers = request.headers();
    if headers.contains_key(FORWARDED) {
        return request.connection_info().scheme().eq_ignore_ascii_case("https");
    }
    match headers.get(X_FORWARDED_PROTO) {
        Some(value) => {
            let first = value.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default();
            first.trim_ascii().eq_ignore_ascii_case(b"https")
        }
        None => match request.uri().scheme() {
            Some(scheme) => *scheme == Scheme::HTTPS,
            None => request.app_config().secure(),
        },
    }
}

impl SessionMiddleware {
    /// Loads the session of a request.
    pub(super) async fn begin(&self, request: &ServiceRequest) -> Result<Begun, Error> {
        let store = self.store.request();
        let extends = request
            .extensions()
            .get()
            .map_or(self.extends, |ExtendIdleTimeout(extends)| *extends);
        let (has_cookie, ids) = self.received(request.headers());
        let mut opened = Opened::default();
        if !ids.is_empty() {
            // requests without a session should not have room for this
            opened = Box::pin(store.open(ids, extends)).await?;
        }
        if opened.is_ambiguous() {
            self.warn_about_cookies();
        }
        let session = request.get_session();
        let (mut filled, mut current) = (Filled::default(), CurrentSession::default());
        if let Loaded::Session(loaded) = &opened.loaded {
            filled = session_state::fill(&session, loaded, self.store.principal_field())?;
            current = store.current_session(loaded, extends);
        }
        request.extensions_mut().insert(current);
        Ok(Begun {
            session,
            opened,
            filled,
            has_cookie,
            time_left: store.time_left(),
            facts: Facts::of(request),
        })
    }

    /// Returns whether a request has a session cookie, and the distinct ids in its session cookies.
    fn received(&self, headers: &HeaderMap) -> (bool, Vec<SessionId>) {
        let (mut has_cookie, mut ids) = (false, Vec::new());
        for value in cookie::values(headers, &self.cookie.name) {
            has_cookie = true;
            ids.extend(self.store.parse_id(value));
        }
        if ids.len() > 1 {
            let mut seen = HashSet::new();
            ids.retain(|id| seen.insert(id.clone()));
        }
        (has_cookie, ids)
    }

    /// Warns at most once a minute that requests came with several sessions.
    fn warn_about_cookies(&self) {
        let minute = self.started.elapsed().as_secs() / 60 + 1;
        if self.warned.swap(minute, Ordering::Relaxed) != minute {
            let cookie = &*self.cookie.name;
            tracing::warn!(cookie, "request has several live sessions: none was loaded");
        }
    }
}
