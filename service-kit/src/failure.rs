//! Why a handler cannot respond as intended, apart from an invalid form, and what each reason means in HTTP.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};

/// The message for an error that the user cannot do anything about.
pub(crate) const SERVER_ERROR: &str = "Something went wrong here, and it is not your fault.";

/// The error of a handler. Its text is for the log; users read [`Failure::user_message`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The database is unreachable, or rejects the command. A change may or may not have been made.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A record in the database is invalid; it was not changed. Holds the kind of record, not its content.
    #[error("the database holds an invalid {0}")]
    Unreadable(&'static str),
    /// Another error of the server, such as no randomness or no thread.
    #[error("{0}")]
    Internal(String),
    /// The request comes from another site.
    #[error("the request comes from another site")]
    CrossSite,
    /// The requested item does not exist, or belongs to another user: both look the same to the client.
    #[error("not found")]
    NotFound,
    /// The item that a form is about does not exist any more, or belongs to another user. Holds the message for the user.
    #[error("not found: the item of a form")]
    Missing(&'static str),
    /// A form whose page does not show it again has an invalid field. Holds the message for the user.
    #[error("invalid form")]
    Invalid(&'static str),
}

impl Failure {
    /// Returns the message for the user.
    #[must_use]
    pub fn user_message(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "The database cannot be reached at the moment. Please try again shortly.",
            Self::Unreadable(_) | Self::Internal(_) => SERVER_ERROR,
            Self::CrossSite => {
                "This form was sent from another site, so nothing was changed. Use the form on this site."
            }
            Self::Missing(message) | Self::Invalid(message) => message,
            Self::NotFound => "The address may be mistyped, or the page was removed.",
        }
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreadable(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NotFound | Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    /// Returns the message as plain text, which the error page middleware replaces.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CACHE_CONTROL, "no-store"));
        if self.status_code() == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, 1));
        }
        response.body(self.user_message())
    }
}
