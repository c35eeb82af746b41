//! `POST /task/{id}/delete`: deletes a task or a draft.

use actix_web::HttpRequest;
use actix_web::web::{Data, Form, Path, Query};
use serde::Deserialize;
use shared_session::Session;

use super::changed_user::ChangedUserPage;
use super::{PageQuery, PageResult, State, page_address, redirect, task_address};
use crate::list::List;
use crate::task::TaskId;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct DeleteForm {
    user: Option<String>,
}

pub(super) async fn submit(
    state: Data<State>,
    request: HttpRequest,
    session: Session,
    query: Query<PageQuery>,
    id: Path<TaskId>,
    form: Form<DeleteForm>,
) -> PageResult {
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    if !list.accepts(form.user.as_deref()) {
        let task = task_address(&query, &id);
        return ChangedUserPage::new(&session, &list, "delete", None, &task).respond(&request);
    }
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
