//! What a visitor is told when the session could not be read or stored, and what the log is told.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, Accept, CACHE_CONTROL, Header, RETRY_AFTER};
use actix_web::{HttpMessage, HttpResponse};

use crate::error::Error;

/// Seconds until it is worth asking again: the store is probed at least this often.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The answer to a request that met `error`; logs it, as this is where it is handled.
pub(crate) fn to(request: &impl HttpMessage, error: &Error) -> HttpResponse {
    log(error);
    let status = error.status();
    let mut answer = HttpResponse::build(status);
    answer.insert_header((CACHE_CONTROL, "no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    let mut answer = if wants_problem(request) {
        answer.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        answer.body(problem(status, error.sentence()))
    } else {
        answer.insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"));
        answer.body(page(status, error.sentence()))
    };
    // for an application that shows errors in a page of its own
    answer.extensions_mut().insert(error.clone());
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
