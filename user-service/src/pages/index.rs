//! `/user/`: shows what the session holds.

use actix_web::Responder;
use askama::Template;
use service_kit::site::navigation::SESSION;
use service_kit::site::{Layout, Page, session_text};
use shared_session::Session;

use super::PREFIX;

#[derive(Template)]
#[template(path = "index.html")]
struct IndexPage {
    layout: Layout,
    fields: Vec<String>,
    user_name: String,
}

pub(super) async fn show(session: Session) -> impl Responder {
    Page(IndexPage {
        layout: Layout::new(&session, PREFIX, SESSION),
        fields: session_text::field_names(&session),
        user_name: session_text::field(&session, "username"),
    })
}
