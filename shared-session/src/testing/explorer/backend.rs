//! The backend of a run: every operation waits until the explorer decides about it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::Sabotage;
use crate::backend::memory::Memory;
use crate::backend::{Backend, BackendError, Outcome};

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is performed.
    Performed,
    /// It fails, and is not performed.
    Failed,
    /// It is performed, and its reply is lost.
    ReplyLost,
}

/// An operation that waits.
pub(super) struct Operation {
    /// The request that it belongs to.
    pub request: usize,
    pub name: &'static str,
    pub key: String,
    pub writes: bool,
    decide: oneshot::Sender<Fate>,
}

impl Operation {
    /// Lets the operation go on.
    pub fn decide(self, fate: Fate) {
        // a request that was dropped does not go on
        let _ = self.decide.send(fate);
    }
}

/// The operations that wait, in the order in which they were asked for.
pub(super) type Waiting = Arc<Mutex<Vec<Operation>>>;

/// The backend as one request sees it.
pub(super) struct Scheduled {
    pub memory: Arc<Memory>,
    pub waiting: Waiting,
    pub request: usize,
    pub sabotage: Sabotage,
}

impl Scheduled {
    async fn operation<T>(
        &self,
        name: &'static str,
        key: &str,
        writes: bool,
        perform: impl Future<Output = Result<T, BackendError>> + Send,
    ) -> Result<T, BackendError> {
        let (decide, decided) = oneshot::channel();
        self.waiting.lock().unwrap().push(Operation {
            request: self.request,
            name,
            key: key.to_owned(),
            writes,
            decide,
        });
        let failed = || Err(BackendError::unavailable("the explorer decided so"));
        match decided.await {
            Ok(Fate::Performed) => perform.await,
            Ok(Fate::ReplyLost) => {
                perform.await?;
                failed()
            }
            Ok(Fate::Failed) | Err(_) => failed(),
        }
    }
}

#[async_trait]
impl Backend for Scheduled {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        self.operation("load", key, false, self.memory.load(key, ttl)).await
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        if self.sabotage == Sabotage::RenewalIsNotSettled {
            return Err(BackendError::unavailable("the explorer decided so"));
        }
        self.operation("peek", key, false, self.memory.peek(key)).await
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        self.operation("create", key, true, self.memory.create(key, record, ttl))
            .await
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        let perform = async {
            match self.memory.replace(key, expected, record, ttl).await? {
                Outcome::Changed(found) if self.sabotage == Sabotage::CommitWithoutComparison => {
                    self.memory.replace(key, &found, record, ttl).await
                }
                outcome => Ok(outcome),
            }
        };
        self.operation("replace", key, true, perform).await
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        let perform = async {
            match self.memory.remove(key, expected).await? {
                Outcome::Changed(_) if self.sabotage == Sabotage::LogOutIgnoresChanges => Ok(Outcome::Gone),
                outcome => Ok(outcome),
            }
        };
        self.operation("remove", key, true, perform).await
    }

    async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError> {
        self.operation("index_add", key, true, self.memory.index_add(key, member, left))
            .await
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        self.operation("index_remove", key, true, self.memory.index_remove(key, member))
            .await
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        self.operation(
            "index_members",
            key,
            false,
            self.memory.index_members(key, offset, limit),
        )
        .await
    }

    async fn check(&self, _: &str) -> Result<(), BackendError> {
        Ok(())
    }
}
