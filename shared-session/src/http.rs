//! One request's way through its session, for any framework.
//!
//! A *door* lets the programs of one framework in: it gives [`SessionManager::begin`](crate::SessionManager::begin) the cookies
//! of a request, fills the framework's own session type with [`Exchange::fields`], calls the handler, and hands the difference
//! to [`Exchange::finish`], which returns the headers of the response. What all doors decide alike is decided here.
//!
//! # Examples
//!
//! A door for a framework whose session is a map of JSON values:
//!
//! ```
//! use std::collections::HashMap;
//!
//! use serde_json::Value;
//! use shared_session::http::{Facts, Failure, Header, JsonValue, Wish, is_https, is_safe};
//! use shared_session::{SessionManager, Settings};
//!
//! # #[derive(Default)]
//! struct Request {
//!     method: &'static str,
//!     headers: Vec<(&'static str, String)>,
//! }
//!
//! struct Response {
//!     status: u16,
//!     headers: Vec<Header>,
//!     body: String,
//! }
//!
//! /// The session as handlers of the framework see it.
//! struct Session {
//!     values: HashMap<String, Value>,
//!     wish: Wish,
//! }
//!
//! async fn serve(sessions: &SessionManager, request: &Request, handler: fn(&mut Session) -> Response) -> Response {
//!     let header = |name: &str| values(&request.headers, name).next();
//!     match with_session(sessions, request, handler).await {
//!         Ok(response) => response,
//!         Err(failure) => {
//!             let failed = failure.response(header("accept"));
//!             Response { status: failed.status, headers: failed.headers, body: failed.body }
//!         }
//!     }
//! }
//!
//! async fn with_session(
//!     sessions: &SessionManager,
//!     request: &Request,
//!     handler: fn(&mut Session) -> Response,
//! ) -> Result<Response, Failure> {
//!     let header = |name: &str| values(&request.headers, name).next();
//!     let facts = Facts {
//!         is_safe: is_safe(request.method),
//!         is_https: is_https(values(&request.headers, "forwarded"), header("x-forwarded-proto"), || false),
//!         extends_idle_timeout: true,
//!     };
//!     let exchange = sessions.begin(values(&request.headers, "cookie"), facts).await?;
//!     let mut session = Session { values: HashMap::new(), wish: Wish::Keep };
//!     for (name, json) in exchange.fields() {
//!         let value = Value::from_json(json).map_err(|error| exchange.unreadable(error))?;
//!         session.values.insert(name.to_owned(), value);
//!     }
//!     let names = session.values.len();
//!     let mut response = handler(&mut session);
//!     let change = exchange.change_to(&session.values, names);
//!     let outcome = exchange.finish(session.wish, change, header("user-agent")).await?;
//!     let added = outcome.headers(|name| values(&response.headers, name));
//!     for (name, value) in added.into_iter().flatten() {
//!         response.headers.retain(|(present, _)| *present != name || name == "set-cookie");
//!         response.headers.push((name, value));
//!     }
//!     Ok(response)
//! }
//!
//! fn values<'a>(headers: &'a [(&str, impl AsRef<str>)], name: &str) -> impl Iterator<Item = &'a [u8]> {
//!     let values = headers.iter().filter(move |(present, _)| *present == name);
//!     values.map(|(_, value)| value.as_ref().as_bytes())
//! }
//!
//! fn count(session: &mut Session) -> Response {
//!     let visits = session.values.get("visits").and_then(Value::as_u64).unwrap_or(0) + 1;
//!     session.values.insert("visits".to_owned(), visits.into());
//!     Response { status: 200, headers: Vec::new(), body: visits.to_string() }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = SessionManager::new(&Settings::default())?;
//! let mut request = Request { method: "POST", headers: Vec::new() };
//! let first = serve(&sessions, &request, count).await;
//! let (_, cookie) = first.headers.iter().find(|(name, _)| *name == "set-cookie").ok_or("no cookie")?;
//! request.headers.push(("cookie", cookie.split(';').next().unwrap_or_default().to_owned()));
//! let second = serve(&sessions, &request, count).await;
//! assert_eq!((first.body, second.body), ("1".to_owned(), "2".to_owned()));
//! # assert_eq!(second.status, 200);
//! # Ok(())
//! # }
//! ```

#[cfg_attr(not(feature = "actix"), allow(dead_code))]
mod adoption;
mod cookie;
mod exchange;
mod failure;
mod forward_auth;
mod header_text;
mod misuse;
mod outage;
mod outcome;
mod request;

#[cfg(feature = "actix")]
pub(crate) use self::adoption::OldSession;
pub(crate) use self::exchange::Shared;
pub use self::exchange::{Exchange, Facts};
pub use self::failure::{Failure, FailureResponse};
pub use self::forward_auth::ForwardAuth;
pub use self::header_text::header_text;
pub use self::misuse::Misuse;
pub use self::outage::Outage;
pub use self::outcome::{Header, Outcome};
pub use self::request::{is_https, is_safe};
pub use crate::session::change::{Change, JsonValue};
pub use crate::store::Wish;

/// A request extension that says whether this request extends the idle timeout of its session. It overrides the setting of
/// the door. Middleware around the door inserts it.
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

impl ExtendIdleTimeout {
    /// Returns what the request says, or else the setting of the door.
    pub(crate) fn or(request: Option<Self>, setting: bool) -> bool {
        request.map_or(setting, |Self(extends)| extends)
    }
}
