//! A task repository as a service opens it, and tasks to store.

use std::sync::Arc;

use service_kit::testing::database;
use task_service::task::{Task, Title};
use task_service::tasks::{self, TaskRepository};

pub type Repository = Arc<dyn TaskRepository>;

pub fn title(text: &str) -> Title {
    Title::parse(text).unwrap()
}

pub fn task(text: &str) -> Task {
    Task::new(title(text)).unwrap()
}

/// Returns tasks that were created one after another.
pub fn many(count: usize) -> Vec<Task> {
    let tasks = (0..count).map(|number| Task {
        created: number as u64,
        ..task(&format!("task {number}"))
    });
    tasks.collect()
}

/// Adds one task. Returns `false` if the list is full.
pub async fn add(repository: &Repository, user: &str, task: &Task) -> bool {
    repository.add(user, vec![task.clone()]).await.unwrap().is_empty()
}

/// Opens the repository of a service with these options.
pub fn repository(options: &[&str]) -> Repository {
    let options = [&["--session-store-timeout", "30s"], options].concat();
    tasks::open(&database(&options))
}
