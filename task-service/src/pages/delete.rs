//! `POST /task/{id}/delete`: deletes a task or a draft.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Query};
use shared_session::Session;

use super::{PageQuery, PageResult, State, page_address, redirect};
use crate::list::List;
use crate::task::TaskId;

pub(super) async fn submit(
    state: Data<State>,
    request: HttpRequest,
    session: Session,
    query: Query<PageQuery>,
    id: Path<TaskId>,
) -> PageResult {
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    list.remove(&id).await?;
    let message = if list.is_drafts() {
        "The draft was deleted."
    } else {
        "The task was deleted."
    };
    redirect(
        &request,
        &session,
        &list,
        &transfer,
        Some(message),
        &page_address(&query),
    )
}
