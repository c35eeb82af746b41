//! `POST /task/{id}/title`: changes the title of a task.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path};
use serde::Deserialize;
use service_kit::site::FormField;
use shared_session::Session;

use super::index::{IndexPage, InvalidForm};
use super::{PageResult, State, page_with_status, redirect, task_address};
use crate::list::List;
use crate::task::{Change, TaskId, Title};

/// The form to add or rename a task. A missing title counts as empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TitleForm {
    pub title: String,
}

pub(super) async fn submit(
    state: Data<State>,
    session: Session,
    id: Path<TaskId>,
    form: Form<TitleForm>,
) -> PageResult {
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    let error = match Title::parse(&form.title) {
        Ok(title) => {
            list.update(&id, Change::Title(title)).await?;
            return redirect(&session, &transfer, None, &task_address(&id));
        }
        Err(error) => error,
    };
    let field = FormField::new(&form.title).with_error(error);
    let invalid = InvalidForm::Rename(id.into_inner(), field);
    let page = IndexPage::new(&session, &list, &transfer, Some(invalid)).await?;
    page_with_status(StatusCode::UNPROCESSABLE_ENTITY, page)
}
