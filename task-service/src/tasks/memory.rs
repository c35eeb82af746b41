//! Tasks in this process: for tests, and for a service that runs alone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use service_kit::Failure;

use super::{LIMIT, Tasks};
use crate::task::{self, Change, Task, TaskId};

/// Tasks in this process. They end with it, and no other process sees them.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, HashMap<TaskId, Task>>>);

impl Memory {
    fn people(&self) -> MutexGuard<'_, HashMap<String, HashMap<TaskId, Task>>> {
        // no operation leaves a list half done, so a panic elsewhere has spoilt nothing
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Tasks for Memory {
    async fn list(&self, person: &str) -> Result<Vec<Task>, Failure> {
        let mut tasks: Vec<Task> = match self.people().get(person) {
            Some(list) => list.values().cloned().collect(),
            None => Vec::new(),
        };
        task::sort(&mut tasks);
        Ok(tasks)
    }

    async fn add(&self, person: &str, tasks: Vec<Task>) -> Result<Vec<Task>, Failure> {
        let mut people = self.people();
        let list = people.entry(person.to_owned()).or_default();
        let mut left = Vec::new();
        for task in tasks {
            if list.contains_key(&task.id) {
                continue;
            }
            if list.len() < LIMIT {
                list.insert(task.id.clone(), task);
            } else {
                left.push(task);
            }
        }
        Ok(left)
    }

    async fn update(&self, person: &str, id: &TaskId, change: &Change) -> Result<bool, Failure> {
        let mut people = self.people();
        let task = people.get_mut(person).and_then(|list| list.get_mut(id));
        Ok(task.map(|task| task.apply(change)).is_some())
    }

    async fn remove(&self, person: &str, id: &TaskId) -> Result<bool, Failure> {
        let mut people = self.people();
        let Some(list) = people.get_mut(person) else {
            return Ok(false);
        };
        let removed = list.remove(id).is_some();
        if list.is_empty() {
            people.remove(person);
        }
        Ok(removed)
    }
}
