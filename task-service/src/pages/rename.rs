//! `POST /task/{id}/title`: changes the title of a task.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path, Query};
use serde::Deserialize;
use service_kit::site::FormField;
use shared_session::{CurrentSession, Session};

use super::changed_user::ChangedUserPage;
use super::index::{IndexPage, InvalidForm};
use super::{PageQuery, PageResult, State, page_with_status, redirect, task_address};
use crate::list::List;
use crate::task::{Change, TaskId, Title};
use crate::tasks::PageOf;

/// The form. A missing title counts as empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TitleForm {
    title: String,
    user: Option<String>,
}

pub(super) async fn submit(
    state: Data<State>,
    request: HttpRequest,
    session: Session,
    current_session: CurrentSession,
    query: Query<PageQuery>,
    id: Path<TaskId>,
    form: Form<TitleForm>,
) -> PageResult {
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    let task = task_address(&query, &id);
    if !list.accepts(form.user.as_deref()) {
        return ChangedUserPage::new(&session, &list, "rename", Some(&form.title), &task).respond(&request);
    }
    let error = match Title::parse(&form.title) {
        Ok(title) => {
            list.update(&id, Change::Title(title)).await?;
            return redirect(&request, &session, &list, &transfer, None, &task);
        }
        Err(error) => error,
    };
    let field = FormField::new(&form.title).with_error(error);
    let invalid = Some(InvalidForm::Rename(id.clone(), field));
    let page = IndexPage::new(&session, &current_session, &list, &transfer, PageOf::Task(&id), invalid).await?;
    page_with_status(StatusCode::UNPROCESSABLE_ENTITY, page)
}
