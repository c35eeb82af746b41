//! The repository of the signed-in users' tasks and its implementations.

mod memory;
mod redis;

use std::sync::Arc;

use async_trait::async_trait;
use service_kit::Failure;
use service_kit::database::Database;
use service_kit::user_data::UserData;

use self::memory::MemoryTasks;
use self::redis::RedisTasks;
use crate::task::{Change, Task, TaskId};

/// The maximum number of tasks of a user.
pub const LIMIT: usize = 1000;

/// The number of tasks on a page.
pub const PAGE_SIZE: usize = 100;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPage {
    /// The number of the page; the first is 1.
    pub number: usize,
    /// The number of tasks on the whole list.
    pub total: usize,
    /// The tasks of this page, the newest first.
    pub tasks: Vec<Task>,
}

/// Which page of a list to return.
#[derive(Clone, Copy, Debug)]
pub enum PageOf<'a> {
    /// The page with this number, or the last one if the list is shorter.
    Number(usize),
    /// The page that contains this task.
    Task(&'a TaskId),
}

/// Returns the number of the page on which the task at this index is; the first index is 0.
#[must_use]
pub fn page_of_index(index: usize) -> usize {
    index / PAGE_SIZE + 1
}

/// Returns the number of the last page of a list with `total` tasks.
#[must_use]
pub fn last_page(total: usize) -> usize {
    page_of_index(total.saturating_sub(1))
}

/// A repository that holds one list of tasks for each account. Any text is a valid id of an account, and no two ids share a
/// list.
///
/// Every operation is atomic, also among processes. `tests/it/contract.rs` tests each implementation.
#[async_trait]
pub trait TaskRepository: Send + Sync {
    /// Returns a page of a user's list, or `None` if the list does not contain the wanted task.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unreadable`] if a stored task of the page is invalid. The repository is unchanged then.
    async fn page(&self, account: &str, page: PageOf<'_>) -> Result<Option<TaskPage>, Failure>;

    /// Adds tasks to a user's list, in the given order, until it holds [`LIMIT`] tasks. Returns the rejected tasks. A
    /// task whose id is already on the list is left unchanged, so a caller can repeat the operation.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unavailable`] if the database does not respond. The tasks may have been added.
    async fn add(&self, account: &str, tasks: Vec<Task>) -> Result<Vec<Task>, Failure>;

    /// Applies a change to a task. Returns `false` if the task is not on the list.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unreadable`] if the stored task is invalid. The repository is unchanged then.
    async fn update(&self, account: &str, id: &TaskId, change: &Change) -> Result<bool, Failure>;

    /// Removes a task. Returns `false` if the task is not on the list.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unavailable`] if the database does not respond. The task may have been removed.
    async fn remove(&self, account: &str, id: &TaskId) -> Result<bool, Failure>;
}

/// Opens the repository in `database`. A user's tasks are deleted with `user_data`.
#[must_use]
pub fn open(database: &Database, user_data: &UserData) -> Arc<dyn TaskRepository> {
    match database {
        Database::Memory => {
            let tasks = Arc::new(MemoryTasks::default());
            let forgetting = tasks.clone();
            user_data.on_delete(move |account| forgetting.forget(account));
            tasks
        }
        Database::Redis(redis) => Arc::new(RedisTasks::new(redis.clone())),
    }
}
