//! [`ForwardAuth`]: the door for programs without a library. A proxy asks it who is signed in.

use std::sync::Arc;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, VARY, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};

use super::extract::failure_response;
use super::middleware::begin;
use crate::http::{header_text, percent_encoded};
use crate::manager::SessionManager;

/// A resource that tells a proxy who is signed in, for programs that have no library: nginx's `auth_request`, Traefik's and
/// Caddy's `forward_auth`, Envoy's `ext_authz`.
///
/// [`SessionManager::forward_auth`] returns it. It responds to any method, and extends the session's idle timeout, as a
/// request to a program with a library does. It changes nothing else.
///
/// | status | headers | when |
/// | --- | --- | --- |
/// | 200 | `x-session-user`, and one for each [field](Self::field) that the session has | somebody is signed in |
/// | 401 | `www-authenticate` | nobody is signed in: the session is missing, or it has no user |
/// | 500 | | the session is unreadable |
/// | 503 | `retry-after` | the store is unavailable. The user may be signed in |
///
/// [`header_text`] encodes the values. The proxy must replace headers of these names that the client sent.
///
/// Do not wrap it in the session middleware, which would load the session twice.
///
/// # Examples
///
/// ```
/// use actix_web::{App, web};
/// use shared_session::{SessionManager, Settings};
///
/// let sessions = SessionManager::new(&Settings::default())?;
/// let app = App::new()
///     .service(sessions.forward_auth("/auth").field("role", "x-session-role"))
///     .service(web::scope("/user").wrap(sessions.middleware()));
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
///
/// nginx turns every status but 401 and 403 into 500. This keeps 503, and passes the user on:
///
/// ```nginx
/// location = /auth {
///     internal;
///     proxy_pass http://127.0.0.1:8080;
///     proxy_pass_request_body off;
///     proxy_set_header Content-Length "";
/// }
/// location /reports/ {
///     auth_request /auth;
///     auth_request_set $auth_status $upstream_status;
///     auth_request_set $session_user $upstream_http_x_session_user;
///     error_page 500 = @unavailable;
///     proxy_set_header X-Session-User $session_user;
///     proxy_pass http://127.0.0.1:9000;
/// }
/// location @unavailable {
///     if ($auth_status = 503) {
///         add_header Retry-After 1 always;
///         return 503;
///     }
///     return 500;
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ForwardAuth {
    sessions: SessionManager,
    path: String,
    user_header: HeaderName,
    fields: Vec<(String, HeaderName)>,
    extends_idle_timeout: bool,
}

impl SessionManager {
    /// Returns a resource under `path` that tells a proxy who is signed in.
    pub fn forward_auth(&self, path: &str) -> ForwardAuth {
        ForwardAuth {
            sessions: self.clone(),
            path: path.to_owned(),
            user_header: HeaderName::from_static("x-session-user"),
            fields: Vec::new(),
            extends_idle_timeout: true,
        }
    }
}

impl ForwardAuth {
    /// Sets the name of the header that holds the user's id, instead of `x-session-user`.
    ///
    /// # Panics
    ///
    /// Panics if `header` is not a valid name in lower case.
    pub fn user_header(mut self, header: &'static str) -> Self {
        self.user_header = HeaderName::from_static(header);
        self
    }

    /// Adds a header with the value of a field, if the session has it.
    ///
    /// # Panics
    ///
    /// Panics if `header` is not a valid name in lower case.
    pub fn field(mut self, field: &str, header: &'static str) -> Self {
        self.fields.push((field.to_owned(), HeaderName::from_static(header)));
        self
    }

    /// Sets whether requests extend the idle timeout of their session, which they do by default.
    pub fn extend_idle_timeout(mut self, extend: bool) -> Self {
        self.extends_idle_timeout = extend;
        self
    }

    async fn respond(&self, request: &HttpRequest) -> HttpResponse {
        let exchange = match begin(&self.sessions, request, self.extends_idle_timeout).await {
            Ok(exchange) => exchange,
            Err(failure) => return failure_response(request, failure),
        };
        let Some(user) = exchange.user() else {
            return response(
                HttpResponse::Unauthorized()
                    .insert_header((WWW_AUTHENTICATE, "Cookie"))
                    .finish(),
            );
        };
        let mut response = response(HttpResponse::Ok().finish());
        let mut add = |name: &HeaderName, text: String| {
            // it is ASCII
            if let Ok(value) = HeaderValue::try_from(text) {
                response.headers_mut().insert(name.clone(), value);
            }
        };
        for (name, json) in exchange.fields() {
            for (_, header) in self.fields.iter().filter(|(field, _)| field == name) {
                add(header, header_text(json));
            }
        }
        add(&self.user_header, percent_encoded(&user));
        response
    }
}

/// Keeps caches from storing the response.
fn response(mut response: HttpResponse) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Cookie"));
    response
}

impl HttpServiceFactory for ForwardAuth {
    fn register(self, config: &mut AppService) {
        let path = self.path.clone();
        let auth = Arc::new(self);
        let respond = move |request: HttpRequest| {
            let auth = auth.clone();
            async move { auth.respond(&request).await }
        };
        web::resource(path).to(respond).register(config);
    }
}
