//! [`Failure`]: turns an [`Error`] into a status, a message for the user, a response, and a line in the log.

use std::borrow::Cow;

use super::outage::Outage;
use super::outcome::Header;
use super::request::prefers_json;
use crate::error::Error;
use crate::metrics;

/// Requests that failed because the store is unreachable, and because it refuses an operation. They have different remedies.
static UNREACHABLE: Outage = Outage::new();
static REFUSING: Outage = Outage::new();

/// A request that could not load or store its session.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    /// What failed, for the log.
    operation: &'static str,
}

/// The response to a [`Failure`].
#[derive(Debug)]
pub struct FailureResponse {
    /// The status: 409, 413, 500 or 503.
    pub status: u16,
    /// The headers. Each occurs once.
    pub headers: Vec<Header>,
    /// The body, in UTF-8: HTML, or, if the client prefers JSON, a problem (RFC 9457) with the member `code`
    /// ([`Error::code`]).
    pub body: String,
}

impl Failure {
    pub(super) fn of_load(error: Error) -> Self {
        let operation = "failed to load session";
        Self { error, operation }
    }

    pub(super) fn of_store(error: Error) -> Self {
        let operation = "failed to store session";
        Self { error, operation }
    }

    /// Returns the failure of an operation that a handler began itself, such as one of the [`Registry`](crate::Registry).
    #[must_use]
    pub fn of_handler(error: Error) -> Self {
        let operation = "session operation of a handler failed";
        Self { error, operation }
    }

    /// Returns the error.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Logs and counts the failure, and returns the response for a client with this `Accept` header.
    #[must_use]
    pub fn response(&self, accept: Option<&[u8]>) -> FailureResponse {
        self.report();
        let status = self.error.status();
        let (content_type, body) = if accept.is_some_and(prefers_json) {
            ("application/problem+json", problem(&self.error))
        } else {
            ("text/html; charset=utf-8", page(&self.error))
        };
        let mut headers = vec![
            ("content-type", Cow::Borrowed(content_type)),
            ("cache-control", Cow::Borrowed("no-store")),
            ("vary", Cow::Borrowed("Cookie")),
        ];
        if let Some(seconds) = self.error.retry_after() {
            headers.push(("retry-after", Cow::Borrowed(seconds)));
        }
        FailureResponse { status, headers, body }
    }

    /// Logs and counts the failure, for a door that writes the response itself.
    pub fn report(&self) {
        let Self { error, operation } = self;
        let status = error.status();
        metrics::request_refused(status);
        match error {
            // the circuit breaker logs an outage once, and a session that ended or was renewed is not a failure
            Error::CircuitOpen | Error::Ended | Error::Superseded => {
                tracing::debug!(error = %error, http.status_code = status, "{operation}");
            }
            Error::Contended | Error::TooLarge { .. } => {
                tracing::warn!(error = %error, http.status_code = status, "{operation}");
            }
            Error::Unavailable(_) | Error::OutOfTime => self.report_outage(&UNREACHABLE),
            Error::Refused(_) => self.report_outage(&REFUSING),
            _ => tracing::error!(error = %error, http.status_code = status, "{operation}"),
        }
    }

    fn report_outage(&self, outage: &Outage) {
        if let Some(unlogged) = outage.count() {
            let Self { error, operation } = self;
            tracing::error!(error = %error, http.status_code = error.status(), unlogged_before = unlogged, "{operation}");
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Error {
    /// Returns the status of the response (RFC 9110, section 15).
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Unavailable(_)
            | Self::CircuitOpen
            | Self::Refused(_)
            | Self::OutOfTime
            | Self::Contended
            | Self::Unfinished(_) => 503,
            Self::Ended | Self::Superseded => 409,
            Self::TooLarge { .. } => 413,
            Self::Unreadable { .. } | Self::Unwritable(_) | Self::NoMiddleware | Self::Random(_) => 500,
        }
    }

    /// Returns the name of the error, for programs: to translate its message, say. It stays the same.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "store_unavailable",
            Self::CircuitOpen => "circuit_open",
            Self::Refused(_) => "store_refused",
            Self::OutOfTime => "out_of_time",
            Self::Contended => "session_contended",
            Self::Unfinished(_) => "revocation_unfinished",
            Self::Ended => "session_ended",
            Self::Superseded => "session_superseded",
            Self::TooLarge { .. } => "session_full",
            Self::Unreadable { .. } => "session_unreadable",
            Self::Unwritable(_) => "session_unwritable",
            Self::NoMiddleware => "no_session_middleware",
            Self::Random(_) => "random_source_failed",
        }
    }

    /// Returns the value of the `Retry-After` header (RFC 9110, section 10.2.3) in seconds, if the request may succeed soon.
    #[must_use]
    pub fn retry_after(&self) -> Option<&'static str> {
        // the store is probed at least this often
        (self.status() == 503).then_some("1")
    }

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
            Self::Unwritable(_) | Self::NoMiddleware | Self::Random(_) => {
                "Your session could not be stored. Nothing was changed."
            }
        }
    }
}

/// Returns the name of a status.
fn title(status: u16) -> &'static str {
    match status {
        409 => "Conflict",
        413 => "Payload Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// Returns a problem of RFC 9457, with the name of the error as its member `code`. Nothing needs escaping: all texts are
/// constants.
fn problem(error: &Error) -> String {
    let (status, message, code) = (error.status(), error.user_message(), error.code());
    format!(
        r#"{{"title":"{}","status":{status},"detail":"{message}","code":"{code}"}}"#,
        title(status)
    )
}

fn page(error: &Error) -> String {
    let (title, message) = (title(error.status()), error.user_message());
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <h1>{title}</h1>\n<p>{message}</p>\n</html>\n"
    )
}
