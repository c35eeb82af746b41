//! The request's way: cookie → load → `actix_session::Session` → handler → commit → `Set-Cookie`.
//!
//! Why not `actix_session::SessionMiddleware`: it hands a store whole states instead of changes, cannot tell a renewal
//! from a log-out, signs ids, and answers every failure with 500.

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
use crate::store::current_session::CurrentSession;
use crate::store::{CookieAction, Loaded, RequestStore, Store, Wish};

/// How the cookie is written.
pub(crate) struct CookieRules {
    pub name: String,
    pub secure: Secure,
}

/// Gives every handler below it the visitor's `Session`, and stores what the handler did to it before the answer goes
/// out. Get it from [`SessionManager::middleware`](crate::SessionManager::middleware).
///
/// What could not be stored is not answered as done: the handler's answer is then replaced by an error, 503 where the
/// store is away, 409 where the session ended meanwhile.
#[derive(Clone)]
pub struct SessionMiddleware {
    store: Store,
    cookie: Arc<CookieRules>,
}

impl SessionMiddleware {
    pub(crate) fn new(store: Store, cookie: Arc<CookieRules>) -> Self {
        Self { store, cookie }
    }

    /// Loads the session that the request's cookie names, if it names one.
    async fn load(&self, received: &Received<'_>, store: &RequestStore) -> Result<Loaded, Error> {
        let id = match received {
            Received::One(value) => self.store.parse_id(value),
            Received::None | Received::Several => None,
        };
        match id {
            Some(id) => store.load(&id).await,
            None => Ok(Loaded::Missing),
        }
    }

    /// Stores what the handler did, and returns what happens to the cookie.
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
            change = change.from_device(&String::from_utf8_lossy(user_agent.as_bytes()));
        }
        store.finish(loaded, wish, change).await
    }

    fn write_cookie<B>(&self, response: &mut ServiceResponse<B>, fate: &CookieAction, received: bool) {
        let secure = match self.cookie.secure {
            Secure::Always => true,
            Secure::Never => false,
            Secure::Auto => response.request().connection_info().scheme() == "https",
        };
        let cookie = match fate {
            CookieAction::Issue(id) => cookie::issue(&self.cookie.name, id, secure),
            CookieAction::Remove if received => cookie::removal(&self.cookie.name, secure),
            CookieAction::Remove | CookieAction::Keep => return,
        };
        append(response, &cookie);
    }
}

fn append<B>(response: &mut ServiceResponse<B>, cookie: &Cookie<'_>) {
    let Ok(value) = HeaderValue::from_str(&cookie.to_string()) else {
        return; // name and id are checked to be ASCII
    };
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, value);
    // a cache that kept this answer would hand one visitor's session to another
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

/// [`SessionMiddleware`] around a service.
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
            let received = cookie::read(request.headers(), &middleware.cookie.name);
            let has_cookie = received != Received::None;
            let session = request.get_session();
            let loaded = middleware.load(&received, &store).await.and_then(|loaded| {
                if let Loaded::Session(loaded) = &loaded {
                    session_state::fill(&session, loaded)?;
                }
                Ok(loaded)
            });
            let loaded = match loaded {
                Ok(loaded) => loaded,
                Err(error) => {
                    let answer = response::error_response(&request, &error);
                    return Ok(request.into_response(answer).map_into_right_body());
                }
            };
            if let Loaded::Session(loaded) = &loaded {
                request.extensions_mut().insert(CurrentSession::of(loaded));
            }
            // the time that the handler takes does not count
            let time_left = store.time_left();
            let mut response = service.call(request).await?;
            let store = middleware.store.request_with(time_left);
            match middleware.finish(response.request(), &session, loaded, &store).await {
                Ok(fate) => {
                    middleware.write_cookie(&mut response, &fate, has_cookie);
                    Ok(response.map_into_left_body())
                }
                Err(error) => {
                    let answer = response::error_response(response.request(), &error);
                    Ok(response.into_response(answer).map_into_right_body())
                }
            }
        })
    }
}
