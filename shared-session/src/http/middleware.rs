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
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE, USER_AGENT};
use actix_web::{HttpMessage, HttpRequest};

use super::misuse::Misuse;
use super::session_state::FilledField;
use super::{response, session_state};
use crate::error::Error;
use crate::http::cookie;
use crate::session::id::SessionId;
use crate::settings::{CookieLifetime, CookieRules, Secure};
use crate::store::current_session::CurrentSession;
use crate::store::{CookieAction, Loaded, RequestStore, Store, Wish};

/// How many ids a request may come with. Each costs a round trip.
const MAX_IDS: usize = 4;

/// The middleware that loads the session of a request and stores what the handler changed in it.
///
/// [`SessionManager::middleware`](crate::SessionManager::middleware) returns it. Handlers below it extract a
/// [`Session`], and a [`CurrentSession`] for the registry.
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
    /// The principal field, if the session has it.
    principal: FilledField,
    cookie: Received,
    /// How long the request may still wait for the store.
    time_left: Duration,
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
        let received = cookie::values(request.headers(), &self.cookie.name);
        let (loaded, id) = self.load(&received, extends, &store).await?;
        let session = request.get_session();
        let mut principal = FilledField::default();
        if let Loaded::Session(loaded) = &loaded {
            session_state::fill(&session, loaded)?;
            principal = FilledField::of(&session, self.store.principal_field());
            request.extensions_mut().insert(CurrentSession::of(loaded));
        }
        Ok(Begun {
            session,
            loaded,
            principal,
            cookie: Received {
                is_present: !received.is_empty(),
                id,
            },
            time_left: store.time_left(),
        })
    }

    /// Loads the session of the request's cookie, and returns it with its id. Of several cookies of the name, the one of a
    /// live session counts; if two sessions are live, nobody can tell which one the browser means, and none counts.
    async fn load(
        &self,
        received: &[&[u8]],
        extends: bool,
        store: &RequestStore,
    ) -> Result<(Loaded, Option<SessionId>), Error> {
        let none = (Loaded::Missing, None);
        let mut ids: Vec<SessionId> = Vec::new();
        for id in received.iter().filter_map(|value| self.store.parse_id(value)) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        if ids.len() > MAX_IDS {
            self.warn_about_cookies();
            return Ok(none);
        }
        let mut loaded = none.clone();
        for id in ids {
            let found = if extends {
                store.load(&id).await?
            } else {
                store.load_without_extending(&id).await?
            };
            match (found, &loaded.0) {
                (Loaded::Session(_), Loaded::Session(_)) => {
                    self.warn_about_cookies();
                    return Ok(none);
                }
                (found @ Loaded::Session(_), _) | (found @ Loaded::Superseded(_), Loaded::Missing) => {
                    loaded = (found, Some(id));
                }
                _ => {}
            }
        }
        Ok(loaded)
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
        match self
            .finish(
                response.request(),
                &begun.session,
                begun.loaded,
                begun.principal,
                begun.time_left,
            )
            .await
        {
            Ok(action) => self.write_cookie(&mut response, &begun.cookie, &action),
            Err(error) => {
                let error = response::error_response(response.request(), error, "failed to store session");
                response = response.into_response(error);
            }
        }
        if is_loaded {
            response::vary_by_cookie(response.headers_mut());
        }
        response
    }

    /// Stores what the handler changed, and returns what to do with the cookie.
    async fn finish(
        &self,
        request: &HttpRequest,
        session: &Session,
        loaded: Loaded,
        principal: FilledField,
        time_left: Duration,
    ) -> Result<CookieAction, Error> {
        let wish = match session.status() {
            SessionStatus::Purged => Wish::Destroy,
            SessionStatus::Renewed => Wish::Renew,
            SessionStatus::Changed | SessionStatus::Unchanged => Wish::Keep,
        };
        if wish != Wish::Destroy && session_state::is_emptied(session, &loaded) {
            self.misuse.report_emptied();
            return Ok(CookieAction::Keep);
        }
        let mut change = session_state::change(&loaded, session);
        // a user who signs in again: the field has the same value, and the difference does not show it
        if wish == Wish::Renew
            && let Some(value) = principal.value_if_set_again(session, self.store.principal_field())
        {
            change = change.with_field(self.store.principal_field(), &value);
        }
        if let Some(user_agent) = request.headers().get(USER_AGENT) {
            change = change.with_device(&String::from_utf8_lossy(user_agent.as_bytes()));
        }
        // the handler's own time does not count
        let store = self.store.request_with(time_left);
        let finds_it_done = match (wish, &loaded) {
            (Wish::Destroy, Loaded::Missing) => true,
            (Wish::Keep, Loaded::Session(_)) => !request.method().is_safe() && change.is_empty(),
            _ => false,
        };
        if finds_it_done {
            let received = cookie::values(request.headers(), &self.cookie.name);
            for id in received.iter().take(MAX_IDS).filter_map(|id| self.store.parse_id(id)) {
                store.confirm(&id).await?;
            }
        }
        store.finish(loaded, wish, change).await
    }

    fn write_cookie(&self, response: &mut ServiceResponse, received: &Received, action: &CookieAction) {
        let secure = match self.cookie.secure {
            Secure::Always => true,
            Secure::Never => false,
            Secure::Auto => response.request().connection_info().scheme() == "https",
        };
        let cookie = match (action, &received.id) {
            (CookieAction::Issue(id, lifetime), _) => cookie::issue(&self.cookie, secure, id, *lifetime),
            (CookieAction::Extend(lifetime), Some(id)) if self.cookie.lifetime == CookieLifetime::Session => {
                cookie::issue(&self.cookie, secure, id, *lifetime)
            }
            (CookieAction::Remove, _) if received.is_present => cookie::removal(&self.cookie, secure),
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
