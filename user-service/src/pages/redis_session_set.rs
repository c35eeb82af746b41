//! `/user/redis_session_set`: the first of the lecture's pages.
//!
//! Its content and its language are the lecture's, and so is the GET request that changes the session. If the request comes from
//! a link on another site, or if it would sign a user out, the response is a page with a button.

use actix_web::{Either, HttpRequest, Responder, Result};
use askama::Template;
use service_kit::server::is_from_another_site;
use service_kit::site::navigation::LECTURE_SET;
use service_kit::site::{Layout, Page, User, lecture, session_text};
use shared_session::{CurrentSession, Session};

use super::PREFIX;
use super::logout::note_sign_out;

#[derive(Template)]
#[template(path = "redis_session_set.html")]
struct RedisSessionSetPage {
    layout: Layout,
    username: String,
    userid: String,
}

#[derive(Template)]
#[template(path = "redis_session_set_form.html")]
struct RedisSessionSetForm {
    layout: Layout,
}

/// Sets the lecture's user in the session and shows the session's fields, or asks whether to do so.
///
/// # Errors
///
/// Returns an error if the session rejects a value.
pub async fn redis_session_set(
    request: HttpRequest,
    session: Session,
    current_session: CurrentSession,
) -> Result<impl Responder> {
    if is_from_another_site(request.headers()) || User::of(&session).is_some() {
        let layout = Layout::new(&session, PREFIX, LECTURE_SET);
        return Ok(Either::Left(Page(RedisSessionSetForm { layout })));
    }
    Ok(Either::Right(submit(session, current_session).await?))
}

/// Sets the lecture's user in the session and shows the session's fields.
///
/// If another user is signed in, the session is cleared first, so that nothing of theirs is left in it.
///
/// # Errors
///
/// Returns an error if the session rejects a value.
pub(super) async fn submit(session: Session, current_session: CurrentSession) -> Result<impl Responder> {
    if User::of(&session).is_some() {
        note_sign_out(&session, &current_session);
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
