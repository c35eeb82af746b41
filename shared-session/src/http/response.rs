//! What each [`Error`] becomes: a status, a message for the user, a response, and a log record.

use std::cell::Cell;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{Accept, CACHE_CONTROL, CONTENT_TYPE, Header, HeaderMap, HeaderValue, RETRY_AFTER, VARY};
use actix_web::{HttpMessage, HttpResponse, ResponseError};

use crate::error::Error;
use crate::metrics;

/// The store is probed at least this often, in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The operation of a handler that failed, for the log.
const OPERATION_OF_HANDLER: &str = "session operation of a handler failed";

thread_local! {
    /// The log message of the next response: [`ResponseError::error_response`] takes no argument.
    static MESSAGE: Cell<&str> = const { Cell::new(OPERATION_OF_HANDLER) };
}

/// Logs the error with `message`, which names the failed operation, and returns the response for it. The error stays in
/// the response, for middleware that reports errors and for an application's own error page.
///
/// The response is HTML, or a problem of RFC 9457 if the client prefers JSON.
pub(crate) fn error_response(request: &impl HttpMessage, error: Error, message: &'static str) -> HttpResponse {
    let (status, text) = (error.status_code(), error.user_message());
    let (content_type, body) = if prefers_json(request) {
        ("application/problem+json", problem(status, text))
    } else {
        ("text/html; charset=utf-8", page(status, text))
    };
    MESSAGE.set(message);
    let mut response = HttpResponse::from_error(error);
    MESSAGE.set(OPERATION_OF_HANDLER);
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.set_body(BoxBody::new(body))
}

/// Says that the response depends on the cookie, for caches, beside what it depends on already.
pub(crate) fn vary_by_cookie(headers: &mut HeaderMap) {
    if !headers.contains_key(VARY) {
        headers.insert(VARY, HeaderValue::from_static("Cookie"));
        return;
    }
    let present: Vec<&str> = headers.get_all(VARY).filter_map(|value| value.to_str().ok()).collect();
    let mut names = present.iter().flat_map(|value| value.split(',')).map(str::trim);
    if names.any(|name| name == "*" || name.eq_ignore_ascii_case("cookie")) {
        return;
    }
    let merged = [present.as_slice(), &["Cookie"]].concat().join(", ");
    if let Ok(value) = HeaderValue::from_str(&merged) {
        headers.insert(VARY, value);
    }
}

impl Error {
    /// Returns the message for the user: plain English, without internal details.
    #[must_use]
    pub fn user_message(&self) -> &'static str {
        match self {
            Self::Unavailable(_) | Self::CircuitOpen | Self::Refused(_) | Self::OutOfTime => {
                "Your session is unavailable at the moment. You were not signed out. Please try again shortly."
            }
            Self::Contended => {
                "Other requests keep changing your session, so nothing was changed by this one. Please try again."
            }
            Self::Unfinished(_) => "Not all of the sessions were signed out. Please try again.",
            Self::Ended => "Your session ended while this request was in progress. Nothing was changed.",
            Self::Superseded => "Another request renewed your session. Nothing was changed. Please try again.",
            Self::TooLarge { .. } => "Your session is full. Nothing was changed.",
            Self::Unreadable { .. } => "Your session cannot be read. Nothing was changed.",
            Self::Unwritable(_) | Self::Random(_) => "Your session could not be stored. Nothing was changed.",
        }
    }
}

/// The response to an error that a handler returns, for example one of the [`Registry`](crate::Registry): the status of
/// the error, and its user message as plain text.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unavailable(_)
            | Self::CircuitOpen
            | Self::Refused(_)
            | Self::OutOfTime
            | Self::Contended
            | Self::Unfinished(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Ended | Self::Superseded => StatusCode::CONFLICT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable { .. } | Self::Unwritable(_) | Self::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        report(self, MESSAGE.get());
        let status = self.status_code();
        let mut builder = HttpResponse::build(status);
        builder.insert_header((CACHE_CONTROL, "no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            builder.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        builder.insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"));
        builder.body(self.user_message())
    }
}

/// Logs the error, and counts the request that it is the response to.
fn report(error: &Error, message: &'static str) {
    let status = error.status_code().as_u16();
    metrics::request_refused(status);
    match error {
        // the circuit breaker logs an outage once, and a session that ended or was renewed is not a failure
        Error::CircuitOpen | Error::Ended | Error::Superseded => {
            tracing::debug!(error = %error, http.status_code = status, "{message}");
        }
        Error::OutOfTime | Error::Contended => {
            tracing::warn!(error = %error, http.status_code = status, "{message}");
        }
        _ => tracing::error!(error = %error, http.status_code = status, "{message}"),
    }
}

/// Returns whether the client names JSON before HTML in its `Accept` header.
fn prefers_json(request: &impl HttpMessage) -> bool {
    let accepted = Accept::parse(request).map(|accept| accept.ranked()).unwrap_or_default();
    let first = accepted.iter().find_map(|media| match media.essence_str() {
        "application/problem+json" | "application/json" => Some(true),
        "text/html" | "application/xhtml+xml" => Some(false),
        _ => None,
    });
    first.unwrap_or(false)
}

/// Returns a problem of RFC 9457. Neither text needs escaping, because both are constants.
fn problem(status: StatusCode, message: &'static str) -> String {
    let title = status.canonical_reason().unwrap_or_default();
    format!(
        r#"{{"title":"{title}","status":{},"detail":"{message}"}}"#,
        status.as_u16()
    )
}

fn page(status: StatusCode, message: &'static str) -> String {
    let title = status.canonical_reason().unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <h1>{title}</h1>\n<p>{message}</p>\n</html>\n"
    )
}
