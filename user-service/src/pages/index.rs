//! `/user/`: shows what the session holds.

use actix_web::Responder;
use askama::Template;
use service_kit::page::Page;
use service_kit::{Frame, field};
use shared_session::Session;

use super::{INDEX, PREFIX};

#[derive(Template)]
#[template(path = "index.html")]
struct IndexPage {
    frame: Frame,
    fields: Vec<String>,
    visitor: String,
}

pub(super) async fn show(session: Session) -> impl Responder {
    Page(IndexPage {
        frame: Frame::of(&session, PREFIX, INDEX),
        fields: field::names(&session),
        visitor: field::text(&session, "username"),
    })
}
