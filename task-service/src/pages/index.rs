//! `/task/`: the list, with forms to add, rename, complete and delete tasks.

use actix_web::web::Data;
use askama::Template;
use service_kit::Failure;
use service_kit::site::navigation::TASKS;
use service_kit::site::{FormField, Layout};
use shared_session::Session;

use super::{PREFIX, PageResult, State, page, transfer_message};
use crate::list::{DraftTransfer, List};
use crate::task::{Task, TaskId};

#[derive(Template)]
#[template(path = "index.html")]
pub(super) struct IndexPage {
    layout: Layout,
    is_drafts: bool,
    new_title: FormField,
    rows: Vec<Row>,
    /// The number of tasks, as text.
    summary: String,
    /// The notice about drafts that are not moved because the user's list is full.
    notice: Option<String>,
}

/// A task with its form to rename it.
struct Row {
    task: Task,
    title: FormField,
    /// Whether the form is open.
    is_open: bool,
}

/// The form that was submitted with an invalid value.
pub(super) enum InvalidForm {
    Add(FormField),
    Rename(TaskId, FormField),
}

pub(super) async fn show(state: Data<State>, session: Session) -> PageResult {
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    page(IndexPage::new(&session, &list, &transfer, None).await?)
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
        let mut new_title = FormField::default();
        match invalid {
            None => {}
            Some(InvalidForm::Add(field)) => new_title = field,
            Some(InvalidForm::Rename(id, field)) => {
                let row = rows.iter_mut().find(|row| row.task.id == id);
                row.ok_or(Failure::NotFound)?.reopen(field);
            }
        }
        // created last: it takes the message out of the session, which must stay there if this function fails
        let mut layout = Layout::new(session, PREFIX, TASKS);
        let messages = [layout.message.take(), transfer_message(transfer)];
        layout.message = messages
            .into_iter()
            .flatten()
            .reduce(|one, other| format!("{one} {other}"));
        let is_drafts = list.is_drafts();
        Ok(Self {
            layout,
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
            title: FormField::new(&task.title.to_string()),
            task,
            is_open: false,
        }
    }

    fn reopen(&mut self, field: FormField) {
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
