//! What handlers take and return: [`CurrentSession`], and [`Error`] as a response.

use std::borrow::Cow;
use std::cell::Cell;
use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE, VARY,
};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};

use crate::error::Error;
use crate::http::{Failure, Header};
use crate::store::current_session::CurrentSession;

impl FromRequest for CurrentSession {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let current = request.extensions().get::<Self>().cloned();
        ready(current.ok_or(Error::NoMiddleware))
    }
}

/// The response to an error that a handler returns, for example one of the [`Registry`](crate::Registry): the status of
/// the error, and its user message as plain text.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        if !IS_REPORTED.get() {
            Failure::of_handler(self.clone()).report();
        }
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CACHE_CONTROL, "no-store"));
        response.insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"));
        if let Some(seconds) = self.retry_after() {
            response.insert_header((RETRY_AFTER, seconds));
        }
        response.body(self.user_message())
    }
}

thread_local! {
    /// Whether the error that becomes a response was reported already: [`ResponseError::error_response`] takes no argument.
    static IS_REPORTED: Cell<bool> = const { Cell::new(false) };
}

/// Returns the response to a failure of the middleware. The error stays in it, for middleware that reports errors and for an
/// application's own error page.
pub(super) fn failure_response(request: &HttpRequest, failure: Failure) -> HttpResponse {
    let accept = request.headers().get(ACCEPT).map(|value| value.as_bytes());
    let parts = failure.response(accept);
    IS_REPORTED.set(true);
    let mut response = HttpResponse::from_error(Error::from(failure));
    IS_REPORTED.set(false);
    add_headers(response.headers_mut(), parts.headers);
    response.set_body(BoxBody::new(parts.body))
}

/// Returns a header's name, without a look-up for the frequent ones.
pub(super) fn header_name(name: &'static str) -> HeaderName {
    match name {
        "vary" => VARY,
        "cache-control" => CACHE_CONTROL,
        "set-cookie" => SET_COOKIE,
        _ => HeaderName::from_static(name),
    }
}

/// Adds headers to a response. Their names and values are ASCII.
pub(super) fn add_headers(headers: &mut HeaderMap, add: impl IntoIterator<Item = Header>) {
    for (name, value) in add {
        let name = header_name(name);
        let value = match value {
            Cow::Borrowed(value) => Ok(HeaderValue::from_static(value)),
            Cow::Owned(value) => HeaderValue::try_from(value),
        };
        match value {
            Ok(value) if name == SET_COOKIE => headers.append(name, value),
            Ok(value) => {
                headers.insert(name, value);
            }
            Err(_) => {}
        }
    }
}
