//! The lecture's first page. It stays as it was, in Korean, though it is a GET that writes.

use actix_web::{Responder, Result};
use askama::Template;
use service_kit::page::Page;
use service_kit::visitor::Visitor;
use service_kit::{Frame, field};
use shared_session::Session;

use super::PREFIX;

#[derive(Template)]
#[template(path = "redis_session_set.html")]
struct RedisSessionSet {
    frame: Frame,
    username: String,
    userid: String,
}

/// The lecture's first page: puts a user into the session and shows what is then there. What the session held of
/// somebody who signed in is gone, as it is theirs and not the lecture's visitor's.
///
/// # Errors
///
/// When the session does not take a value.
pub async fn redis_session_set(session: Session) -> Result<impl Responder> {
    if Visitor::of(&session).is_some() {
        session.clear();
    }
    session.insert("username", "홍길동")?;
    session.insert("userid", "kky")?;
    Ok(Page(RedisSessionSet {
        frame: Frame::bare(PREFIX),
        username: field::text(&session, "username"),
        userid: field::text(&session, "userid"),
    }))
}
