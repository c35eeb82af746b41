//! `/user/`: whose session it is, and what is in it.

use actix_web::Responder;
use askama::Template;
use service_kit::site::{Layout, Page, session_text};
use shared_session::Session;

use super::{INDEX, PREFIX};

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    layout: Layout,
    fields: Vec<String>,
    user_name: String,
}

pub(super) async fn show(session: Session) -> impl Responder {
    Page(Index {
        layout: Layout::new(&session, PREFIX, INDEX),
        fields: session_text::field_names(&session),
        user_name: session_text::field(&session, "username"),
    })
}
