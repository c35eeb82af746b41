//! One request's way through its session, for any framework.
//!
//! A *door* lets programs of one framework in: it gives [`SessionManager::begin`](crate::SessionManager::begin) a request's
//! cookies, fills the framework's own session type with the [fields](Exchange::fields), calls the handler, and hands the
//! difference to [`Exchange::finish`], which returns the headers of the response. What all doors have in common is decided here.

mod cookie;
mod exchange;
mod failure;
mod misuse;
mod outcome;
mod request;

pub(crate) use self::exchange::Shared;
pub use self::exchange::{Exchange, Facts};
pub use self::failure::{Failure, FailureResponse};
pub use self::misuse::Misuse;
pub use self::outcome::{Header, Outcome};
pub use self::request::is_https;
pub use crate::session::change::{Change, JsonValue};
pub use crate::store::Wish;

/// Whether one request extends the idle timeout of its session: a request extension, which overrides
/// what the door was told. Middleware around the door inserts it.
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
