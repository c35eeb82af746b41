//! Where people's tasks are kept, each person's apart: [`Tasks`], whatever keeps them. Knows nothing of sessions and pages.

pub mod memory;
pub mod redis;

use std::sync::Arc;

use async_trait::async_trait;
use service_kit::Failure;
use service_kit::database::Database;

use crate::task::{Change, Task, TaskId};

/// How many tasks a person has at most.
pub const LIMIT: usize = 1000;

/// The tasks of all people. A person is told by their id, which is any text, and nobody's tasks are seen under another id.
///
/// Each operation is done at once or not at all, beside any number of others, in whichever process.
/// `tests/contract.rs` holds every implementation to that.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// A person's tasks, the oldest first.
    ///
    /// # Errors
    ///
    /// [`Failure::Unreadable`] when one of them cannot be read; all of them stay as they are.
    async fn list(&self, person: &str) -> Result<Vec<Task>, Failure>;

    /// Puts tasks on a person's list, in their order, as long as it has fewer than [`LIMIT`]. Returns those for which
    /// there was no room. One whose id is on the list already stays there as it is, so to add it again does nothing.
    ///
    /// # Errors
    ///
    /// [`Failure::Unavailable`]; whether they were added is then not known, and they may be added again.
    async fn add(&self, person: &str, tasks: Vec<Task>) -> Result<Vec<Task>, Failure>;

    /// Changes a task, and nothing of it that the change does not name. `false` when it is not on the list.
    ///
    /// # Errors
    ///
    /// [`Failure::Unreadable`] when it cannot be read; it stays as it is.
    async fn update(&self, person: &str, id: &TaskId, change: &Change) -> Result<bool, Failure>;

    /// Takes a task off the list, for good. `false` when it is not there.
    ///
    /// # Errors
    ///
    /// [`Failure::Unavailable`]; whether it was removed is then not known.
    async fn remove(&self, person: &str, id: &TaskId) -> Result<bool, Failure>;
}

/// The tasks that are kept in a database.
#[must_use]
pub fn open(database: &Database) -> Arc<dyn Tasks> {
    match database {
        Database::Memory => Arc::new(memory::Memory::default()),
        Database::Redis(redis) => Arc::new(redis::Redis::new(redis.clone())),
    }
}
