//! A repository of tasks as a service has it, and tasks to put there.

use std::sync::Arc;
use std::sync::mpsc;

use service_kit::database::Database;
use service_kit::{Options, Resources, Routes, Server, Service};
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
    let (sender, receiver) = mpsc::channel::<Database>();
    let service = Service {
        name: "test",
        version: "1.0.0",
        about: "Tells its database",
        bind: "127.0.0.1:0",
        prefixes: &[],
        whole: false,
        routes: move |resources: &Resources| {
            sender.send(resources.database.clone()).unwrap();
            Routes::new(|_| {})
        },
    };
    let line = [&["test", "--session-store-timeout", "30s"], options].concat();
    let options = Options::parse(&service, line).unwrap();
    let _server = Server::bind(&service, &options).unwrap();
    tasks::open(&receiver.recv().unwrap())
}
