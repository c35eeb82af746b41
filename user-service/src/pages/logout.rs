//! `/user/logout`: the session ends, in every service.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, Responder};
use service_kit::site::see_other;
use shared_session::Session;

use super::LOGIN;

/// What a browser is to forget (W3C Clear Site Data): pages that could be looked at by going back.
const CLEAR: (HeaderName, HeaderValue) = (
    HeaderName::from_static("clear-site-data"),
    HeaderValue::from_static("\"cache\""),
);

pub(super) async fn submit(session: Session) -> impl Responder {
    sign_out(&session)
}

/// Ends the session, and leads to where another one can be begun.
pub(super) fn sign_out(session: &Session) -> HttpResponse {
    session.purge();
    let mut answer = see_other(LOGIN);
    let (name, value) = CLEAR;
    answer.headers_mut().insert(name, value);
    answer
}
