//! [`SessionMiddleware`]: fills `actix_session::Session` before the handler, and hands the difference to the engine after it.
//!
//! `actix_session::SessionMiddleware` would not do: it gives the store whole states instead of changes, cannot tell a
//! renewal from a log-out, signs ids, and returns 500 for every failure.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_session::{Session, SessionExt, SessionStatus};
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::http::header::{COOKIE, FORWARDED, HeaderMap, HeaderName, HeaderValue, USER_AGENT, X_FORWARDED_PROTO};
use actix_web::http::uri::Scheme;
use actix_web::{HttpMessage, HttpRequest};

use super::entries::{self, Filled};
use super::extract::{add_headers, failure_response, header_name};
use super::old_sessions::OldSessions;
use crate::error::Error;
use crate::http::{self, Exchange, ExtendIdleTimeout, Facts, Failure, Outcome, Wish};
use crate::manager::SessionManager;
use crate::store::current_session::CurrentSession;

/// The middleware that loads the session of a request and stores what the handler changed in it.
///
/// [`SessionManager::middleware`](crate::SessionManager::middleware) returns it. Handlers below it extract a
/// [`Session`](crate::Session), and a [`CurrentSession`](crate::CurrentSession) for the registry.
///
/// A request whose change could not be stored never gets the handler's response, but an error: 503 if the store is
/// unavailable, 409 if the session ended in the meantime. [`Error`](crate::Error) lists the reasons. The error stays in the response
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
    sessions: SessionManager,
    extends_idle_timeout: bool,
    old: Option<OldSessions>,
}

impl SessionManager {
    /// Returns the middleware that provides the `Session` to handlers. Wrap the application with it, or scopes of it. If two
    /// wrap one request, the inner one does nothing and logs an error.
    #[must_use]
    pub fn middleware(&self) -> SessionMiddleware {
        SessionMiddleware {
            sessions: self.clone(),
            extends_idle_timeout: true,
            old: None,
        }
    }
}

impl SessionMiddleware {
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
        self.extends_idle_timeout = extend;
        self
    }

    /// Continues the sessions that users have from `actix_session::SessionMiddleware`, so that nobody has to sign in again.
    #[must_use]
    pub fn adopt(mut self, old: OldSessions) -> Self {
        self.old = Some(old);
        self
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
            let misuse = middleware.sessions.misuse();
            if request.extensions().contains::<CurrentSession>() {
                misuse.report_nested();
                return service.call(request).await.map(ServiceResponse::map_into_boxed_body);
            }
            misuse.check_worker(|| request.peer_addr().is_some());
            let begun = match middleware.begin(&request).await {
                Ok(begun) => begun,
                Err(failure) => {
                    let response = failure_response(request.request(), failure);
                    // `ServiceRequest::into_response` would drop the error
                    return Ok(ServiceResponse::new(request.into_parts().0, response));
                }
            };
            match service.call(request).await {
                Ok(response) => Ok(begun.end(response.map_into_boxed_body()).await),
                // a middleware between this one and the handler, perhaps after the handler
                Err(error) => Err(begun.end_with_error(error).await),
            }
        })
    }
}

/// A request whose session was loaded. The request itself is gone if a middleware fails.
struct Begun {
    exchange: Exchange,
    session: Session,
    filled: Filled,
    user_agent: Option<HeaderValue>,
}

impl SessionMiddleware {
    async fn begin(&self, request: &ServiceRequest) -> Result<Begun, Failure> {
        let facts = self.facts(request.request());
        let mut exchange = self.sessions.begin(values(request.headers(), COOKIE), facts).await?;
        if let Some(old) = &self.old {
            Box::pin(old.adopt(&mut exchange, request.request(), facts.is_https)).await?;
        }
        let session = request.get_session();
        let filled = entries::fill(&session, &exchange)?;
        request.extensions_mut().insert(exchange.current());
        Ok(Begun {
            exchange,
            session,
            filled,
            user_agent: request.headers().get(USER_AGENT).cloned(),
        })
    }

    fn facts(&self, request: &HttpRequest) -> Facts {
        Facts {
            is_safe: request.method().is_safe(),
            is_https: is_https(request),
            extends_idle_timeout: ExtendIdleTimeout::or(request.extensions().get().copied(), self.extends_idle_timeout),
        }
    }
}

impl Begun {
    /// Stores what the handler changed, and returns its response with the session's headers, or an error in its place.
    async fn end(self, mut response: ServiceResponse) -> ServiceResponse {
        match self.finish().await {
            Ok(outcome) => add_outcome(response.headers_mut(), outcome),
            Err(failure) => {
                let failed = failure_response(response.request(), failure);
                response = response.into_response(failed);
            }
        }
        response
    }

    /// Stores what the handler changed before a middleware around it failed. Returns the error to respond with.
    async fn end_with_error(self, error: actix_web::Error) -> actix_web::Error {
        match self.finish().await {
            Ok(outcome) if outcome.sets_cookie() => {
                let mut response = error.error_response();
                add_outcome(response.headers_mut(), outcome);
                InternalError::from_response(error, response).into()
            }
            Ok(_) => error,
            Err(failure) => Error::from(failure).into(),
        }
    }

    async fn finish(self) -> Result<Outcome, Failure> {
        let wish = match self.session.status() {
            SessionStatus::Purged => Wish::Destroy,
            SessionStatus::Renewed => Wish::Renew,
            SessionStatus::Changed | SessionStatus::Unchanged => Wish::Keep,
        };
        if wish != Wish::Destroy && self.filled.is_emptied(&self.session) {
            return Ok(Outcome::default());
        }
        let change = self.filled.change(&self.exchange, &self.session, wish == Wish::Renew);
        let user_agent = self.user_agent.as_ref().map(HeaderValue::as_bytes);
        self.exchange.finish(wish, change, user_agent).await
    }
}

fn add_outcome(headers: &mut HeaderMap, outcome: Outcome) {
    let add = outcome.headers(|name| values(headers, header_name(name)));
    add_headers(headers, add.into_iter().flatten());
}

/// Returns the values of all headers with this name.
pub(super) fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).map(HeaderValue::as_bytes)
}

fn is_https(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let x_forwarded_proto = headers.get(X_FORWARDED_PROTO).map(HeaderValue::as_bytes);
    http::is_https(values(headers, FORWARDED), x_forwarded_proto, || {
        let scheme = request.uri().scheme();
        scheme.map_or(request.app_config().secure(), |scheme| *scheme == Scheme::HTTPS)
    })
}
