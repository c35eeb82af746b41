//! The repository in memory, for tests and for a service that runs alone.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use service_kit::Failure;

use super::{LIMIT, PAGE_SIZE, PageOf, TaskPage, TaskRepository, last_page, page_of_index};
use crate::task::{self, Change, Task, TaskId};

/// The tasks of all users, by account and task id. They are lost when the process ends.
#[derive(Debug, Default)]
pub struct MemoryTasks(Mutex<HashMap<String, HashMap<TaskId, Task>>>);

impl MemoryTasks {
    /// Removes a user's list.
    pub(super) fn forget(&self, account: &str) {
        self.0.lock().remove(account);
    }
}

#[async_trait]
impl TaskRepository for MemoryTasks {
    async fn page(&self, account: &str, page: PageOf<'_>) -> Result<Option<TaskPage>, Failure> {
        let mut tasks: Vec<Task> = match self.0.lock().get(account) {
            Some(list) => list.values().cloned().collect(),
            None => Vec::new(),
        };
        task::sort(&mut tasks);
        tasks.reverse();
        let total = tasks.len();
        let number = match page {
            PageOf::Number(number) => number.clamp(1, last_page(total)),
            PageOf::Task(id) => match tasks.iter().position(|task| task.id == *id) {
                Some(index) => page_of_index(index),
                None => return Ok(None),
            },
        };
        let tasks = tasks.into_iter().skip((number - 1) * PAGE_SIZE).take(PAGE_SIZE);
        Ok(Some(TaskPage {
            number,
            total,
            tasks: tasks.collect(),
        }))
    }

    async fn add(&self, account: &str, tasks: Vec<Task>) -> Result<Vec<Task>, Failure> {
        let mut lists = self.0.lock();
        let list = lists.entry(account.to_owned()).or_default();
        let mut rejected = Vec::new();
        for task in tasks {
            if list.contains_key(&task.id) {
                continue;
            }
            if list.len() < LIMIT {
                list.insert(task.id.clone(), task);
            } else {
                rejected.push(task);
            }
        }
        Ok(rejected)
    }

    async fn update(&self, account: &str, id: &TaskId, change: &Change) -> Result<bool, Failure> {
        let mut lists = self.0.lock();
        let task = lists.get_mut(account).and_then(|list| list.get_mut(id));
        Ok(task.map(|task| task.apply(change)).is_some())
    }

    async fn remove(&self, account: &str, id: &TaskId) -> Result<bool, Failure> {
        let mut lists = self.0.lock();
        let Some(list) = lists.get_mut(account) else {
            return Ok(false);
        };
        let removed = list.remove(id).is_some();
        if list.is_empty() {
            lists.remove(account);
        }
        Ok(removed)
    }
}
