//! The backend of a run: every operation waits until the explorer decides about it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use shared_session::backend::memory::Memory;
use shared_session::backend::{Backend, BackendError, Outcome};
use tokio::sync::oneshot;

use super::Sabotage;
use super::cache::{Cache, RECALLED};

tokio::task_local! {
    /// The request whose own task runs, or none in a task that a request spawned.
    pub(super) static REQUEST: usize;
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is performed.
    Performed,
    /// It fails, and is not performed.
    Failed,
    /// It is performed, and its reply is lost.
    ReplyLost,
    /// It is performed, and its process handles the reply later.
    ReplyLate,
    /// It finds the version with this number of what its process remembers.
    Recalled(usize),
}

/// Hands a reply to the task that waits for it.
type Reply = Box<dyn FnOnce() + Send>;

type Versions = Box<dyn Fn() -> usize + Send>;

/// An operation that waits. Its process and the order of its arrival identify it.
pub(super) struct Operation {
    pub process: usize,
    /// Its number, in the order of arrival.
    pub number: usize,
    /// The request that asked for it in its own task, or none if another task did.
    pub request: Option<usize>,
    pub name: &'static str,
    pub key: String,
    pub writes: bool,
    /// Returns how many versions it can recall, if it asks what its process remembers.
    pub versions: Option<Versions>,
    perform: Box<dyn FnOnce(Fate) -> BoxFuture<'static, Reply> + Send>,
    awaited: Weak<()>,
}

/// The reply of an operation that was performed, before its process handles it.
pub(super) struct LateReply {
    pub process: usize,
    /// The number of the operation.
    pub number: usize,
    pub description: String,
    reply: Reply,
    awaited: Weak<()>,
}

impl Operation {
    /// Lets it happen. Returns the reply if it is late.
    pub async fn decide(self, fate: Fate, description: &str) -> Option<LateReply> {
        let reply = (self.perform)(fate).await;
        if fate != Fate::ReplyLate {
            reply();
            return None;
        }
        Some(LateReply {
            process: self.process,
            number: self.number,
            description: description.to_owned(),
            reply,
            awaited: self.awaited,
        })
    }

    /// Returns whether a task still waits for the reply.
    pub fn is_awaited(&self) -> bool {
        self.awaited.strong_count() > 0
    }
}

impl LateReply {
    pub fn deliver(self) {
        (self.reply)();
    }

    /// Returns whether a task still waits for it.
    pub fn is_awaited(&self) -> bool {
        self.awaited.strong_count() > 0
    }
}

/// The operations of a run.
#[derive(Default)]
pub(super) struct Operations {
    /// Those that wait, in the order of their arrival.
    pub waiting: Vec<Operation>,
    /// How many arrived.
    pub arrived: usize,
    /// The keys, in the order in which they were met.
    keys: Vec<String>,
}

impl Operations {
    /// Removes the operation with this number. Returns it, and the number of its key.
    pub fn take(&mut self, number: usize) -> Option<(Operation, usize)> {
        let place = self.waiting.iter().position(|operation| operation.number == number)?;
        let operation = self.waiting.remove(place);
        let key = self.number_of_key(&operation.key);
        Some((operation, key))
    }

    /// Returns the number of a key.
    fn number_of_key(&mut self, key: &str) -> usize {
        if let Some(number) = self.keys.iter().position(|known| known == key) {
            return number;
        }
        self.keys.push(key.to_owned());
        self.keys.len() - 1
    }
}

/// The backend as one process sees it.
pub(super) struct Scheduled {
    pub memory: Arc<Memory>,
    pub operations: Arc<Mutex<Operations>>,
    pub process: usize,
    pub sabotage: Sabotage,
    /// The record that this process wrote last under each key.
    pub written: Arc<Mutex<HashMap<String, Bytes>>>,
    pub cache: Arc<Cache>,
}

impl Scheduled {
    /// Lets the explorer decide what the process remembers of a record: nothing, or any version that its cache may have.
    pub async fn recall(&self, key: &str) -> Option<Bytes> {
        let (cache, of_versions, record) = (self.cache.clone(), self.cache.clone(), key.to_owned());
        let versions: Versions = {
            let record = record.clone();
            Box::new(move || of_versions.versions(&record))
        };
        let perform = move |fate| {
            let recalled = match fate {
                Fate::Recalled(version) => cache.version(&record, version),
                _ => None,
            };
            std::future::ready(Ok(recalled))
        };
        // in the place of a load: what the request may see depends on the changes that were answered before
        let recalled = self.enqueue("recall", key, false, Some(versions), perform).await;
        recalled.ok().flatten()
    }

    async fn operation<T, F>(
        &self,
        name: &'static str,
        key: &str,
        writes: bool,
        operation: impl FnOnce(Arc<Memory>, String) -> F,
    ) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, BackendError>> + Send + 'static,
    {
        let performed = operation(self.memory.clone(), key.to_owned());
        let perform = async move |fate| match fate {
            Fate::ReplyLost => performed.await.and_then(|_| failed()),
            Fate::Failed => failed(),
            _ => performed.await,
        };
        self.enqueue(name, key, writes, None, perform).await
    }

    /// Waits until the explorer has decided what becomes of an operation, and its process handles the reply.
    async fn enqueue<T, F>(
        &self,
        name: &'static str,
        key: &str,
        writes: bool,
        versions: Option<Versions>,
        perform: impl FnOnce(Fate) -> F + Send + 'static,
    ) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, BackendError>> + Send + 'static,
    {
        let (send, reply) = oneshot::channel();
        let perform = move |fate| {
            async move {
                let result = perform(fate).await;
                // a task that is gone needs no reply
                Box::new(move || drop(send.send(result))) as Reply
            }
            .boxed()
        };
        let waits = Arc::new(());
        {
            let mut operations = self.operations.lock().unwrap();
            let number = operations.arrived;
            operations.arrived += 1;
            operations.number_of_key(key);
            operations.waiting.push(Operation {
                process: self.process,
                number,
                request: REQUEST.try_with(|request| *request).ok(),
                name,
                key: key.to_owned(),
                writes,
                versions,
                perform: Box::new(perform),
                awaited: Arc::downgrade(&waits),
            });
        }
        let reply = reply.await.unwrap_or_else(|_| failed());
        drop(waits);
        reply
    }
}

fn failed<T>() -> Result<T, BackendError> {
    Err(BackendError::unavailable("the explorer decided so"))
}

#[async_trait]
impl Backend for Scheduled {
    fn remembered(&self, _: &str, _: Duration) -> Option<Bytes> {
        RECALLED.try_with(Clone::clone).ok().flatten()
    }

    fn load_and_remember<'a>(
        &'a self,
        key: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Option<Bytes>, BackendError>> {
        Box::pin(async move {
            let has_recalled = RECALLED.try_with(Option::is_some).unwrap_or_default();
            if self.sabotage == Sabotage::RecalledRecordIsFinal && has_recalled {
                return Ok(None);
            }
            let reading = self.cache.read(key);
            let load = move |memory: Arc<Memory>, key: String| async move { memory.load(&key, ttl).await };
            let found = self.operation("load", key, false, load).await?;
            if let Some(record) = &found {
                self.cache.remember(reading, record);
            }
            Ok(found)
        })
    }

    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        let _changing = self.cache.changing(key);
        // a load that leaves no time removes the record
        self.operation("load", key, ttl.is_zero(), move |memory, key| async move {
            memory.load(&key, ttl).await
        })
        .await
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        if self.sabotage == Sabotage::RenewalIsNotSettled {
            return failed();
        }
        self.operation("peek", key, false, |memory, key| async move { memory.peek(&key).await })
            .await
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        let _changing = self.cache.changing(key);
        let record = record.to_vec();
        self.operation("create", key, true, move |memory, key| async move {
            memory.create(&key, &record, ttl).await
        })
        .await
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        let is_remembered = self.cache.has(key, expected);
        let _changing = self.cache.changing(key);
        let (expected, record) = (expected.to_vec(), Bytes::copy_from_slice(record));
        let (sabotage, written) = (self.sabotage, self.written.clone());
        self.operation("replace", key, true, move |memory, key| async move {
            if sabotage == Sabotage::ProcessTrustsRemembered && is_remembered && expected == record {
                return Ok(Outcome::Applied);
            }
            let last = written.lock().unwrap().insert(key.clone(), record.clone());
            if sabotage == Sabotage::ProcessTrustsItsLastRecord && last.as_ref() == Some(&record) {
                return Ok(Outcome::Applied);
            }
            match (memory.replace(&key, &expected, &record, ttl).await?, sabotage) {
                (Outcome::Changed(found), Sabotage::RememberedIsNotCompared) if is_remembered => {
                    memory.replace(&key, &found, &record, ttl).await
                }
                (Outcome::Changed(found), Sabotage::CommitWithoutComparison) => {
                    memory.replace(&key, &found, &record, ttl).await
                }
                (Outcome::Changed(_), Sabotage::CommitIgnoresConflict) => Ok(Outcome::Applied),
                (outcome, _) => Ok(outcome),
            }
        })
        .await
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        let _changing = self.cache.changing(key);
        let (expected, sabotage) = (expected.to_vec(), self.sabotage);
        self.operation("remove", key, true, move |memory, key| async move {
            match memory.remove(&key, &expected).await? {
                Outcome::Changed(_) if sabotage == Sabotage::LogOutIgnoresChanges => Ok(Outcome::Gone),
                outcome => Ok(outcome),
            }
        })
        .await
    }

    async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError> {
        let member = member.to_owned();
        self.operation("index_add", key, true, move |memory, key| async move {
            memory.index_add(&key, &member, left).await
        })
        .await
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        let member = member.to_owned();
        self.operation("index_remove", key, true, move |memory, key| async move {
            memory.index_remove(&key, &member).await
        })
        .await
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        let mut members = self
            .operation("index_members", key, false, move |memory, key| async move {
                memory.index_members(&key, offset, limit).await
            })
            .await?;
        // ids are random, and every run must repeat
        let operations = self.operations.lock().unwrap();
        members.sort_by_key(|member| operations.keys.iter().position(|key| key.ends_with(member.as_str())));
        Ok(members)
    }

    async fn check(&self, _: &str) -> Result<(), BackendError> {
        Ok(())
    }
}
