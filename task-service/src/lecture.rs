//! The lecture's second page, as it was: what another service put into the session.

use actix_web::Responder;
use askama::Template;
use service_kit::site::{Layout, Page, session_text};
use shared_session::Session;

use crate::PREFIX;

#[derive(Template)]
#[template(path = "redis_session_get.html")]
struct RedisSessionGet {
    layout: Layout,
    username: String,
    userid: String,
}

/// The lecture's second page: shows the user that the session holds, blank where it holds none.
pub async fn redis_session_get(session: Session) -> impl Responder {
    Page(RedisSessionGet {
        layout: Layout::without_session(PREFIX),
        username: session_text::field(&session, "username"),
        userid: session_text::field(&session, "userid"),
    })
}
