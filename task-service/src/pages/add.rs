//! `POST /task/`: adds a task or a draft.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use service_kit::site::FormField;
use shared_session::{CurrentSession, Session};

use super::index::{IndexPage, InvalidForm};
use super::rename::TitleForm;
use super::{PageQuery, PageResult, State, page_address, page_with_status, redirect};
use crate::list::List;
use crate::task::Title;
use crate::tasks::PageOf;
use crate::{drafts, tasks};

pub(super) async fn submit(
    state: Data<State>,
    request: HttpRequest,
    session: Session,
    current_session: CurrentSession,
    query: Query<PageQuery>,
    form: Form<TitleForm>,
) -> PageResult {
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    let (status, error) = match Title::parse(&form.title) {
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error),
        Ok(title) => {
            if list.add(title).await? {
                return redirect(&request, &session, &list, &transfer, None, &page_address(&query));
            }
            (StatusCode::CONFLICT, list_is_full(&list))
        }
    };
    let field = FormField::new(&form.title).with_error(error);
    let invalid = Some(InvalidForm::Add(field));
    let page = IndexPage::new(
        &session,
        &current_session,
        &list,
        &transfer,
        PageOf::Number(query.page),
        invalid,
    )
    .await?;
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
