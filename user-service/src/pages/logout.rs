//! `/user/logout`: destroys the session, in every service.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, Responder};
use service_kit::audit;
use service_kit::site::{User, see_other};
use shared_session::Session;

/// The page after it, which says so. The message cannot wait in the session, which is gone.
const SIGNED_OUT: &str = "/user/?signed-out";

/// Makes the browser forget the pages that its back button would show (W3C Clear Site Data).
const CLEAR_SITE_DATA: (HeaderName, HeaderValue) = (
    HeaderName::from_static("clear-site-data"),
    HeaderValue::from_static("\"cache\""),
);

pub(super) async fn submit(session: Session) -> impl Responder {
    sign_out(&session)
}

/// Destroys the session and redirects to the page that says so.
pub(super) fn sign_out(session: &Session) -> HttpResponse {
    if let Some(user) = User::of(session) {
        audit::event("signed out").user(&*user.id).log_on_success();
    }
    session.purge();
    let mut response = see_other(SIGNED_OUT);
    let (name, value) = CLEAR_SITE_DATA;
    response.headers_mut().insert(name, value);
    response
}
