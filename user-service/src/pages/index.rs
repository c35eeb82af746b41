//! `/user/`: shows the session as this service sees it, and leads to the pages of the account.

use actix_web::Responder;
use askama::Template;
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

pub(super) async fn show(session: Session, current_session: CurrentSession) -> impl Responder {
    Page(IndexPage {
        layout: Layout::new(&session, PREFIX, SESSION),
        panel: SessionPanel::new(&session, &current_session, SERVICE.name),
    })
}
