//! `POST /task/{id}/done`: marks a task as done or as not done.

use actix_web::error::ErrorUnprocessableEntity;
use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, Responder, Result};
use serde::Deserialize;
use shared_session::Session;

use super::changed_user::ChangedUserPage;
use super::{PageQuery, State, redirect, task_address};
use crate::list::List;
use crate::task::{Change, TaskId};

/// The form. It holds the new state, so that a user can submit it twice. A missing value counts as empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct DoneForm {
    done: String,
    user: Option<String>,
}

pub(super) async fn submit(
    state: Data<State>,
    request: HttpRequest,
    session: Session,
    query: Query<PageQuery>,
    id: Path<TaskId>,
    form: Form<DoneForm>,
) -> Result<impl Responder> {
    // the page sends only `true` and `false`, so the user needs no message
    let done = form.done.parse().map_err(ErrorUnprocessableEntity)?;
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    let task = task_address(&query, &id);
    if !list.accepts(form.user.as_deref()) {
        return Ok(ChangedUserPage::new(&session, &list, "change", None, &task).respond(&request)?);
    }
    list.update(&id, Change::Done(done)).await?;
    Ok(redirect(&request, &session, &list, &transfer, None, &task)?)
}
