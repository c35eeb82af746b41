//! What a visitor is told when the session could not be read or stored, and what the log is told.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, Accept, CACHE_CONTROL, Header, RETRY_AFTER};
use actix_web::{HttpMessage, HttpResponse, HttpResponseBuilder, ResponseError};

use crate::error::Error;

/// Seconds until it is worth asking again: the store is probed at least this often.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The answer to a request that met `error`; logs it, as this is where it is handled.
pub(crate) fn error_response(request: &impl HttpMessage, error: &Error) -> HttpResponse {
    log(error);
    let (status, mut answer) = (error.status(), begin(error));
    let mut answer = if wants_problem(request) {
        answer.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        answer.body(problem(status, error.user_message()))
    } else {
        answer.insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"));
        answer.body(page(status, error.user_message()))
    };
    // for an application that shows errors in a page of its own
    answer.extensions_mut().insert(error.clone());
    answer
}

impl Error {
    /// The status that answers a request which met this error.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unavailable(_) | Self::CircuitOpen | Self::Refused(_) | Self::Contended | Self::Unfinished(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Ended | Self::Superseded => StatusCode::CONFLICT,
            Self::Unreadable { .. } | Self::Unwritable(_) | Self::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the visitor is told: a user_message with nothing internal in it.
    #[must_use]
    pub fn user_message(&self) -> &'static str {
        match self {
            Self::Unavailable(_) | Self::CircuitOpen | Self::Refused(_) => {
                "Sessions cannot be reached at the moment. You were not signed out; please try again shortly."
            }
            Self::Contended => {
                "Your session is very busy at the moment, and nothing was changed in it. Please try again."
            }
            Self::Unfinished(_) => "Not all sessions could be ended. Please try again.",
            Self::Ended => "Your session ended while this request was under way, and nothing was changed in it.",
            Self::Superseded => {
                "Your session was renewed by another request, and nothing was changed in it. Please try again."
            }
            Self::Unreadable { .. } => "Your session cannot be read. It was left as it is.",
            Self::Unwritable(_) | Self::Random(_) => "Your session could not be stored, and nothing was changed in it.",
        }
    }
}

/// What becomes of an error that a handler passes on, of a [`Registry`](crate::Registry) as a rule: the status, and the
/// sentence as plain text.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        log(self);
        let mut answer = begin(self);
        answer.insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"));
        answer.body(self.user_message())
    }
}

fn begin(error: &Error) -> HttpResponseBuilder {
    let status = error.status();
    let mut answer = HttpResponse::build(status);
    answer.insert_header((CACHE_CONTROL, "no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    answer
}

fn log(error: &Error) {
    match error {
        // the store's being away is logged once, where it is noticed; a session's end or renewal is nobody's fault
        Error::CircuitOpen | Error::Ended | Error::Superseded => {
            tracing::debug!(error = %error, "request without its session")
        }
        Error::Contended => tracing::warn!(error = %error, "request without its session"),
        _ => tracing::error!(error = %error, "request without its session"),
    }
}

/// Whether the client names JSON before HTML.
fn wants_problem(request: &impl HttpMessage) -> bool {
    let accepted = Accept::parse(request).map(|accept| accept.ranked()).unwrap_or_default();
    let named = accepted.iter().find_map(|media| match media.essence_str() {
        "application/problem+json" | "application/json" => Some(true),
        "text/html" | "application/xhtml+xml" => Some(false),
        _ => None,
    });
    named.unwrap_or(false)
}

/// A problem of RFC 9457. Its texts are our own and hold nothing that JSON would escape.
fn problem(status: StatusCode, sentence: &str) -> String {
    let title = status.canonical_reason().unwrap_or_default();
    format!(
        r#"{{"title":"{title}","status":{},"detail":"{sentence}"}}"#,
        status.as_u16()
    )
}

fn page(status: StatusCode, sentence: &str) -> String {
    let title = status.canonical_reason().unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <h1>{title}</h1>\n<p>{sentence}</p>\n</html>\n"
    )
}
