//! Maps requests to pages and form actions. The pages know sessions and lists, but not how tasks are stored.
//!
//! A valid form redirects to the page. An invalid form returns the page with the submitted text and an error message.

mod add;
mod changed_user;
mod delete;
mod index;
mod redis_session_get;
mod rename;
mod set_done;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, Query, ServiceConfig};
use actix_web::{CustomizeResponder, Either, HttpRequest, HttpResponse, Responder};
use serde::Deserialize;
use service_kit::Failure;
use service_kit::server::{moved_permanently, resource};
use service_kit::site::navigation::{Link, TASKS};
use service_kit::site::program::TASK_SERVICE;
use service_kit::site::{Done, Page, card, flash, see_other};
use shared_session::Session;

use self::index::IndexPage;
pub use self::redis_session_get::redis_session_get;
use crate::list::{DraftTransfer, List};
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
            .configure(card::routes(&TASK_SERVICE))
            .service(resource("/redis_session_get", redis_session_get))
            .service(resource("/{id}/done", show_task).post(set_done::submit))
            .service(resource("/{id}/title", show_task).post(rename::submit))
            .service(resource("/{id}/delete", show_task).post(delete::submit)),
    );
}

/// Redirects from the address of a form, which a browser opens if the user reloads the page of an error.
async fn show_task(query: Query<PageQuery>, id: Path<TaskId>) -> HttpResponse {
    see_other(&task_address(&query, &id))
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

/// Redirects to `to` after a change of the list. The next page shows `message` and the number of moved drafts. The message is
/// stored in the session. If that fails, a change of tasks is still done.
fn redirect(
    request: &HttpRequest,
    session: &Session,
    list: &List,
    transfer: &DraftTransfer,
    message: Option<&str>,
    to: &str,
) -> PageResult {
    if !list.is_drafts() {
        let done = Done {
            title: "Your list was changed",
            message: "Only your session could not be stored at the moment.",
            link: Link {
                path: TASKS.into(),
                text: "Your tasks",
            },
        };
        done.note(request);
    }
    let messages = [message.map(str::to_owned), transfer_message(transfer)];
    let messages: Vec<String> = messages.into_iter().flatten().collect();
    if !messages.is_empty() {
        flash::put(session, &messages.join(" "))?;
    }
    Ok(Either::Left(see_other(to)))
}

/// The number of a page of the list, as an address holds it.
#[derive(Clone, Copy, Deserialize)]
#[serde(default)]
struct PageQuery {
    page: usize,
}

impl Default for PageQuery {
    fn default() -> Self {
        Self { page: 1 }
    }
}

/// Returns the query of an address that leads to a page of the list: nothing for the first one.
fn page_query(page: usize) -> String {
    if page <= 1 {
        String::new()
    } else {
        format!("?page={page}")
    }
}

/// Returns the address of the page that a form was on.
fn page_address(query: &Query<PageQuery>) -> String {
    format!("{TASKS}{}", page_query(query.page))
}

/// Returns the address of a task on the page that a form was on, so that a browser scrolls to it after a redirect.
fn task_address(query: &Query<PageQuery>, id: &TaskId) -> String {
    format!("{}#task-{id}", page_address(query))
}

/// Returns the message about moved drafts, which is shown once.
fn transfer_message(transfer: &DraftTransfer) -> Option<String> {
    match transfer.moved {
        0 => None,
        1 => Some("1 draft was moved to your tasks.".to_owned()),
        moved => Some(format!("{moved} drafts were moved to your tasks.")),
    }
}
