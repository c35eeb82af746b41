//! What a request has stored. If its session then cannot be stored, the user must not be told that nothing was done.

use actix_web::{HttpMessage, HttpRequest};

use super::navigation::Link;

/// What was done, and what was not.
#[derive(Clone, Debug)]
pub struct Done {
    /// What was done, such as `Your account was created`.
    pub title: &'static str,
    /// What the user can do now.
    pub message: &'static str,
    /// The page to go on with.
    pub link: Link,
}

impl Done {
    /// Notes what was done. If the middleware then cannot store the session, the response is a page with this text, and not
    /// an error.
    pub fn note(self, request: &HttpRequest) {
        request.extensions_mut().insert(self);
    }

    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }
}
