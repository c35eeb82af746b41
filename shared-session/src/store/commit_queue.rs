//! Where this process's commits to one session wait for each other.
//!
//! Compare-and-set alone is right, but many requests at once on one session would each find it changed by another, and
//! read, merge and try again as often as there are requests. In line each finds what the one before it left, and only
//! other processes are met at the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;

use crate::error::Error;
use crate::session::storage_key::StorageKey;
use crate::store::circuit_breaker::Budget;

/// The lines of the sessions that are being changed now. It holds no others.
#[derive(Clone, Default)]
pub(super) struct CommitQueues(Arc<Mutex<HashMap<String, Line>>>);

/// Holds the record that the last one in line left behind.
type Line = Arc<tokio::sync::Mutex<Option<Bytes>>>;

/// The head of a line, until it is dropped.
pub(super) struct Turn {
    lines: CommitQueues,
    key: String,
    line: Line,
    turn: Option<OwnedMutexGuard<Option<Bytes>>>,
}

impl CommitQueues {
    /// Waits for its turn to change the session under `key`, as long as the request may wait.
    pub async fn enter(&self, key: &StorageKey, budget: &mut Budget) -> Result<Turn, Error> {
        let line = self.lines().entry(key.as_str().to_owned()).or_default().clone();
        let mut place = Turn {
            lines: self.clone(),
            key: key.as_str().to_owned(),
            line: line.clone(),
            turn: None,
        };
        place.turn = Some(budget.wait(line.lock_owned()).await?);
        Ok(place)
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<String, Line>> {
        // no step leaves the map half changed
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// The record that the one before left, if there was one.
    pub fn found(&self) -> Option<Bytes> {
        self.turn.as_ref()?.as_ref().cloned()
    }

    /// Leaves a record to the next one.
    pub fn leave(&mut self, record: Bytes) {
        if let Some(turn) = &mut self.turn {
            **turn = Some(record);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turn = None;
        let mut lines = self.lines.lines();
        // the map's own and this one: nobody else waits, and nobody can join while the map is locked
        if Arc::strong_count(&self.line) == 2 {
            lines.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_line_passes_records_on_and_ends_with_the_last() {
        let (lines, key) = (
            CommitQueues::default(),
            StorageKey::named_by_tombstone("session:a".to_owned()),
        );
        let mut budget = Budget::new(Duration::from_secs(60));
        let mut first = lines.enter(&key, &mut budget).await.unwrap();
        assert_eq!(first.found(), None);
        let (lines_of_second, key_of_second) = (lines.clone(), key.clone());
        let second = tokio::spawn(async move {
            lines_of_second
                .enter(&key_of_second, &mut Budget::new(Duration::from_secs(60)))
                .await
                .unwrap()
                .found()
        });
        while Arc::strong_count(&first.line) < 4 {
            tokio::task::yield_now().await;
        }
        let refused = lines.enter(&key, &mut Budget::new(Duration::from_millis(1))).await;
        assert!(matches!(refused, Err(Error::Contended)));
        first.leave(Bytes::from_static(b"record"));
        drop(first);
        assert_eq!(second.await.unwrap().unwrap(), "record");
        assert!(lines.lines().is_empty());
    }
}
