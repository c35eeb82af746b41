//! `/user/`: shows the session as this service sees it, and leads to the pages of the account.

use actix_web::Responder;
use actix_web::web::Query;
use askama::Template;
use serde::Deserialize;
use service_kit::site::navigation::SESSION;
use service_kit::site::{Layout, Page, SessionPanel};
use shared_session::{CurrentSession, Session};

use super::PREFIX;
use crate::SERVICE;

#[derive(Template)]
#[template(path = "index.html")]
struct IndexPage {
    layout: Layout,
    panel: SessionPanel,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct IndexQuery {
    /// Whether the user has just signed out.
    #[serde(rename = "signed-out")]
    signed_out: Option<String>,
}

pub(super) async fn show(
    session: Session,
    current_session: CurrentSession,
    Query(query): Query<IndexQuery>,
) -> impl Responder {
    let mut layout = Layout::new(&session, PREFIX, SESSION);
    if query.signed_out.is_some() && layout.user.is_none() {
        layout.message = Some("You are signed out.".to_owned());
    }
    Page(IndexPage {
        layout,
        panel: SessionPanel::new(&session, &current_session, SERVICE.name),
    })
}
