//! The page: the list with a form for everything that can be done to it.

use askama::Template;
use service_kit::Failure;
use service_kit::site::{FormField, Layout};
use shared_session::Session;

use crate::list::{Adopted, List};
use crate::task::{Task, TaskId};
use crate::{HOME, PREFIX};

/// What the page shows.
#[derive(Template)]
#[template(path = "tasks.html")]
pub(crate) struct TaskPage {
    layout: Layout,
    /// Whether they are somebody's tasks, or a session's drafts.
    is_somebodys: bool,
    /// The form for a new one.
    new: FormField,
    rows: Vec<Row>,
    /// How many, as a phrase.
    count: String,
    /// What there is to say of drafts that found no room.
    waiting: Option<String>,
}

/// A task with its form for another title, which stands open where something is wrong in it.
struct Row {
    task: Task,
    rename: FormField,
    open: bool,
}

/// The form in which something is wrong, as it was sent.
pub(crate) enum Wrong {
    Nothing,
    New(FormField),
    Rename(TaskId, FormField),
}

impl TaskPage {
    /// The page for the session's visitor, whose list this is. [`Failure::NotFound`] where something is wrong with a
    /// task that is not on it.
    pub async fn new(session: &Session, list: &List, adopted: Adopted, wrong: Wrong) -> Result<Self, Failure> {
        let mut rows: Vec<Row> = list.all().await?.into_iter().map(Row::new).collect();
        let is_somebodys = list.is_somebodys();
        let new = match wrong {
            Wrong::Nothing => FormField::default(),
            Wrong::New(field) => field,
            Wrong::Rename(id, field) => {
                let row = rows.iter_mut().find(|row| row.task.id == id);
                row.ok_or(Failure::NotFound)?.reopen(field);
                FormField::default()
            }
        };
        // last, since it takes the message out of the session: none is lost to a failure
        let mut layout = Layout::new(session, PREFIX, HOME);
        if let Some(news) = adopted.message() {
            layout.message = Some(match layout.message {
                Some(message) => format!("{message} {news}"),
                None => news,
            });
        }
        Ok(Self {
            layout,
            is_somebodys,
            new,
            count: count(&rows, if is_somebodys { "task" } else { "draft" }),
            rows,
            waiting: adopted.standstill(),
        })
    }
}

impl Row {
    fn new(task: Task) -> Self {
        Self {
            rename: FormField::new(&task.title.to_string()),
            task,
            open: false,
        }
    }

    fn reopen(&mut self, field: FormField) {
        self.rename = field;
        self.open = true;
    }
}

impl Adopted {
    /// What a visitor is told once.
    pub fn message(&self) -> Option<String> {
        match self.moved {
            0 => None,
            1 => Some("1 draft is your task now.".to_owned()),
            moved => Some(format!("{moved} drafts are your tasks now.")),
        }
    }

    /// What they are told for as long as it is so.
    fn standstill(&self) -> Option<String> {
        let (drafts, them) = match self.waiting {
            0 => return None,
            1 => ("1 draft waits".to_owned(), "it"),
            waiting => (format!("{waiting} drafts wait"), "them"),
        };
        Some(format!(
            "{drafts} in this session, since your list is full. Delete tasks to make room for {them}."
        ))
    }
}

fn count(rows: &[Row], kind: &str) -> String {
    let done = rows.iter().filter(|row| row.task.done).count();
    match rows.len() {
        1 => format!("1 {kind}, {done} done"),
        all => format!("{all} {kind}s, {done} done"),
    }
}
