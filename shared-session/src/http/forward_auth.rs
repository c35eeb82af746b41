//! [`ForwardAuth`]: tells a proxy who is signed in, for programs without a library.

use std::borrow::Cow;
use std::sync::Arc;

use super::ExtendIdleTimeout;
use super::exchange::{Exchange, Facts, Shared};
use super::failure::Failure;
use super::header_text::{header_text, percent_encoded};
use super::outcome::Header;
use super::request::is_safe;

/// A handler that tells a proxy who is signed in, for programs that have no library: nginx's `auth_request`, Caddy's and
/// Traefik's `forward_auth`, Envoy's `ext_authz`.
///
/// [`SessionManager::forward_auth`](crate::SessionManager::forward_auth) returns it. It is a handler of actix-web and a service
/// of tower. It responds to any method, and extends the session's idle timeout, as a request to a program with a library does.
/// It changes nothing else.
///
/// Most proxies ask by GET, whatever the user's method is. So [`SESSION_CACHE`](crate::Settings::with_cache) is used only if the
/// proxy says in [`X-Forwarded-Method`](Self::FORWARDED_METHOD) that the user's method is safe.
///
/// | status | headers | when |
/// | --- | --- | --- |
/// | 200 | `x-session-user`, and one for each [field](Self::field) | somebody is signed in |
/// | 401 | `www-authenticate` | nobody is signed in: the session is missing, or it has no user |
/// | 500 | | the session is unreadable |
/// | 503 | `retry-after` | the store is unavailable. The user may be signed in |
///
/// [`header_text`] encodes the values. The proxy must remove headers of these names that the client sent. The page
/// [Programs without a library](https://github.com/shared-session/shared-session/blob/main/docs/forward-auth.md) has the
/// configuration of each proxy.
///
/// Do not wrap it in the session middleware, which would load the session twice.
///
/// # Examples
///
/// With actix-web. The second path is for Envoy, which appends the path of the request:
///
/// ```
/// use actix_web::{App, web};
/// use shared_session::{SessionManager, Settings};
///
/// let sessions = SessionManager::new(&Settings::default())?;
/// let auth = sessions.forward_auth().field("role", "x-session-role");
/// let app = App::new()
///     .service(web::resource(["/auth", "/auth/{path:.*}"]).to(auth))
///     .service(web::scope("/user").wrap(sessions.middleware()));
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
///
/// With axum:
///
/// ```
/// use axum::Router;
/// use shared_session::{SessionManager, Settings};
///
/// let sessions = SessionManager::new(&Settings::default())?;
/// let auth = sessions.forward_auth().field("role", "x-session-role");
/// let app: Router = Router::new()
///     .nest("/user", Router::new().layer(sessions.layer()))
///     .nest_service("/auth", auth);
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ForwardAuth {
    shared: Arc<Shared>,
    user_header: &'static str,
    fields: Vec<(String, &'static str)>,
    extends_idle_timeout: bool,
}

impl ForwardAuth {
    /// The name of the header in which a proxy says the method of the user's request. The proxy must replace it if a client sent
    /// it.
    pub const FORWARDED_METHOD: &'static str = "x-forwarded-method";

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            user_header: "x-session-user",
            fields: Vec::new(),
            extends_idle_timeout: true,
        }
    }

    /// Sets the name of the header that holds the user's id, instead of `x-session-user`.
    ///
    /// # Panics
    ///
    /// Panics unless `header` has only lower-case letters, digits and hyphens.
    pub fn user_header(mut self, header: &'static str) -> Self {
        self.user_header = checked(header);
        self
    }

    /// Adds a header with the value of a field. It is empty if the session lacks the field, so that a proxy does not keep what the
    /// client sent.
    ///
    /// # Panics
    ///
    /// Panics unless `header` has only lower-case letters, digits and hyphens.
    pub fn field(mut self, field: &str, header: &'static str) -> Self {
        self.fields.push((field.to_owned(), checked(header)));
        self
    }

    /// Sets whether requests extend the idle timeout of their session, which they do by default. [`ExtendIdleTimeout`] decides
    /// about one request.
    pub fn extend_idle_timeout(mut self, extend: bool) -> Self {
        self.extends_idle_timeout = extend;
        self
    }

    /// Returns the status and the headers of the response to a request whose `Cookie` headers have these values. The response has
    /// no body. For doors.
    ///
    /// `method` is the method of the proxy's request, and `forwarded_methods` are the values of
    /// [`X-Forwarded-Method`](Self::FORWARDED_METHOD).
    ///
    /// # Errors
    ///
    /// Returns [`Failure`] if the session cannot be loaded.
    pub async fn respond<'a>(
        &self,
        cookies: impl Iterator<Item = &'a [u8]>,
        method: &str,
        mut forwarded_methods: impl Iterator<Item = &'a [u8]>,
        extends: Option<ExtendIdleTimeout>,
    ) -> Result<(u16, Vec<Header>), Failure> {
        let says_safe = |value: &[u8]| std::str::from_utf8(value).is_ok_and(is_safe);
        let first = forwarded_methods.next();
        let facts = Facts {
            // a value beside the proxy's may be the client's
            is_safe: is_safe(method) && first.is_some_and(says_safe) && forwarded_methods.all(says_safe),
            is_https: false, // it sets no cookie
            extends_idle_timeout: ExtendIdleTimeout::or(extends, self.extends_idle_timeout),
        };
        let exchange = Exchange::begin(self.shared.clone(), cookies, facts).await?;
        let mut headers = vec![
            ("cache-control", Cow::Borrowed("no-store")),
            ("vary", Cow::Borrowed("Cookie")),
        ];
        let Some(user) = exchange.user() else {
            headers.push(("www-authenticate", Cow::Borrowed("Cookie")));
            return Ok((401, headers));
        };
        for (field, header) in &self.fields {
            // the last value counts
            let json = exchange.fields().filter(|(name, _)| name == field).last();
            let text = json.map(|(_, json)| header_text(json)).unwrap_or_default();
            headers.push((header, text.into()));
        }
        headers.push((self.user_header, percent_encoded(&user).into()));
        Ok((200, headers))
    }
}

/// Returns a header's name if no proxy and no program takes it for another one.
fn checked(header: &'static str) -> &'static str {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!(
        !header.is_empty() && header.bytes().all(is_plain),
        "invalid header name: {header:?}"
    );
    header
}
