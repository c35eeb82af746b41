//! `POST /task/`: adds a task or a draft.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use serde::Deserialize;
use service_kit::site::FormField;
use service_kit::site::navigation::{LOGIN, TASKS};
use shared_session::{CurrentSession, Session};

use super::changed_user::ChangedUserPage;
use super::index::{IndexPage, InvalidForm};
use super::{PageResult, State, page_with_status, redirect};
use crate::list::List;
use crate::task::Title;
use crate::tasks::PageOf;
use crate::{drafts, tasks};

/// The form. A missing title counts as empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AddForm {
    title: String,
    user: Option<String>,
    /// Whether to go on with the sign-in, which makes the draft a task.
    sign_in: bool,
}

pub(super) async fn submit(
    state: Data<State>,
    request: HttpRequest,
    session: Session,
    current_session: CurrentSession,
    form: Form<AddForm>,
) -> PageResult {
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    if !list.accepts(form.user.as_deref()) {
        return ChangedUserPage::new(&session, &list, "add", Some(&form.title), TASKS).respond(&request);
    }
    let (status, error) = match Title::parse(&form.title) {
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error),
        Ok(title) => {
            if list.add(title).await? {
                let sign_in = format!("{LOGIN}?next={TASKS}");
                let to = if form.sign_in { &sign_in } else { TASKS };
                return redirect(&request, &session, &list, &transfer, None, to);
            }
            (StatusCode::CONFLICT, list_is_full(&list))
        }
    };
    let field = FormField::new(&form.title).with_error(error);
    let invalid = Some(InvalidForm::Add(field));
    let page = IndexPage::new(&session, &current_session, &list, &transfer, PageOf::Number(1), invalid).await?;
    page_with_status(status, page)
}

fn list_is_full(list: &List) -> String {
    match list {
        List::Tasks { .. } => format!(
            "Your list is full: it holds {} tasks. Delete a task first.",
            tasks::LIMIT
        ),
        List::Drafts(_) => format!(
            "Your list is full: it holds {} drafts. Delete a draft first, or sign in to keep more.",
            drafts::LIMIT
        ),
    }
}
