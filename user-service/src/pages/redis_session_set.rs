//! `/user/redis_session_set`: the first of the lecture's pages.
//!
//! The lecture is about sharing sessions in Redis. Its two pages, once written in PHP, set a session in one service and
//! show it in another: this page sets the user `kky`, and `/task/redis_session_get` shows the session. Their content
//! and language are the lecture's, and so is the GET request that changes the session.

use actix_web::{Responder, Result};
use askama::Template;
use service_kit::page::Page;
use service_kit::visitor::{LECTURE_ID, Visitor};
use service_kit::{Frame, field};
use shared_session::Session;

use super::PREFIX;

#[derive(Template)]
#[template(path = "redis_session_set.html")]
struct RedisSessionSetPage {
    frame: Frame,
    username: String,
    userid: String,
}

/// Sets the lecture's user in the session and shows the session's fields.
///
/// If another user is signed in, the session is cleared first, so that nothing of theirs is left in it.
///
/// # Errors
///
/// Returns an error if the session rejects a value.
pub async fn redis_session_set(session: Session) -> Result<impl Responder> {
    if Visitor::of(&session).is_some() {
        session.clear();
    }
    session.insert("username", "홍길동")?;
    session.insert("userid", LECTURE_ID)?;
    Ok(Page(RedisSessionSetPage {
        frame: Frame::bare(PREFIX),
        username: field::text(&session, "username"),
        userid: field::text(&session, "userid"),
    }))
}
