//! `/user/logout`: destroys the session, in every service.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, Responder};
use service_kit::audit;
use service_kit::site::{User, see_other};
use shared_session::{CurrentSession, Session};

/// The page after it, which says so. The message cannot wait in the session, which is gone.
const SIGNED_OUT: &str = "/user/?signed-out";

/// Makes the browser forget the pages that its back button would show (W3C Clear Site Data).
const CLEAR_SITE_DATA: (HeaderName, HeaderValue) = (
    HeaderName::from_static("clear-site-data"),
    HeaderValue::from_static("\"cache\""),
);

pub(super) async fn submit(session: Session, current_session: CurrentSession) -> impl Responder {
    sign_out(&session, &current_session)
}

/// Destroys the session and redirects to the page that says so.
pub(super) fn sign_out(session: &Session, current_session: &CurrentSession) -> HttpResponse {
    note_sign_out(session, current_session);
    session.purge();
    let mut response = see_other(SIGNED_OUT);
    let (name, value) = CLEAR_SITE_DATA;
    response.headers_mut().insert(name, value);
    response
}

/// Logs that the user of the session was signed out, once that is stored.
pub(super) fn note_sign_out(session: &Session, current_session: &CurrentSession) {
    if let (Some(user), Some(handle)) = (User::of(session), current_session.handle()) {
        let event = audit::event("signed out").user(&*user.id).session(handle);
        let context = audit::context();
        current_session.once_stored(async move |_| {
            context.run(async { event.log() }).await;
            Ok(())
        });
    }
}
