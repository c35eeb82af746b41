//! `POST /task/{id}/done`: marks a task as done or as not done.

use actix_web::error::ErrorUnprocessableEntity;
use actix_web::web::{Data, Form, Path};
use actix_web::{Responder, Result};
use serde::Deserialize;
use shared_session::Session;

use super::{State, redirect, task_address};
use crate::list::List;
use crate::task::{Change, TaskId};

/// The form. It holds the new state, so that a user can submit it twice. A missing value counts as empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct DoneForm {
    done: String,
}

pub(super) async fn submit(
    state: Data<State>,
    session: Session,
    id: Path<TaskId>,
    form: Form<DoneForm>,
) -> Result<impl Responder> {
    // the page sends only `true` and `false`, so the user needs no message
    let done = form.done.parse().map_err(ErrorUnprocessableEntity)?;
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    list.update(&id, Change::Done(done)).await?;
    Ok(redirect(&session, &transfer, None, &task_address(&id))?)
}
