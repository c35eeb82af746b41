//! What handlers of axum take and return: [`CurrentSession`], and [`Error`] as a response.

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::request::Parts;

use crate::error::Error;
use crate::http::Failure;
use crate::store::current_session::CurrentSession;

impl<S: Sync> FromRequestParts<S> for CurrentSession {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get::<Self>().cloned().ok_or(Error::NoMiddleware)
    }
}

/// The response to an error that a handler returns, for example one of the [`Registry`](crate::Registry): the status of the
/// error, and its user message as plain text.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after().map(|seconds| [(RETRY_AFTER, seconds)]);
        let headers = [(CACHE_CONTROL, "no-store")];
        let mut response = (status, headers, retry_after, self.user_message()).into_response();
        Failure::of_handler(self.clone()).report();
        response.extensions_mut().insert(self);
        response
    }
}
