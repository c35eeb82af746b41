//! The repository of the signed-in users' tasks and its implementations. This module knows neither sessions nor pages.

mod memory;
mod redis;

use std::sync::Arc;

use async_trait::async_trait;
use service_kit::Failure;
use service_kit::database::Database;

use self::memory::MemoryTasks;
use self::redis::RedisTasks;
use crate::task::{Change, Task, TaskId};

/// The maximum number of tasks of a user.
pub const LIMIT: usize = 1000;

/// A repository that holds one list of tasks for each user. Any text is a valid user id, and no two ids share a list.
///
/// Every operation is atomic, also among processes. `tests/contract.rs` tests each implementation.
#[async_trait]
pub trait TaskRepository: Send + Sync {
    /// Returns a user's tasks, the oldest first.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unreadable`] if a stored task is invalid. The repository is unchanged then.
    async fn list(&self, user_id: &str) -> Result<Vec<Task>, Failure>;

    /// Adds tasks to a user's list, in the given order, until it holds [`LIMIT`] tasks. Returns the rejected tasks. A
    /// task whose id is already on the list is left unchanged, so a caller can repeat the operation.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unavailable`] if the database does not respond. The tasks may have been added.
    async fn add(&self, user_id: &str, tasks: Vec<Task>) -> Result<Vec<Task>, Failure>;

    /// Applies a change to a task. Returns `false` if the task is not on the list.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unreadable`] if the stored task is invalid. The repository is unchanged then.
    async fn update(&self, user_id: &str, id: &TaskId, change: &Change) -> Result<bool, Failure>;

    /// Removes a task. Returns `false` if the task is not on the list.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unavailable`] if the database does not respond. The task may have been removed.
    async fn remove(&self, user_id: &str, id: &TaskId) -> Result<bool, Failure>;
}

/// Opens the repository in `database`.
#[must_use]
pub fn open(database: &Database) -> Arc<dyn TaskRepository> {
    match database {
        Database::Memory => Arc::new(MemoryTasks::default()),
        Database::Redis(redis) => Arc::new(RedisTasks::new(redis.clone())),
    }
}
