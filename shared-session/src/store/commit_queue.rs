//! The queue in which this process's commits to one session wait for each other.
//!
//! Compare-and-set alone is correct, but many concurrent commits to one session would each find it changed by another and
//! retry as often as there are commits. In the queue, the first commit takes its turn at once; those that arrive meanwhile
//! wait, and the next turn commits all of them together. Only other processes are met at the backend.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::session::change::Change;
use crate::session::storage_key::StorageKey;
use crate::session::verifier::VerifierDigest;

/// One request's change, and the verifier of the session that the request loaded.
#[derive(Debug)]
pub(super) struct Commit {
    pub change: Change,
    pub verifier: Option<VerifierDigest>,
}

/// The queues of the sessions that are being changed now.
#[derive(Clone, Default)]
pub(super) struct CommitQueues(Arc<Mutex<HashMap<StorageKey, VecDeque<Waiting>>>>);

/// A commit that waits, and the way to its request.
pub(super) struct Waiting {
    pub commit: Arc<Commit>,
    pub request: oneshot::Sender<Reply>,
}

/// What a waiting request is told.
pub(super) enum Reply {
    /// Another request's turn included its commit.
    Committed(Result<(), Error>),
    /// It is its turn.
    Turn(Turn),
}

/// A request's place in a queue.
pub(super) enum Place {
    /// No other request is committing.
    First(Turn),
    /// Another request is committing. The receiver fails if that request is dropped.
    Behind(oneshot::Receiver<Reply>),
}

/// The right to commit to a session, with everybody who waits. Dropping it gives the turn to the next request: perhaps one
/// whose commit this turn included and did not finish.
pub(super) struct Turn {
    queues: CommitQueues,
    /// The key of the session; `None` after the turn passed on.
    key: Option<StorageKey>,
    /// The record that the turn before this one wrote, or that this one wrote.
    pub record: Option<Bytes>,
    /// The commits that this turn includes, in the order of their arrival.
    pub waiting: Vec<Waiting>,
}

impl CommitQueues {
    /// Enters the queue of a session.
    pub fn enter(&self, key: &StorageKey, commit: &Arc<Commit>) -> Place {
        let mut queues = self.lock();
        if let Some(queue) = queues.get_mut(key) {
            let (request, reply) = oneshot::channel();
            queue.push_back(Waiting {
                commit: commit.clone(),
                request,
            });
            return Place::Behind(reply);
        }
        queues.insert(key.clone(), VecDeque::new());
        Place::First(Turn {
            queues: self.clone(),
            key: Some(key.clone()),
            record: None,
            waiting: Vec::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StorageKey, VecDeque<Waiting>>> {
        // no operation leaves the map half changed
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Returns a turn outside of the queue, in which nobody waits.
    pub fn alone() -> Self {
        Self {
            queues: CommitQueues::default(),
            key: None,
            record: None,
            waiting: Vec::new(),
        }
    }

    /// Includes everybody who waits, except those whose request is gone.
    pub fn include_waiting(&mut self) {
        let mut queues = self.queues.lock();
        let queue = self.key.as_ref().and_then(|key| queues.get_mut(key));
        let waiting = queue.map(std::mem::take).unwrap_or_default();
        drop(queues);
        let present = waiting.into_iter().filter(|waiting| !waiting.request.is_closed());
        self.waiting.extend(present);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut unfinished = std::mem::take(&mut self.waiting);
        while let Some(key) = self.key.take() {
            let mut queues = self.queues.lock();
            // a turn's queue is in the map until the last turn removes it
            let Entry::Occupied(mut queue) = queues.entry(key) else {
                return;
            };
            unfinished
                .drain(..)
                .rev()
                .for_each(|waiting| queue.get_mut().push_front(waiting));
            let Some(next) = queue.get_mut().pop_front() else {
                queue.remove();
                return;
            };
            let key = queue.key().clone();
            // a request that is gone drops the turn, which must find the queues unlocked
            drop(queues);
            let turn = Self {
                queues: self.queues.clone(),
                key: Some(key),
                record: self.record.take(),
                waiting: Vec::new(),
            };
            if let Err(Reply::Turn(mut refused)) = next.request.send(Reply::Turn(turn)) {
                (self.key, self.record) = (refused.key.take(), refused.record.take());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::id::IdScheme;

    fn commit() -> Arc<Commit> {
        Arc::new(Commit {
            change: Change::default(),
            verifier: None,
        })
    }

    fn key() -> StorageKey {
        IdScheme::Php.key_of_member("", "a")
    }

    fn first(queues: &CommitQueues) -> Turn {
        match queues.enter(&key(), &commit()) {
            Place::First(turn) => turn,
            Place::Behind(_) => panic!("the queue is not empty"),
        }
    }

    fn behind(queues: &CommitQueues) -> oneshot::Receiver<Reply> {
        match queues.enter(&key(), &commit()) {
            Place::First(_) => panic!("the queue is empty"),
            Place::Behind(reply) => reply,
        }
    }

    #[tokio::test]
    async fn a_turn_passes_with_the_record_and_the_last_one_empties_the_map() {
        let queues = CommitQueues::default();
        let mut turn = first(&queues);
        let (second, third) = (behind(&queues), behind(&queues));
        turn.record = Some(Bytes::from_static(b"record"));
        drop(turn);
        let Ok(Reply::Turn(mut turn)) = second.await else {
            panic!("the second request got no turn")
        };
        assert_eq!(turn.record.as_deref(), Some(&b"record"[..]));
        turn.include_waiting();
        assert_eq!(turn.waiting.len(), 1);
        // it did not finish the commit that it included
        drop(turn);
        let Ok(Reply::Turn(turn)) = third.await else {
            panic!("the third request got no turn")
        };
        assert_eq!(turn.record.as_deref(), Some(&b"record"[..]));
        drop(turn);
        assert!(queues.lock().is_empty());
    }

    #[tokio::test]
    async fn requests_that_are_gone_are_passed_over() {
        let queues = CommitQueues::default();
        let turn = first(&queues);
        drop(behind(&queues));
        let gone_later = behind(&queues);
        let last = behind(&queues);
        drop(turn);
        // it was given the turn, and drops it unread
        drop(gone_later);
        let Ok(Reply::Turn(turn)) = last.await else {
            panic!("the last request got no turn")
        };
        drop(turn);
        assert!(queues.lock().is_empty());
    }

    #[test]
    fn turns_that_are_dropped_together_leave_nothing_behind() {
        for _ in 0..2000 {
            let queues = CommitQueues::default();
            let turn = first(&queues);
            let waiting: Vec<_> = (0..3).map(|_| behind(&queues)).collect();
            std::thread::scope(|scope| {
                scope.spawn(|| drop(turn));
                for reply in waiting {
                    scope.spawn(|| drop(reply));
                }
            });
            assert!(queues.lock().is_empty());
        }
    }
}
