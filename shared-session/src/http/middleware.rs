//! [`SessionMiddleware`]: cookie → load → `actix_session::Session` → handler → commit → `Set-Cookie`.
//!
//! `actix_session::SessionMiddleware` would not do: it gives the store whole states instead of changes, cannot tell a
//! renewal from a log-out, signs ids, and answers every failure with 500.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_session::{Session, SessionExt, SessionStatus};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::cookie::Cookie;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE, USER_AGENT};
use actix_web::{HttpMessage, HttpRequest};

use super::{response, session_state};
use crate::error::Error;
use crate::http::cookie::{self, Received};
use crate::session::id::SessionId;
use crate::settings::Secure;
use crate::store::circuit_breaker::Budget;
use crate::store::current_session::CurrentSession;
use crate::store::{LoadedSession, Store};

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
}

impl SessionMiddleware {
    pub(crate) fn new(store: Store, cookie: Arc<CookieRules>) -> Self {
        Self { store, cookie }
    }

    /// Loads the session of the request's cookie. Returns `None` if there is no cookie or no such session.
    async fn load(&self, received: &Received<'_>, budget: &mut Budget) -> Result<Option<LoadedSession>, Error> {
        let id = match received {
            Received::One(value) => self.store.parse_id(value),
            Received::None | Received::Several => None,
        };
        match id {
            Some(id) => self.store.load(&id, budget).await,
            None => Ok(None),
        }
    }

    /// Stores what the handler changed, and returns what to do with the cookie.
    async fn store_change(
        &self,
        request: &HttpRequest,
        session: &Session,
        loaded: Option<LoadedSession>,
        mut budget: Budget,
    ) -> Result<CookieAction, Error> {
        let status = session.status();
        if status == SessionStatus::Purged {
            if let Some(loaded) = loaded {
                self.store.destroy(loaded, &mut budget).await?;
            }
            return Ok(CookieAction::Remove);
        }
        let mut change = session_state::change(loaded.as_ref(), session);
        if let Some(user_agent) = request.headers().get(USER_AGENT) {
            change = change.with_device(&String::from_utf8_lossy(user_agent.as_bytes()));
        }
        match loaded {
            None if change.is_empty() => Ok(CookieAction::Keep),
            None => Ok(CookieAction::Issue(self.store.create(&change, &mut budget).await?)),
            Some(loaded) if status == SessionStatus::Renewed => {
                let renewed = self.store.renew(loaded, &change, &mut budget).await?;
                Ok(renewed.map_or(CookieAction::Keep, CookieAction::Issue))
            }
            Some(_) if change.is_empty() => Ok(CookieAction::Keep),
            Some(loaded) => {
                self.store.commit(loaded, &change, &mut budget).await?;
                Ok(CookieAction::Keep)
            }
        }
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

/// What a response does with the browser's cookie.
enum CookieAction {
    Keep,
    Issue(SessionId),
    Remove,
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
            let mut budget = middleware.store.budget();
            let received = cookie::read(request.headers(), &middleware.cookie.name);
            let has_cookie = received != Received::None;
            let session = request.get_session();
            let loaded = middleware.load(&received, &mut budget).await.and_then(|loaded| {
                if let Some(loaded) = &loaded {
                    session_state::fill(&session, loaded)?;
                }
                Ok(loaded)
            });
            let loaded = match loaded {
                Ok(loaded) => loaded,
                Err(error) => {
                    let response = response::error_response(&request, &error, "failed to load session");
                    return Ok(request.into_response(response).map_into_right_body());
                }
            };
            if let Some(loaded) = &loaded {
                request.extensions_mut().insert(CurrentSession::of(loaded));
            }
            let mut response = service.call(request).await?;
            match middleware
                .store_change(response.request(), &session, loaded, budget)
                .await
            {
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
