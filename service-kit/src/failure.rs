//! Why a request is not answered as it was meant to be, where it is no form's error: what each means to HTTP.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};

/// What is said where nobody can help.
pub(crate) const OUR_FAULT: &str = "Something went wrong here, and it is not your fault.";

/// What a handler returns instead of an answer. The texts are for the log; visitors are told [`Failure::sentence`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The database cannot be reached, or refuses. Whether a change was made is then not known.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// What the database holds cannot be read; it was left as it is. Names the kind of thing, not its contents.
    #[error("the database holds an unreadable {0}")]
    Unreadable(&'static str),
    /// Something else that nobody can help, such as no randomness or no thread.
    #[error("{0}")]
    Broken(String),
    /// The request comes from another site.
    #[error("the request comes from another site")]
    Forged,
    /// There is no such thing, or it is not this visitor's: the two look alike from outside.
    #[error("there is no such thing")]
    NotFound,
}

impl Failure {
    /// What the visitor is told.
    #[must_use]
    pub fn sentence(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "What is kept here cannot be reached at the moment. Please try again shortly.",
            Self::Unreadable(_) | Self::Broken(_) => OUR_FAULT,
            Self::Forged => "This form was sent from another site, so nothing was done. Please use the form here.",
            Self::NotFound => "It may be mistyped, or what was here has gone.",
        }
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreadable(_) | Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Forged => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }

    /// In plain text, of which the server makes a page.
    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        answer.insert_header((CACHE_CONTROL, "no-store"));
        if self.status_code() == StatusCode::SERVICE_UNAVAILABLE {
            answer.insert_header((RETRY_AFTER, 1));
        }
        answer.body(self.sentence())
    }
}
