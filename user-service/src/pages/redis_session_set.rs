//! `/user/redis_session_set`: the first of the lecture's pages.
//!
//! Its content and its language are the lecture's, and so is the GET request that changes the session.

use actix_web::{Responder, Result};
use askama::Template;
use service_kit::site::{Layout, Page, User, lecture, session_text};
use shared_session::Session;

use super::PREFIX;

#[derive(Template)]
#[template(path = "redis_session_set.html")]
struct RedisSessionSetPage {
    layout: Layout,
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
    if User::of(&session).is_some() {
        session.clear();
    }
    session.insert("username", "홍길동")?;
    session.insert("userid", lecture::USER_ID)?;
    Ok(Page(RedisSessionSetPage {
        layout: Layout::without_session(PREFIX),
        username: session_text::field(&session, "username"),
        userid: session_text::field(&session, "userid"),
    }))
}
