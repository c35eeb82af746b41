//! The repository in memory, for tests and for a service that runs alone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use service_kit::Failure;

use super::{LIMIT, TaskRepository};
use crate::task::{self, Change, Task, TaskId};

/// The tasks of all users, by user id and task id. They are lost when the process ends.
#[derive(Debug, Default)]
pub struct MemoryTasks(Mutex<HashMap<String, HashMap<TaskId, Task>>>);

impl MemoryTasks {
    fn lists(&self) -> MutexGuard<'_, HashMap<String, HashMap<TaskId, Task>>> {
        // no operation panics halfway through a change, so a poisoned map is still consistent
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl TaskRepository for MemoryTasks {
    async fn list(&self, user_id: &str) -> Result<Vec<Task>, Failure> {
        let mut tasks: Vec<Task> = match self.lists().get(user_id) {
            Some(list) => list.values().cloned().collect(),
            None => Vec::new(),
        };
        task::sort(&mut tasks);
        Ok(tasks)
    }

    async fn add(&self, user_id: &str, tasks: Vec<Task>) -> Result<Vec<Task>, Failure> {
        let mut lists = self.lists();
        let list = lists.entry(user_id.to_owned()).or_default();
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

    async fn update(&self, user_id: &str, id: &TaskId, change: &Change) -> Result<bool, Failure> {
        let mut lists = self.lists();
        let task = lists.get_mut(user_id).and_then(|list| list.get_mut(id));
        Ok(task.map(|task| task.apply(change)).is_some())
    }

    async fn remove(&self, user_id: &str, id: &TaskId) -> Result<bool, Failure> {
        let mut lists = self.lists();
        let Some(list) = lists.get_mut(user_id) else {
            return Ok(false);
        };
        let removed = list.remove(id).is_some();
        if list.is_empty() {
            lists.remove(user_id);
        }
        Ok(removed)
    }
}
