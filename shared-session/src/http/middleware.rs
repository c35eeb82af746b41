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
use crate::store::circuit_breaker::Budget;
use crate::store::current_session::CurrentSession;
use crate::store::{LoadedSession, Store};

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

    /// Stores what the handler did, and says what becomes of the cookie.
    async fn conclude(
        &self,
        request: &HttpRequest,
        session: &Session,
        loaded: Option<LoadedSession>,
        mut budget: Budget,
    ) -> Result<CookieFate, Error> {
        let status = session.status();
        if status == SessionStatus::Purged {
            if let Some(loaded) = loaded {
                self.store.destroy(loaded, &mut budget).await?;
            }
            return Ok(CookieFate::TakeAway);
        }
        let mut change = session_state::change(loaded.as_ref(), session);
        if let Some(user_agent) = request.headers().get(USER_AGENT) {
            change = change.from_device(&String::from_utf8_lossy(user_agent.as_bytes()));
        }
        match loaded {
            None if change.is_empty() => Ok(CookieFate::Leave),
            None => Ok(CookieFate::Issue(self.store.create(&change, &mut budget).await?)),
            Some(loaded) if status == SessionStatus::Renewed => {
                let renewed = self.store.renew(loaded, &change, &mut budget).await?;
                Ok(renewed.map_or(CookieFate::Leave, CookieFate::Issue))
            }
            Some(_) if change.is_empty() => Ok(CookieFate::Leave),
            Some(loaded) => {
                self.store.commit(loaded, &change, &mut budget).await?;
                Ok(CookieFate::Leave)
            }
        }
    }

    fn write_cookie<B>(&self, response: &mut ServiceResponse<B>, fate: &CookieFate, received: bool) {
        let secure = match self.cookie.secure {
            Secure::Always => true,
            Secure::Never => false,
            Secure::Auto => response.request().connection_info().scheme() == "https",
        };
        let cookie = match fate {
            CookieFate::Issue(id) => cookie::issue(&self.cookie.name, id, secure),
            CookieFate::TakeAway if received => cookie::removal(&self.cookie.name, secure),
            CookieFate::TakeAway | CookieFate::Leave => return,
        };
        append(response, &cookie);
    }
}

/// What a response does to the browser's cookie.
enum CookieFate {
    Leave,
    Issue(SessionId),
    TakeAway,
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
                    let answer = response::error_response(&request, &error);
                    return Ok(request.into_response(answer).map_into_right_body());
                }
            };
            if let Some(loaded) = &loaded {
                request.extensions_mut().insert(CurrentSession::of(loaded));
            }
            let mut response = service.call(request).await?;
            match middleware.conclude(response.request(), &session, loaded, budget).await {
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
