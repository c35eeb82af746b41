//! The queue in which this process's commits to one session wait for each other.
//!
//! Compare-and-set alone is correct, but many concurrent commits to one session would each find it changed by another and
//! retry as often as there are commits. So the first commit starts a task, which writes everybody who waits with one
//! compare-and-set, again and again until nobody waits. Then only the commits of other processes conflict.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{LoadedSession, RequestStore};
use crate::error::Error;
use crate::session::change::Change;
use crate::session::storage_key::StorageKey;
use crate::session::verifier::VerifierDigest;

/// One request's change.
#[derive(Debug)]
pub(super) struct Commit {
    pub change: Change,
    /// The verifier of the session that the request loaded.
    pub verifier: Option<VerifierDigest>,
    has_left: AtomicBool,
}

/// A commit that waits.
pub(super) struct Waiting {
    pub commit: Arc<Commit>,
    pub key: StorageKey,
    /// The session as the request loaded it, until the commit's turn.
    pub session: Option<Box<LoadedSession>>,
    /// The store by the request's deadline.
    pub store: RequestStore,
    reply: oneshot::Sender<Result<(), Error>>,
}

/// The queues of the sessions that are being changed now.
#[derive(Clone, Default)]
pub(super) struct CommitQueues(Arc<Mutex<HashMap<StorageKey, Vec<Waiting>>>>);

/// The queue of one session, for the task that empties it. Dropping it early drops all commits that wait, without a reply.
pub(super) struct Queue {
    queues: CommitQueues,
    key: StorageKey,
    is_over: bool,
}

impl Commit {
    pub fn new(change: Change, verifier: Option<VerifierDigest>) -> Self {
        let has_left = AtomicBool::new(false);
        Self {
            change,
            verifier,
            has_left,
        }
    }

    /// Withdraws the commit from the queue: its request commits by itself.
    pub fn leave(&self) {
        self.has_left.store(true, Ordering::SeqCst);
    }

    pub fn has_left(&self) -> bool {
        self.has_left.load(Ordering::SeqCst)
    }
}

impl Waiting {
    /// Returns a commit that waits, and the receiver of its result.
    pub fn new(
        commit: Arc<Commit>,
        session: Box<LoadedSession>,
        store: RequestStore,
    ) -> (Self, oneshot::Receiver<Result<(), Error>>) {
        let (reply, result) = oneshot::channel();
        let waiting = Self {
            commit,
            key: session.key().clone(),
            session: Some(session),
            store,
            reply,
        };
        (waiting, result)
    }

    /// Sends the result to the request.
    pub fn reply(self, result: Result<(), Error>) {
        // a request that is gone needs no reply
        let _ = self.reply.send(result);
    }
}

impl CommitQueues {
    /// Adds a commit to the queue of its session. Returns the queue if it is new: the caller must empty it.
    pub fn enter(&self, waiting: Waiting) -> Option<Queue> {
        match self.0.lock().entry(waiting.key.clone()) {
            Entry::Occupied(mut queue) => {
                queue.get_mut().push(waiting);
                None
            }
            Entry::Vacant(place) => {
                let key = place.key().clone();
                place.insert(vec![waiting]);
                let queues = self.clone();
                Some(Queue {
                    queues,
                    key,
                    is_over: false,
                })
            }
        }
    }
}

impl Queue {
    /// Returns a queue in which nobody else waits.
    pub fn alone(key: &StorageKey) -> Self {
        Self {
            queues: CommitQueues::default(),
            key: key.clone(),
            is_over: true,
        }
    }

    /// Returns everybody who waits, in the order of their arrival, or `None` if nobody does. The queue is then over.
    pub fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut queues = self.queues.0.lock();
        let waiting = queues.get_mut(&self.key).map(std::mem::take).unwrap_or_default();
        if waiting.is_empty() {
            queues.remove(&self.key);
            self.is_over = true;
            return None;
        }
        Some(waiting)
    }

    /// Moves everybody who waits to the end of a turn.
    pub fn join(&self, turn: &mut Vec<Waiting>) {
        if let Some(waiting) = self.queues.0.lock().get_mut(&self.key) {
            turn.append(waiting);
        }
    }

    /// Lets these wait again, before all others.
    pub fn put_back(&self, mut turn: Vec<Waiting>) {
        if let Some(waiting) = self.queues.0.lock().get_mut(&self.key) {
            turn.append(waiting);
            *waiting = turn;
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if !self.is_over {
            let waiting = self.queues.0.lock().remove(&self.key);
            // after the lock, because it wakes the requests
            drop(waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::memory::Memory;
    use crate::clock::Clock;
    use crate::format::Format;
    use crate::session::id::IdScheme;
    use crate::settings::Settings;
    use crate::store::{Rules, Store};

    fn waiting() -> (Waiting, oneshot::Receiver<Result<(), Error>>) {
        let rules = Rules::from(&Settings::default());
        let store = Store::new(
            Arc::new(Memory::default()),
            Format::Json.codec(),
            rules,
            Clock::system(),
        );
        let session = LoadedSession::new(IdScheme::Php.key_of_member("", "a"), None, false);
        let commit = Arc::new(Commit::new(Change::default(), None));
        Waiting::new(commit, Box::new(session), store.request())
    }

    #[tokio::test]
    async fn queue_that_is_emptied_leaves_nothing_behind() {
        let queues = CommitQueues::default();
        let mut queue = queues.enter(waiting().0).unwrap();
        assert!(queues.enter(waiting().0).is_none());
        let mut turn = queue.next().unwrap();
        assert!(queues.enter(waiting().0).is_none());
        queue.put_back(turn.split_off(1));
        assert_eq!((turn.len(), queue.next().unwrap().len()), (1, 2));
        assert!(queue.next().is_none());
        drop(queue);
        assert!(queues.0.lock().is_empty());
    }

    #[tokio::test]
    async fn queue_that_is_dropped_tells_who_waits() {
        let queues = CommitQueues::default();
        let queue = queues.enter(waiting().0).unwrap();
        let (other, result) = waiting();
        queues.enter(other);
        drop(queue);
        assert!(result.await.is_err());
        assert!(queues.0.lock().is_empty());
        // and a later queue of this session is another one
        assert!(queues.enter(waiting().0).is_some());
    }
}
