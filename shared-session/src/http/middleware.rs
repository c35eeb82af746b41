//! [`SessionMiddleware`]: cookie → load → `actix_session::Session` → handler → commit → `Set-Cookie`. What comes before the
//! handler is in `before_handler.rs`, and what comes after it in `after_handler.rs`.
//!
//! `actix_session::SessionMiddleware` would not do: it gives the store whole states instead of changes, cannot tell a
//! renewal from a log-out, signs ids, and answers every failure with 500.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};

use super::misuse::Misuse;
use super::response;
use crate::settings::CookieRules;
use crate::store::Store;

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
    pub(super) store: Store,
    pub(super) cookie: Arc<CookieRules>,
    pub(super) misuse: Arc<Misuse>,
    pub(super) extends: bool,
    pub(super) started: Instant,
    /// The minute, counted from the start, of the last warning about several cookies.
    pub(super) warned: Arc<AtomicU64>,
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
            match service.call(request).await {
                Ok(response) => Ok(middleware.end(begun, response.map_into_boxed_body()).await),
                // a middleware between this one and the handler, perhaps after the handler
                Err(error) => Err(middleware.end_with_error(begun, error).await),
            }
        })
    }
}
