//! A task repository as a service opens it, and tasks to store.

use std::sync::Arc;

use service_kit::testing::database;
use service_kit::user_data::UserData;
use task_service::task::{Task, Title};
use task_service::tasks::{self, PageOf, TaskPage, TaskRepository, last_page};

pub type Repository = Arc<dyn TaskRepository>;

pub fn title(text: &str) -> Title {
    Title::parse(text).unwrap()
}

pub fn task(text: &str) -> Task {
    Task::new(title(text)).unwrap()
}

/// Returns tasks that were created one after another.
pub fn many(count: usize) -> Vec<Task> {
    (0..count).map(|number| task(&format!("task {number}"))).collect()
}

/// Adds one task. Returns `false` if the list is full.
pub async fn add(repository: &Repository, user: &str, task: &Task) -> bool {
    repository.add(user, vec![task.clone()]).await.unwrap().is_empty()
}

/// Returns all tasks of a user in the order of their creation, as its pages list them from the last one to the first.
pub async fn list(repository: &Repository, user: &str) -> Vec<Task> {
    let mut all = Vec::new();
    for number in 1.. {
        let page = repository.page(user, PageOf::Number(number)).await.unwrap().unwrap();
        let TaskPage { number, total, tasks } = page;
        all.extend(tasks);
        if number == last_page(total) {
            assert_eq!(all.len(), total);
            all.reverse();
            break;
        }
    }
    all
}

/// Opens the repository of a service with these options.
pub fn repository(options: &[&str]) -> Repository {
    let options = [&["--session-store-timeout", "30s"], options].concat();
    let database = database(&options);
    tasks::open(&database, &UserData::new(&database))
}
