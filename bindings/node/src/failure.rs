//! [`Failure`]: why a call failed, for an error in JavaScript.

use napi_derive::napi;
use shared_session::{Error, http};

/// A call that failed. It is a value: the error that JavaScript throws is made there.
#[napi]
pub struct Failure(http::Failure);

/// The response to a failure.
#[napi(object)]
pub struct FailureResponse {
    /// The status.
    pub status: u16,
    /// The headers: a name and a value each.
    pub headers: Vec<Vec<String>>,
    /// The body.
    pub body: String,
}

impl From<http::Failure> for Failure {
    fn from(failure: http::Failure) -> Self {
        Self(failure)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(http::Failure::of_handler(error))
    }
}

#[napi]
impl Failure {
    /// Returns the status of the response.
    #[napi(getter)]
    pub fn status(&self) -> u16 {
        self.0.error().status()
    }

    /// Returns after how many seconds the request may succeed.
    #[napi(getter)]
    pub fn retry_after(&self) -> Option<u32> {
        self.0.error().retry_after()?.parse().ok()
    }

    /// Returns the name of the error.
    #[napi(getter)]
    pub fn code(&self) -> &'static str {
        self.0.error().code()
    }

    /// Returns the text for logs.
    #[napi(getter)]
    pub fn message(&self) -> String {
        self.0.error().to_string()
    }

    /// Returns the text for the user.
    #[napi(getter)]
    pub fn user_message(&self) -> &'static str {
        self.0.error().user_message()
    }

    /// Logs the failure and returns the response for a client with this `Accept` header.
    #[napi]
    pub fn response(&self, accept: Option<String>) -> FailureResponse {
        let response = self.0.response(accept.as_deref().map(str::as_bytes));
        let header = |(name, value): (&str, _)| vec![name.to_owned(), String::from(value)];
        FailureResponse {
            status: response.status,
            headers: response.headers.into_iter().map(header).collect(),
            body: response.body,
        }
    }
}
