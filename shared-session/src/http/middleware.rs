//! [`SessionMiddleware`]: cookie → load → `actix_session::Session` → handler → commit → `Set-Cookie`.
//!
//! `actix_session::SessionMiddleware` would not do: it gives the store whole states instead of changes, cannot tell a
//! renewal from a log-out, signs ids, and answers every failure with 500.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_session::{Session, SessionExt, SessionStatus};
use actix_web::body::MessageBody;
use actix_web::cookie::Cookie;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, SET_COOKIE, USER_AGENT};
use actix_web::{HttpMessage, HttpRequest};

use super::misuse::Misuse;
use super::session_state::Filled;
use super::{response, session_state};
use crate::error::Error;
use crate::http::cookie;
use crate::session::change::Change;
use crate::session::id::SessionId;
use crate::settings::{CookieLifetime, CookieRules, Secure};
use crate::store::current_session::CurrentSession;
use crate::store::{CookieAction, Loaded, RequestStore, Store, Wish};

/// How many ids a request may come with. Each costs a round trip.
const MAX_IDS: usize = 4;

/// The middleware that loads the session of a request and stores what the handler changed in it.
///
/// [`SessionManager::middleware`](crate::SessionManager::middleware) returns it. Handlers below it extract a
/// [`Session`], and a [`CurrentSession`](crate::CurrentSession) for the registry.
///
/// A request whose change could not be stored never gets the handler's response, but an error: 503 if the store is
/// unavailable, 409 if the session ended in the meantime. [`Error`] lists the reasons. The error stays in the response
/// (`HttpResponse::error`), where middleware around this one finds it.
///
/// The middleware wraps services with any body. Its own responses have a `BoxBody`, the body type of an `App` without
/// middleware.
///
/// # Examples
///
/// ```
/// use actix_web::{App, Responder, web};
/// use shared_session::{Session, SessionManager, Settings};
///
/// async fn log_out(session: Session) -> impl Responder {
///     session.purge();
///     "signed out"
/// }
///
/// let sessions = SessionManager::new(&Settings::default())?;
/// let app = App::new()
///     .wrap(sessions.middleware())
///     .route("/logout", web::post().to(log_out));
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionMiddleware {
    store: Store,
    cookie: Arc<CookieRules>,
    misuse: Arc<Misuse>,
    extends: bool,
    started: Instant,
    /// The minute, counted from the start, of the last warning about several cookies.
    warned: Arc<AtomicU64>,
}

/// Whether one request extends the idle timeout of its session: a request extension, which overrides
/// [`SessionMiddleware::extend_idle_timeout`]. Middleware around the session's inserts it.
///
/// # Examples
///
/// ```
/// use actix_web::body::MessageBody;
/// use actix_web::dev::{ServiceRequest, ServiceResponse};
/// use actix_web::middleware::{Next, from_fn};
/// use actix_web::{App, Error, HttpMessage};
/// use shared_session::{ExtendIdleTimeout, SessionManager, Settings};
///
/// async fn polls(request: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, Error> {
///     if request.headers().contains_key("x-poll") {
///         request.extensions_mut().insert(ExtendIdleTimeout(false));
///     }
///     next.call(request).await
/// }
///
/// let sessions = SessionManager::new(&Settings::default())?;
/// let app = App::new().wrap(sessions.middleware()).wrap(from_fn(polls)); // the last one is called first
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendIdleTimeout(pub bool);

/// The session cookie of a request.
struct Received {
    /// Whether there is one, with any value.
    is_present: bool,
    /// The id of the session that was loaded.
    id: Option<SessionId>,
}

/// A request whose session was loaded.
struct Begun {
    session: Session,
    loaded: Loaded,
    filled: Filled,
    cookie: Received,
    /// How long the request may still wait for the store.
    time_left: Duration,
}

/// What a request wants from the store after its handler.
struct Conclusion {
    wish: Wish,
    change: Change,
    /// Whether it found its change done: what it found must then survive a fail-over.
    finds_it_done: bool,
}

impl SessionMiddleware {
    pub(crate) fn new(store: Store, cookie: CookieRules, misuse: Misuse) -> Self {
        Self {
            store,
            cookie: Arc::new(cookie),
            misuse: Arc::new(misuse),
            extends: true,
            started: Instant::now(),
            warned: Arc::default(),
        }
    }

    /// Sets whether requests extend the idle timeout of their session, which they do by default. Without it, a page that
    /// polls from an open tab does not keep its session alive.
    ///
    /// A request that changes its session extends the timeout in any case. [`ExtendIdleTimeout`] decides about one request.
    ///
    /// # Examples
    ///
    /// ```
    /// use actix_web::{App, web};
    /// use shared_session::{SessionManager, Settings};
    ///
    /// let sessions = SessionManager::new(&Settings::default())?;
    /// let app = App::new()
    ///     .service(web::scope("/poll").wrap(sessions.middleware().extend_idle_timeout(false)))
    ///     .service(web::scope("").wrap(sessions.middleware()));
    /// # Ok::<(), shared_session::SettingsError>(())
    /// ```
    #[must_use]
    pub fn extend_idle_timeout(mut self, extend: bool) -> Self {
        self.extends = extend;
        self
    }

    /// Loads the session of a request.
    async fn begin(&self, request: &ServiceRequest) -> Result<Begun, Error> {
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

    /// Stores what the handler changed, and returns its response with the session's headers, or an error in its place.
    async fn end(&self, begun: Begun, mut response: ServiceResponse) -> ServiceResponse {
        let is_loaded = matches!(begun.loaded, Loaded::Session(_));
        if let Some(conclusion) = self.conclude(response.request(), &begun) {
            // most requests change nothing, and should not have room for this
            let finished = Box::pin(self.finish(response.request(), begun.loaded, conclusion, begun.time_left));
            match finished.await {
                Ok(action) => self.write_cookie(&mut response, &begun.cookie, &action),
                Err(error) => {
                    let error = response::error_response(response.request(), error, "failed to store session");
                    response = response.into_response(error);
                }
            }
        }
        if is_loaded {
            response::vary_by_cookie(response.headers_mut());
        }
        response
    }

    /// Returns what is to be done with the session after the handler, or `None` if nothing is.
    fn conclude(&self, request: &HttpRequest, begun: &Begun) -> Option<Conclusion> {
        let Begun {
            session,
            loaded,
            filled,
            ..
        } = begun;
        let wish = match session.status() {
            SessionStatus::Purged => Wish::Destroy,
            SessionStatus::Renewed => Wish::Renew,
            SessionStatus::Changed | SessionStatus::Unchanged => Wish::Keep,
        };
        if wish != Wish::Destroy && session_state::is_emptied(session, loaded) {
            self.misuse.report_emptied();
            return None;
        }
        let mut change = filled.change(loaded, session);
        // a user who signs in again: the field has the same value, and the difference does not show it
        let principal_field = self.store.principal_field();
        if wish == Wish::Renew
            && let Some(value) = filled.principal_if_set_again(session, principal_field)
        {
            change = change.with_field(principal_field, &value);
        }
        let finds_it_done = match (wish, loaded) {
            (Wish::Destroy, Loaded::Missing) => true,
            (Wish::Keep, Loaded::Session(_)) => !request.method().is_safe() && change.is_empty(),
            _ => false,
        };
        if wish == Wish::Keep && change.is_empty() && !finds_it_done {
            return None;
        }
        if let Some(user_agent) = request.headers().get(USER_AGENT) {
            change = change.with_device(&String::from_utf8_lossy(user_agent.as_bytes()));
        }
        Some(Conclusion {
            wish,
            change,
            finds_it_done,
        })
    }

    /// Stores what the handler changed, and returns what to do with the cookie.
    async fn finish(
        &self,
        request: &HttpRequest,
        loaded: Loaded,
        conclusion: Conclusion,
        time_left: Duration,
    ) -> Result<CookieAction, Error> {
        // the handler's own time does not count
        let store = self.store.request_with(time_left);
        if conclusion.finds_it_done {
            let received = cookie::values(request.headers(), &self.cookie.name);
            for id in received.take(MAX_IDS).filter_map(|id| self.store.parse_id(id)) {
                store.confirm(&id).await?;
            }
        }
        store.finish(loaded, conclusion.wish, conclusion.change).await
    }

    fn write_cookie(&self, response: &mut ServiceResponse, received: &Received, action: &CookieAction) {
        let secure = || match self.cookie.secure {
            Secure::Always => true,
            Secure::Never => false,
            Secure::Auto => response.request().connection_info().scheme() == "https",
        };
        let cookie = match (action, &received.id) {
            (CookieAction::Issue(id, lifetime), _) => cookie::issue(&self.cookie, secure(), id, *lifetime),
            (CookieAction::Extend(lifetime), Some(id)) if self.cookie.lifetime == CookieLifetime::Session => {
                cookie::issue(&self.cookie, secure(), id, *lifetime)
            }
            (CookieAction::Remove, _) if received.is_present => cookie::removal(&self.cookie, secure()),
            _ => return,
        };
        append(response, &cookie);
    }
}

fn append(response: &mut ServiceResponse, cookie: &Cookie<'_>) {
    let Ok(value) = HeaderValue::from_str(&cookie.to_string()) else {
        return; // its parts are ASCII
    };
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, value);
    // a cache must not give this cookie to another user
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = actix_web::Error;
    type Transform = SessionService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(SessionService {
            service: Rc::new(service),
            middleware: Rc::new(self.clone()),
        }))
    }
}

/// A service wrapped by [`SessionMiddleware`].
pub struct SessionService<S> {
    service: Rc<S>,
    middleware: Rc<SessionMiddleware>,
}

impl<S, B> Service<ServiceRequest> for SessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = actix_web::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let service = self.service.clone();
        let middleware = self.middleware.clone();
        Box::pin(async move {
            if middleware.misuse.is_nested(&request) {
                return service.call(request).await.map(ServiceResponse::map_into_boxed_body);
            }
            middleware.misuse.check_worker(&request);
            let begun = match middleware.begin(&request).await {
                Ok(begun) => begun,
                Err(error) => {
                    let response = response::error_response(&request, error, "failed to load session");
                    // `ServiceRequest::into_response` would drop the error
                    return Ok(ServiceResponse::new(request.into_parts().0, response));
                }
            };
            let response = service.call(request).await?.map_into_boxed_body();
            Ok(middleware.end(begun, response).await)
        })
    }
}
