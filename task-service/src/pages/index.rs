//! `/task/`: the list, with forms to add, rename, complete and delete tasks.

use actix_web::web::{Data, Query};
use askama::Template;
use service_kit::Failure;
use service_kit::site::navigation::TASKS;
use service_kit::site::{FormField, Layout, SessionPanel};
use shared_session::{CurrentSession, Session};

use super::{PREFIX, PageQuery, PageResult, State, page, page_query, transfer_message};
use crate::SERVICE;
use crate::list::{DraftTransfer, List};
use crate::task::{Task, TaskId};
use crate::tasks::{PAGE_SIZE, PageOf, TaskPage, last_page};

#[derive(Template)]
#[template(path = "index.html")]
pub(super) struct IndexPage {
    layout: Layout,
    is_drafts: bool,
    /// The user of the list, which each form holds.
    user: String,
    new_title: FormField,
    rows: Vec<Row>,
    /// The number of tasks, as text.
    summary: String,
    /// The query of this page's address, so that its forms lead back to it.
    query: String,
    /// The numbers of the pages before and after this one.
    previous: Option<usize>,
    next: Option<usize>,
    /// The notice about drafts that are not moved because the user's list is full.
    notice: Option<String>,
    panel: SessionPanel,
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

pub(super) async fn show(
    state: Data<State>,
    session: Session,
    current_session: CurrentSession,
    query: Query<PageQuery>,
) -> PageResult {
    let (list, transfer) = List::open(&session, &state.tasks).await?;
    page(
        IndexPage::new(
            &session,
            &current_session,
            &list,
            &transfer,
            PageOf::Number(query.page),
            None,
        )
        .await?,
    )
}

impl IndexPage {
    /// Creates a page of the list, and takes the message that it shows out of the session.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Missing`] if the wanted task is not on the list, and another [`Failure`] if the list cannot be
    /// read.
    pub async fn new(
        session: &Session,
        current_session: &CurrentSession,
        list: &List,
        transfer: &DraftTransfer,
        page: PageOf<'_>,
        invalid: Option<InvalidForm>,
    ) -> Result<Self, Failure> {
        let TaskPage { number, total, tasks } = list.page(page).await?;
        let mut rows: Vec<Row> = tasks.into_iter().map(Row::new).collect();
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
            user: list.user().to_owned(),
            new_title,
            summary: summary(number, total, &rows, if is_drafts { "draft" } else { "task" }),
            query: page_query(number),
            previous: (number > 1).then(|| number - 1),
            next: (number < last_page(total)).then(|| number + 1),
            rows,
            notice: remaining_notice(transfer),
            panel: SessionPanel::new(session, current_session, SERVICE.name),
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

/// Returns the number of tasks on the list and of those that are done, or which part of a longer list the page shows.
fn summary(page: usize, total: usize, rows: &[Row], kind: &str) -> String {
    if rows.len() < total {
        let first = (page - 1) * PAGE_SIZE + 1;
        return format!("{total} {kind}s; this page shows {first} to {}", first + rows.len() - 1);
    }
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
