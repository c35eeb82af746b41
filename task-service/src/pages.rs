//! Maps requests to pages and form actions. They know sessions and lists, but not how tasks are stored.
//!
//! A valid form redirects to the page. An invalid form returns the page with the submitted text and an error message.

mod add;
mod delete;
mod index;
mod redis_session_get;
mod rename;
mod set_done;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{CustomizeResponder, Either, HttpResponse, Responder};
use service_kit::Failure;
use service_kit::server::{moved_permanently, resource};
use service_kit::site::navigation::TASKS;
use service_kit::site::{Page, flash, see_other};
use shared_session::Session;

use self::index::IndexPage;
pub use self::redis_session_get::redis_session_get;
use crate::list::DraftTransfer;
use crate::task::TaskId;
use crate::tasks::TaskRepository;

pub(crate) const PREFIX: &str = "/task";

/// The dependencies of the pages.
#[derive(Clone)]
pub(crate) struct State {
    pub tasks: Arc<dyn TaskRepository>,
}

/// Adds the routes of all pages.
pub(crate) fn configure(config: &mut ServiceConfig, state: &State) {
    config.service(moved_permanently(PREFIX, TASKS)).service(
        web::scope(PREFIX)
            .app_data(Data::new(state.clone()))
            .service(resource("/", index::show).post(add::submit))
            .service(resource("/redis_session_get", redis_session_get))
            .service(web::resource("/{id}/done").post(set_done::submit))
            .service(web::resource("/{id}/title").post(rename::submit))
            .service(web::resource("/{id}/delete").post(delete::submit)),
    );
}

/// A page or a redirect.
type PageResult = Result<Either<HttpResponse, CustomizeResponder<Page<IndexPage>>>, Failure>;

/// Responds with the page.
fn page(template: IndexPage) -> PageResult {
    page_with_status(StatusCode::OK, template)
}

/// Responds with the page that shows an error.
fn page_with_status(status: StatusCode, template: IndexPage) -> PageResult {
    Ok(Either::Right(Page(template).customize().with_status(status)))
}

/// Redirects to `to`, where the next page shows `message` and the number of moved drafts.
fn redirect(session: &Session, transfer: &DraftTransfer, message: Option<&str>, to: &str) -> PageResult {
    let messages = [message.map(str::to_owned), transfer_message(transfer)];
    let messages: Vec<String> = messages.into_iter().flatten().collect();
    if !messages.is_empty() {
        flash::put(session, &messages.join(" "))?;
    }
    Ok(Either::Left(see_other(to)))
}

/// Returns the address of a task on the page, so that a browser scrolls to it after a redirect.
fn task_address(id: &TaskId) -> String {
    format!("{TASKS}#task-{id}")
}

/// Returns the message about moved drafts, which is shown once.
fn transfer_message(transfer: &DraftTransfer) -> Option<String> {
    match transfer.moved {
        0 => None,
        1 => Some("1 draft was moved to your tasks.".to_owned()),
        moved => Some(format!("{moved} drafts were moved to your tasks.")),
    }
}
