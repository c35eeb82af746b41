//! A repository of tasks as a service has it, and tasks to put there.

use std::sync::Arc;

use service_kit::testing::database;
use task_service::task::{Task, Title};
use task_service::tasks::{self, Tasks};

pub type Bed = Arc<dyn Tasks>;

pub fn title(text: &str) -> Title {
    Title::parse(text).unwrap()
}

pub fn task(text: &str) -> Task {
    Task::new(title(text)).unwrap()
}

/// Tasks whose order is that of their numbers.
pub fn many(count: usize) -> Vec<Task> {
    let tasks = (0..count).map(|number| Task {
        created: number as u64,
        ..task(&format!("task {number}"))
    });
    tasks.collect()
}

/// Adds one task, and says whether it was taken.
pub async fn add(bed: &Bed, person: &str, task: &Task) -> bool {
    bed.add(person, vec![task.clone()]).await.unwrap().is_empty()
}

/// The repository that a service has, which is started with these options.
pub fn repository(options: &[&str]) -> Bed {
    let line = [&["--session-store-timeout", "30s"], options].concat();
    tasks::open(&database(&line))
}
