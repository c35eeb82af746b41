//! [`SessionMiddleware`]: cookie → load → `actix_session::Session` → handler → commit → `Set-Cookie`.
//!
//! `actix_session::SessionMiddleware` would not do: it gives the store whole states instead of changes, cannot tell a
//! renewal from a log-out, signs ids, and answers every failure with 500.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use actix_session::{Session, SessionExt, SessionStatus};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::cookie::Cookie;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE, USER_AGENT};
use actix_web::{HttpMessage, HttpRequest};

use super::{response, session_state};
use crate::error::Error;
use crate::http::cookie;
use crate::session::id::SessionId;
use crate::settings::Secure;
use crate::store::current_session::CurrentSession;
use crate::store::{CookieAction, Loaded, RequestStore, Store, Wish};

/// How many ids a request may come with. Each costs a round trip.
const MAX_IDS: usize = 4;

/// How the session cookie is written.
#[derive(Debug)]
pub(crate) struct CookieRules {
    pub name: String,
    pub secure: Secure,
}

/// The middleware that loads the session of a request and stores what the handler changed in it.
///
/// [`SessionManager::middleware`](crate::SessionManager::middleware) returns it. Handlers below it extract a
/// [`Session`], and a [`CurrentSession`] for the registry.
///
/// A request whose change could not be stored never gets the handler's response, but an error: 503 if the store is
/// unavailable, 409 if the session ended in the meantime. [`Error`] lists the reasons.
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
    started: Instant,
    /// The minute, counted from the start, of the last warning about several cookies.
    warned: Arc<AtomicU64>,
}

impl SessionMiddleware {
    pub(crate) fn new(store: Store, cookie: CookieRules) -> Self {
        Self {
            store,
            cookie: Arc::new(cookie),
            started: Instant::now(),
            warned: Arc::default(),
        }
    }

    /// Loads the session of the request's cookie. Of several cookies of the name, the one of a live session counts; if two
    /// sessions are live, nobody can tell which one the browser means, and none counts.
    async fn load(&self, received: &[&[u8]], store: &RequestStore) -> Result<Loaded, Error> {
        let mut ids: Vec<SessionId> = Vec::new();
        for id in received.iter().filter_map(|value| self.store.parse_id(value)) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        if ids.len() > MAX_IDS {
            self.warn_about_cookies();
            return Ok(Loaded::Missing);
        }
        let mut loaded = Loaded::Missing;
        for id in &ids {
            match (store.load(id).await?, &loaded) {
                (Loaded::Session(_), Loaded::Session(_)) => {
                    self.warn_about_cookies();
                    return Ok(Loaded::Missing);
                }
                (found @ Loaded::Session(_), _) | (found @ Loaded::Superseded(_), Loaded::Missing) => loaded = found,
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

    /// Stores what the handler changed, and returns what to do with the cookie.
    async fn finish(
        &self,
        request: &HttpRequest,
        session: &Session,
        loaded: Loaded,
        store: &RequestStore,
    ) -> Result<CookieAction, Error> {
        let wish = match session.status() {
            SessionStatus::Purged => Wish::Destroy,
            SessionStatus::Renewed => Wish::Renew,
            SessionStatus::Changed | SessionStatus::Unchanged => Wish::Keep,
        };
        let mut change = session_state::change(&loaded, session);
        if let Some(user_agent) = request.headers().get(USER_AGENT) {
            change = change.with_device(&String::from_utf8_lossy(user_agent.as_bytes()));
        }
        store.finish(loaded, wish, change).await
    }

    fn write_cookie<B>(&self, response: &mut ServiceResponse<B>, action: &CookieAction, has_cookie: bool) {
        let secure = match self.cookie.secure {
            Secure::Always => true,
            Secure::Never => false,
            Secure::Auto => response.request().connection_info().scheme() == "https",
        };
        let cookie = match action {
            CookieAction::Issue(id) => cookie::issue(&self.cookie.name, id, secure),
            CookieAction::Remove if has_cookie => cookie::removal(&self.cookie.name, secure),
            CookieAction::Remove | CookieAction::Keep => return,
        };
        append(response, &cookie);
    }
}

fn append<B>(response: &mut ServiceResponse<B>, cookie: &Cookie<'_>) {
    let Ok(value) = HeaderValue::from_str(&cookie.to_string()) else {
        return; // name and id are ASCII
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
    type Response = ServiceResponse<EitherBody<B>>;
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
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let service = self.service.clone();
        let middleware = self.middleware.clone();
        Box::pin(async move {
            let store = middleware.store.request();
            let received = cookie::values(request.headers(), &middleware.cookie.name);
            let session = request.get_session();
            let loaded = middleware.load(&received, &store).await.and_then(|loaded| {
                if let Loaded::Session(loaded) = &loaded {
                    session_state::fill(&session, loaded)?;
                }
                Ok(loaded)
            });
            let has_cookie = !received.is_empty();
            let loaded = match loaded {
                Ok(loaded) => loaded,
                Err(error) => {
                    let response = response::error_response(&request, &error, "failed to load session");
                    return Ok(request.into_response(response).map_into_right_body());
                }
            };
            if let Loaded::Session(loaded) = &loaded {
                request.extensions_mut().insert(CurrentSession::of(loaded));
            }
            // the handler's own time does not count
            let time_left = store.time_left();
            let mut response = service.call(request).await?;
            let store = middleware.store.request_with(time_left);
            match middleware.finish(response.request(), &session, loaded, &store).await {
                Ok(action) => {
                    middleware.write_cookie(&mut response, &action, has_cookie);
                    Ok(response.map_into_left_body())
                }
                Err(error) => {
                    let error = response::error_response(response.request(), &error, "failed to store session");
                    Ok(response.into_response(error).map_into_right_body())
                }
            }
        })
    }
}
