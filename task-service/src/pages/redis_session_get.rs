//! `/task/redis_session_get`: the second of the lecture's pages. It shows the user that the first one sets in the session.
//!
//! Its content and its language are the lecture's.

use actix_web::Responder;
use askama::Template;
use service_kit::site::{Layout, Page, session_text};
use shared_session::Session;

use super::PREFIX;

#[derive(Template)]
#[template(path = "redis_session_get.html")]
struct RedisSessionGetPage {
    layout: Layout,
    username: String,
    userid: String,
}

/// Returns the page with the session's user. A field that the session does not hold is blank.
pub async fn redis_session_get(session: Session) -> impl Responder {
    Page(RedisSessionGetPage {
        layout: Layout::without_session(PREFIX),
        username: session_text::field(&session, "username"),
        userid: session_text::field(&session, "userid"),
    })
}
