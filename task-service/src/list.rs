//! The list that a request works on: the signed-in user's tasks, or the session's drafts.
//!
//! Users sign in at another service, so this file moves the session's drafts to the user's tasks at the next request.

use std::sync::Arc;

use service_kit::site::User;
use service_kit::{Failure, audit};
use shared_session::Session;

use crate::drafts::Drafts;
use crate::task::{Change, Task, TaskId, Title};
use crate::tasks::{PageOf, TaskPage, TaskRepository};

/// The list of the session's user.
pub(crate) enum List {
    /// The tasks of a signed-in user.
    Tasks { user: User, tasks: Arc<dyn TaskRepository> },
    /// The drafts of a signed-out user.
    Drafts(Drafts),
}

/// The result of moving a session's drafts to a user's tasks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct DraftTransfer {
    /// The number of drafts that are the user's tasks now.
    pub moved: usize,
    /// The number of drafts that stay in the session because the user's list is full.
    pub remaining: usize,
}

impl List {
    /// Opens the list of the session's user. If the user is signed in, the session's drafts are moved to their tasks
    /// first, so that a form of a page from before the sign-in still finds its task.
    ///
    /// # Errors
    ///
    /// Returns a [`Failure`] if a draft is invalid or the repository fails. No draft is lost then.
    pub async fn open(session: &Session, tasks: &Arc<dyn TaskRepository>) -> Result<(Self, DraftTransfer), Failure> {
        let drafts = Drafts::new(session);
        let Some(user) = User::of(session) else {
            return Ok((Self::Drafts(drafts), DraftTransfer::default()));
        };
        let transfer = move_drafts(&drafts, &user.account, tasks.as_ref()).await?;
        let tasks = tasks.clone();
        Ok((Self::Tasks { user, tasks }, transfer))
    }

    /// Returns whether the list holds a signed-out user's drafts.
    pub fn is_drafts(&self) -> bool {
        matches!(self, Self::Drafts(_))
    }

    /// Returns the user of the list as the forms of its page name them: empty for drafts.
    pub fn user(&self) -> &str {
        match self {
            Self::Tasks { user, .. } => &user.account,
            Self::Drafts(_) => "",
        }
    }

    /// Returns whether a form may change this list. `made_for` is the [user](Self::user) of the page that holds the form, or
    /// `None` if a program sent it. A form made for drafts may: the drafts became tasks of this list.
    pub fn accepts(&self, made_for: Option<&str>) -> bool {
        made_for.is_none_or(|user| user.is_empty() || user == self.user())
    }

    /// Returns a page of the list. All drafts are on one page, because there are few.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Missing`] if the list does not contain the wanted task, and another [`Failure`] if a task of the
    /// page is invalid or the repository fails.
    pub async fn page(&self, page: PageOf<'_>) -> Result<TaskPage, Failure> {
        let found = match self {
            Self::Tasks { user, tasks } => tasks.page(&user.account, page).await?,
            Self::Drafts(drafts) => {
                let mut tasks = drafts.list()?;
                tasks.reverse();
                let is_wanted = match page {
                    PageOf::Number(_) => true,
                    PageOf::Task(id) => tasks.iter().any(|task| task.id == *id),
                };
                is_wanted.then_some(TaskPage {
                    number: 1,
                    total: tasks.len(),
                    tasks,
                })
            }
        };
        found.ok_or_else(|| self.missing())
    }

    /// Returns the failure of a form whose task is not on the list, and logs it: the id may be a trial. A user whose session
    /// ended learns why.
    fn missing(&self) -> Failure {
        let user = match self {
            Self::Tasks { user, .. } => Some(&*user.id),
            Self::Drafts(_) => None,
        };
        audit::event("change of an unknown task refused").user(user).log();
        Failure::Missing(match self {
            Self::Tasks { .. } => "This task is not on your list any more. It may have been deleted on another device.",
            Self::Drafts(_) => {
                "This draft is not in your session any more. If you have signed in meanwhile, it is one of your tasks."
            }
        })
    }

    /// Adds a task. Returns `false` if the list is full.
    ///
    /// # Errors
    ///
    /// Returns a [`Failure`] if the repository fails.
    pub async fn add(&self, title: Title) -> Result<bool, Failure> {
        let task = Task::new(title)?;
        match self {
            Self::Tasks { user, tasks } => {
                let rejected = tasks.add(&user.account, vec![task]).await?;
                Ok(rejected.is_empty())
            }
            Self::Drafts(drafts) => drafts.add(&task),
        }
    }

    /// Changes a task.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Missing`] if the task is not on the list, and another [`Failure`] if the repository fails.
    pub async fn update(&self, id: &TaskId, change: Change) -> Result<(), Failure> {
        let found = match self {
            Self::Tasks { user, tasks } => tasks.update(&user.account, id, &change).await?,
            Self::Drafts(drafts) => drafts.update(id, &change)?,
        };
        found.then_some(()).ok_or_else(|| self.missing())
    }

    /// Removes a task.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Missing`] if the task is not on the list, and another [`Failure`] if the repository fails.
    pub async fn remove(&self, id: &TaskId) -> Result<(), Failure> {
        let found = match self {
            Self::Tasks { user, tasks } => tasks.remove(&user.account, id).await?,
            Self::Drafts(drafts) => drafts.remove(id),
        };
        found.then_some(()).ok_or_else(|| self.missing())
    }
}

/// Moves drafts to a user's tasks until the user's list is full. A draft keeps its id and leaves the session only after
/// it is stored as a task. If the request fails in between, the next one repeats the move and adds no task twice.
async fn move_drafts(drafts: &Drafts, account: &str, tasks: &dyn TaskRepository) -> Result<DraftTransfer, Failure> {
    let all = drafts.list()?;
    if all.is_empty() {
        return Ok(DraftTransfer::default());
    }
    let rejected = tasks.add(account, all.clone()).await?;
    for draft in all.iter().filter(|draft| !rejected.contains(draft)) {
        drafts.remove(&draft.id);
    }
    Ok(DraftTransfer {
        moved: all.len() - rejected.len(),
        remaining: rejected.len(),
    })
}
