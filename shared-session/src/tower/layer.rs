//! [`SessionLayer`]: fills `tower_sessions_core::Session` before the handler, and hands the difference to the engine after it.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{ACCEPT, COOKIE, FORWARDED, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, USER_AGENT};
use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;
use tower_sessions_core::Session;

use super::one_record::OneRecord;
use crate::error::Error;
use crate::http::{Exchange, ExtendIdleTimeout, Facts, Failure, Header, Outcome, is_https};
use crate::manager::SessionManager;
use crate::store::current_session::CurrentSession;

/// The layer that loads the session of a request and stores what the handler changed in it.
///
/// [`SessionManager::layer`] returns it. Handlers below it extract a [`Session`], and a [`CurrentSession`] for the registry.
///
/// A request whose change could not be stored never gets the handler's response, but an error: 503 if the store is
/// unavailable, 409 if the session ended in the meantime. [`Error`] lists the reasons; it is an extension of the response, where
/// layers around this one find it.
///
/// # Examples
///
/// ```
/// use axum::Router;
/// use axum::routing::post;
/// use shared_session::tower::Session;
/// use shared_session::{SessionManager, Settings};
///
/// async fn log_out(session: Session) -> &'static str {
///     session.flush().await.map_or("not signed out", |()| "signed out")
/// }
///
/// let sessions = SessionManager::new(&Settings::default())?;
/// let app: Router = Router::new().route("/logout", post(log_out)).layer(sessions.layer());
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionLayer {
    sessions: SessionManager,
    extends_idle_timeout: bool,
}

impl SessionManager {
    /// Returns the layer that provides the [`Session`] to handlers. Add it to the application, or to parts of it. If two wrap
    /// one request, the inner one does nothing and logs an error.
    #[must_use]
    pub fn layer(&self) -> SessionLayer {
        SessionLayer {
            sessions: self.clone(),
            extends_idle_timeout: true,
        }
    }
}

impl SessionLayer {
    /// Sets whether requests extend the idle timeout of their session, which they do by default. Without it, a page that
    /// polls from an open tab does not keep its session alive.
    ///
    /// A request that changes its session extends the timeout in any case. [`ExtendIdleTimeout`] decides about one request.
    #[must_use]
    pub fn extend_idle_timeout(mut self, extend: bool) -> Self {
        self.extends_idle_timeout = extend;
        self
    }

    async fn begin<B>(&self, request: &mut Request<B>) -> Result<Begun, Failure> {
        let headers = request.headers();
        let facts = Facts {
            is_safe: request.method().is_safe(),
            is_https: is_https(
                values(headers, FORWARDED),
                values(headers, HeaderName::from_static("x-forwarded-proto")).next(),
                || request.uri().scheme_str() == Some("https"),
            ),
            extends_idle_timeout: ExtendIdleTimeout::or(request.extensions().get().copied(), self.extends_idle_timeout),
        };
        let exchange = self.sessions.begin(values(headers, COOKIE), facts).await?;
        let (record, session) = OneRecord::fill(&exchange)?;
        let user_agent = headers.get(USER_AGENT).cloned();
        request.extensions_mut().insert(exchange.current());
        request.extensions_mut().insert(session.clone());
        Ok(Begun {
            exchange,
            record,
            session,
            user_agent,
        })
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, service: S) -> Self::Service {
        SessionService {
            service,
            layer: self.clone(),
        }
    }
}

/// A service wrapped by [`SessionLayer`]. It can wrap any service whose body can be made from text, such as axum's.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    service: S,
    layer: SessionLayer,
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for SessionService<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Future: Send,
    RequestBody: Send + 'static,
    ResponseBody: From<String> + Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        // the service that is ready is this one, and not its clone
        let clone = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            if request.extensions().get::<CurrentSession>().is_some() {
                layer.sessions.misuse().report_nested();
                return service.call(request).await;
            }
            let accept = request.headers().get(ACCEPT).cloned();
            let begun = match layer.begin(&mut request).await {
                Ok(begun) => begun,
                Err(failure) => return Ok(failure_response(failure, accept.as_ref())),
            };
            let mut response = service.call(request).await?;
            match begun.finish().await {
                Ok(outcome) => {
                    let headers = response.headers_mut();
                    let added = outcome.headers(|name| values(headers, HeaderName::from_static(name)));
                    add_headers(headers, added.into_iter().flatten());
                    Ok(response)
                }
                Err(failure) => Ok(failure_response(failure, accept.as_ref())),
            }
        })
    }
}

/// A request whose session was loaded.
struct Begun {
    exchange: Exchange,
    record: Arc<OneRecord>,
    session: Session,
    user_agent: Option<HeaderValue>,
}

impl Begun {
    /// Stores what the handler changed.
    async fn finish(self) -> Result<Outcome, Failure> {
        let (wish, change) = self.record.drain(&self.session, &self.exchange).await;
        let user_agent = self.user_agent.as_ref().map(HeaderValue::as_bytes);
        self.exchange.finish(wish, change, user_agent).await
    }
}

/// Returns the response to a failure. The error is an extension of it.
pub(super) fn failure_response<B: From<String>>(failure: Failure, accept: Option<&HeaderValue>) -> Response<B> {
    let parts = failure.response(accept.map(HeaderValue::as_bytes));
    let mut response = response(parts.status, parts.headers, B::from(parts.body));
    response.extensions_mut().insert(Error::from(failure));
    response
}

pub(super) fn response<B>(status: u16, headers: Vec<Header>, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    add_headers(response.headers_mut(), headers);
    response
}

/// Adds headers to a response. Their names and values are ASCII.
fn add_headers(headers: &mut HeaderMap, add: impl IntoIterator<Item = Header>) {
    for (name, value) in add {
        let name = HeaderName::from_static(name);
        let value = match value {
            Cow::Borrowed(value) => Ok(HeaderValue::from_static(value)),
            Cow::Owned(value) => HeaderValue::try_from(value),
        };
        match value {
            Ok(value) if name == SET_COOKIE => drop(headers.append(name, value)),
            Ok(value) => drop(headers.insert(name, value)),
            Err(_) => {}
        }
    }
}

/// Returns the values of all headers with this name.
pub(super) fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes)
}
