//! `POST /task/{id}/delete`: deletes a task or a draft.

use actix_web::web::{Data, Path};
use service_kit::site::navigation::TASKS;
use shared_session::Session;

use super::{PageResult, State, redirect};
use crate::list::List;
use crate::task::TaskId;

pub(super) async fn submit(state: Data<State>, session: Session, id: Path<TaskId>) -> PageResult {
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    list.remove(&id).await?;
    let message = if list.is_drafts() {
        "The draft was deleted."
    } else {
        "The task was deleted."
    };
    redirect(&session, &transfer, Some(message), TASKS)
}
