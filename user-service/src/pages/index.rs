//! `/user/`: shows the session as every program of the site has just read it, and leads to the pages of the account.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use serde::Deserialize;
use service_kit::server::security_headers::SCRIPT_POLICY;
use service_kit::site::navigation::SESSION;
use service_kit::site::program::{PROGRAMS, Program};
use service_kit::site::{Layout, Page, SessionPanel};
use shared_session::{CurrentSession, Session};

use super::PREFIX;
use crate::SERVICE;

#[derive(Template)]
#[template(path = "index.html")]
struct IndexPage {
    layout: Layout,
    panel: SessionPanel,
    /// The programs, and whether each may run here.
    programs: Vec<(&'static Program, bool)>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct IndexQuery {
    /// Whether the user has just signed out.
    #[serde(rename = "signed-out")]
    signed_out: Option<String>,
    /// The name of the note that all programs have just written at once.
    wrote: String,
    /// The ids of the programs that wrote it, separated by commas.
    by: String,
}

pub(super) async fn show(
    request: HttpRequest,
    session: Session,
    current_session: CurrentSession,
    Query(query): Query<IndexQuery>,
) -> impl Responder {
    let mut layout = Layout::new(&session, PREFIX, SESSION);
    if query.signed_out.is_some() && layout.user.is_none() {
        layout.message = Some("You are signed out.".to_owned());
    }
    layout.message = layout.message.or_else(|| written_at_once(&session, &query));
    let page = Page(IndexPage {
        layout,
        panel: SessionPanel::new(&session, &current_session, SERVICE.name),
        programs: PROGRAMS
            .iter()
            .map(|program| (program, program.may_run(&request)))
            .collect(),
    });
    page.customize().insert_header((CONTENT_SECURITY_POLICY, SCRIPT_POLICY))
}

/// Serves the script that lets all programs write at once.
pub(super) async fn script() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(include_str!("../../assets/all_at_once.js"))
}

/// Returns how many of the programs that wrote a note at the same moment find it in the session, with the same value.
fn written_at_once(session: &Session, query: &IndexQuery) -> Option<String> {
    let ids: Vec<&str> = query.by.split(',').collect();
    let writers = PROGRAMS.iter().filter(|program| ids.contains(&program.id));
    let entries = session.entries();
    let values: Vec<_> = writers
        .map(|program| entries.get(&program.note(&query.wrote)))
        .collect();
    let (first, written) = (*values.first()?, values.len());
    let kept = values
        .iter()
        .filter(|value| value.is_some() && **value == first)
        .count();
    (written > 1)
        .then(|| format!("{written} programs wrote at the same moment. {kept} of {written} fields are in the session."))
}
