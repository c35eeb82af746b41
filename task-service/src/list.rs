//! Whose list a request is about: the signed-in person's tasks, or else the session's drafts. Signing in happens in
//! another service, so it is here that the drafts of a session become its person's tasks.

use actix_web::web::Data;
use service_kit::Failure;
use service_kit::site::User;
use shared_session::Session;

use crate::drafts::{self, Drafts};
use crate::task::{Change, Task, TaskId, Title};
use crate::tasks::{self, Tasks};

/// The visitor's list.
pub(crate) enum List {
    /// Somebody's tasks.
    Person { id: String, tasks: Data<dyn Tasks> },
    /// Nobody's: the session's drafts.
    Drafts(Drafts),
}

/// What became of the drafts of somebody who is signed in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Adopted {
    /// How many are their tasks now.
    pub moved: usize,
    /// How many stay in the session, because the list is full.
    pub waiting: usize,
}

impl List {
    /// The list of the session's visitor. If they are signed in, what the session holds of drafts is moved to it first,
    /// so that the forms of a page from before the sign-in find their tasks too.
    pub async fn open(session: &Session, tasks: Data<dyn Tasks>) -> Result<(Self, Adopted), Failure> {
        let drafts = Drafts::of(session);
        let Some(User { id, .. }) = User::of(session) else {
            return Ok((Self::Drafts(drafts), Adopted::default()));
        };
        let adopted = adopt(&drafts, &id, &tasks).await?;
        Ok((Self::Person { id, tasks }, adopted))
    }

    /// Whether it is somebody's.
    pub fn is_somebodys(&self) -> bool {
        matches!(self, Self::Person { .. })
    }

    /// Everything on it, the oldest first.
    pub async fn all(&self) -> Result<Vec<Task>, Failure> {
        match self {
            Self::Person { id, tasks } => tasks.list(id).await,
            Self::Drafts(drafts) => drafts.list(),
        }
    }

    /// Adds a task, and says whether there was room for it.
    pub async fn add(&self, title: Title) -> Result<bool, Failure> {
        let task = Task::new(title)?;
        match self {
            Self::Person { id, tasks } => tasks.add(id, vec![task]).await.map(|left| left.is_empty()),
            Self::Drafts(drafts) => drafts.add(&task),
        }
    }

    /// What is said where there was none.
    pub fn full(&self) -> String {
        match self {
            Self::Person { .. } => format!("Your list is full: it has {} tasks. Delete one first.", tasks::LIMIT),
            Self::Drafts(_) => format!(
                "There is room for {} drafts. Delete one first, or sign in to keep more.",
                drafts::LIMIT
            ),
        }
    }

    /// Changes a task.
    pub async fn update(&self, id: &TaskId, change: Change) -> Result<(), Failure> {
        let found = match self {
            Self::Person { id: person, tasks } => tasks.update(person, id, &change).await?,
            Self::Drafts(drafts) => drafts.update(id, &change)?,
        };
        found.then_some(()).ok_or(Failure::NotFound)
    }

    /// Removes a task.
    pub async fn remove(&self, id: &TaskId) -> Result<(), Failure> {
        let found = match self {
            Self::Person { id: person, tasks } => tasks.remove(person, id).await?,
            Self::Drafts(drafts) => drafts.remove(id),
        };
        found.then_some(()).ok_or(Failure::NotFound)
    }
}

/// Makes drafts a person's tasks, as many as fit. They keep their ids and leave the session only once they are tasks:
/// if either store fails in between, nothing is lost, and the next visit does it again without adding any twice.
async fn adopt(drafts: &Drafts, person: &str, tasks: &Data<dyn Tasks>) -> Result<Adopted, Failure> {
    let all = drafts.list()?;
    if all.is_empty() {
        return Ok(Adopted::default());
    }
    let left = tasks.add(person, all.clone()).await?;
    for draft in all.iter().filter(|draft| !left.contains(draft)) {
        drafts.remove(&draft.id);
    }
    Ok(Adopted {
        moved: all.len() - left.len(),
        waiting: left.len(),
    })
}
