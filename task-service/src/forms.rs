//! What visitors do to their list: one plain form each. A form that was done leads back to the page (303); one in which
//! something is wrong is answered with the page, the form in it as it was sent, and what is wrong beside it.

use actix_web::error::ErrorUnprocessableEntity;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path};
use actix_web::{Either, HttpResponse, Responder, Result};
use serde::Deserialize;
use service_kit::site::{FormField, Page, flash, see_other};
use shared_session::Session;

use crate::HOME;
use crate::list::{Adopted, List};
use crate::page::{TaskPage, Wrong};
use crate::task::{Change, TaskId, Title};
use crate::tasks::Tasks;

/// A form that was done, or the page again.
type Answer = Either<HttpResponse, (Page<TaskPage>, StatusCode)>;

/// A title as it was typed. A form without it is one with an empty title.
#[derive(Deserialize)]
pub(crate) struct TitleForm {
    #[serde(default)]
    title: String,
}

/// Whether a task is done: the state and not a switch, so that the form may be sent twice.
#[derive(Deserialize)]
pub(crate) struct DoneForm {
    #[serde(default)]
    done: String,
}

/// The page.
pub(crate) async fn index(session: Session, tasks: Data<dyn Tasks>) -> Result<impl Responder> {
    let (list, adopted) = List::open(&session, tasks).await?;
    Ok(Page(TaskPage::new(&session, &list, adopted, Wrong::Nothing).await?))
}

/// Adds a task.
pub(crate) async fn add(session: Session, tasks: Data<dyn Tasks>, form: Form<TitleForm>) -> Result<Answer> {
    let (list, adopted) = List::open(&session, tasks).await?;
    let field = FormField::new(&form.title);
    let (field, status) = match Title::parse(&form.title) {
        Err(error) => (field.with_error(error), StatusCode::UNPROCESSABLE_ENTITY),
        Ok(title) => {
            if list.add(title).await? {
                return done(&session, &adopted, None, HOME);
            }
            (field.with_error(list.full()), StatusCode::CONFLICT)
        }
    };
    let page = TaskPage::new(&session, &list, adopted, Wrong::New(field)).await?;
    Ok(Either::Right((Page(page), status)))
}

/// Gives a task another title.
pub(crate) async fn rename(
    session: Session,
    tasks: Data<dyn Tasks>,
    id: Path<TaskId>,
    form: Form<TitleForm>,
) -> Result<Answer> {
    let (list, adopted) = List::open(&session, tasks).await?;
    let error = match Title::parse(&form.title) {
        Ok(title) => {
            list.update(&id, Change::Title(title)).await?;
            return done(&session, &adopted, None, &place(&id));
        }
        Err(error) => error,
    };
    let wrong = Wrong::Rename(id.into_inner(), FormField::new(&form.title).with_error(error));
    let page = TaskPage::new(&session, &list, adopted, wrong).await?;
    Ok(Either::Right((Page(page), StatusCode::UNPROCESSABLE_ENTITY)))
}

/// Ticks a task, or takes the tick away.
pub(crate) async fn set_done(
    session: Session,
    tasks: Data<dyn Tasks>,
    id: Path<TaskId>,
    form: Form<DoneForm>,
) -> Result<Answer> {
    // no page here sends anything else
    let is_done = form.done.parse().map_err(ErrorUnprocessableEntity)?;
    let (list, adopted) = List::open(&session, tasks).await?;
    list.update(&id, Change::Done(is_done)).await?;
    done(&session, &adopted, None, &place(&id))
}

/// Deletes a task.
pub(crate) async fn delete(session: Session, tasks: Data<dyn Tasks>, id: Path<TaskId>) -> Result<Answer> {
    let (list, adopted) = List::open(&session, tasks).await?;
    list.remove(&id).await?;
    let message = if list.is_somebodys() {
        "The task is deleted."
    } else {
        "The draft is deleted."
    };
    done(&session, &adopted, Some(message), HOME)
}

/// Where a task stands on the page: who has many is not sent back to the first of them.
fn place(id: &TaskId) -> String {
    format!("{HOME}#task-{id}")
}

/// Leads to the page, which will show what there is to be told.
fn done(session: &Session, adopted: &Adopted, message: Option<&str>, to: &str) -> Result<Answer> {
    let message = [message.map(str::to_owned), adopted.message()];
    let message: Vec<String> = message.into_iter().flatten().collect();
    if !message.is_empty() {
        flash::put(session, &message.join(" "))?;
    }
    Ok(Either::Left(see_other(to)))
}
