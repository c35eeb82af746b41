//! `/task/`: the list, with forms to add, rename, complete and delete tasks.

use actix_web::Responder;
use actix_web::web::Data;
use askama::Template;
use service_kit::form::Field;
use service_kit::page::Page;
use service_kit::{Failure, Frame};
use shared_session::Session;

use super::{INDEX, PREFIX, State, transfer_message};
use crate::list::{DraftTransfer, List};
use crate::task::{Task, TaskId};

#[derive(Template)]
#[template(path = "index.html")]
pub(super) struct IndexPage {
    frame: Frame,
    is_drafts: bool,
    new_title: Field,
    rows: Vec<Row>,
    /// The number of tasks, as text.
    summary: String,
    /// The notice about drafts that are not moved because the user's list is full.
    notice: Option<String>,
}

/// A task with its form to rename it.
struct Row {
    task: Task,
    title: Field,
    /// Whether the form is open.
    is_open: bool,
}

/// The form that was submitted with an invalid value.
pub(super) enum InvalidForm {
    Add(Field),
    Rename(TaskId, Field),
}

pub(super) async fn show(state: Data<State>, session: Session) -> Result<impl Responder, Failure> {
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    Ok(Page(IndexPage::new(&session, &list, &transfer, None).await?))
}

impl IndexPage {
    /// Creates the page, and takes the message that it shows out of the session.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::NotFound`] if the invalid form is about a task that is not on the list, and another
    /// [`Failure`] if the list cannot be read.
    pub async fn new(
        session: &Session,
        list: &List,
        transfer: &DraftTransfer,
        invalid: Option<InvalidForm>,
    ) -> Result<Self, Failure> {
        let mut rows: Vec<Row> = list.all().await?.into_iter().map(Row::new).collect();
        let mut new_title = Field::default();
        match invalid {
            None => {}
            Some(InvalidForm::Add(field)) => new_title = field,
            Some(InvalidForm::Rename(id, field)) => {
                let row = rows.iter_mut().find(|row| row.task.id == id);
                row.ok_or(Failure::NotFound)?.reopen(field);
            }
        }
        // created last: it takes the message out of the session, which must stay there if this function fails
        let mut frame = Frame::of(session, PREFIX, INDEX);
        let messages = [frame.message.take(), transfer_message(transfer)];
        frame.message = messages
            .into_iter()
            .flatten()
            .reduce(|one, other| format!("{one} {other}"));
        let is_drafts = list.is_drafts();
        Ok(Self {
            frame,
            is_drafts,
            new_title,
            summary: summary(&rows, if is_drafts { "draft" } else { "task" }),
            rows,
            notice: remaining_notice(transfer),
        })
    }
}

impl Row {
    fn new(task: Task) -> Self {
        Self {
            title: Field::new(&task.title.to_string()),
            task,
            is_open: false,
        }
    }

    fn reopen(&mut self, field: Field) {
        self.title = field;
        self.is_open = true;
    }
}

fn summary(rows: &[Row], kind: &str) -> String {
    let done = rows.iter().filter(|row| row.task.done).count();
    match rows.len() {
        1 => format!("1 {kind}, {done} done"),
        count => format!("{count} {kind}s, {done} done"),
    }
}

fn remaining_notice(transfer: &DraftTransfer) -> Option<String> {
    let (drafts, them) = match transfer.remaining {
        0 => return None,
        1 => ("1 draft stays".to_owned(), "it"),
        count => (format!("{count} drafts stay"), "them"),
    };
    Some(format!(
        "{drafts} in this session because your list is full. Delete tasks to make room for {them}."
    ))
}
