//! [`Faulty`]: a backend that fails where a test wants it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use shared_session::backend::{Backend, BackendError, Outcome};

/// When a [`Faulty`] backend fails. Operations are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Never.
    Never,
    /// At the operation with this number, which is not applied.
    Before(usize),
    /// At the operation with this number, which is applied: its reply is lost.
    After(usize),
    /// At the replacement with this operation number, which is applied when the test calls [`Faulty::apply_delayed`].
    Delayed(usize),
    /// Never, but the replacement with this operation number runs twice, as if a driver repeated it after a lost reply. The
    /// second run is an operation of its own, and its reply is returned.
    Twice(usize),
    /// At every operation that Redis runs as a script: replacements, removals, peeks and additions to an index. They are
    /// refused, as by a server that does not permit scripts.
    Scripts,
}

/// A backend that counts the operations on another one, and fails at the chosen ones.
pub struct Faulty {
    backend: Arc<dyn Backend>,
    fault: Fault,
    operations: AtomicUsize,
    unreachable: AtomicBool,
    run_before: Mutex<Option<(usize, Action)>>,
    run_after: Mutex<Option<(usize, Action)>>,
    delayed: Mutex<Option<Action>>,
    created: Mutex<Vec<String>>,
}

type Action = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Faulty {
    /// Returns `backend` with a fault.
    pub fn new(backend: Arc<dyn Backend>, fault: Fault) -> Self {
        Self {
            backend,
            fault,
            operations: AtomicUsize::new(0),
            unreachable: AtomicBool::new(false),
            run_before: Mutex::default(),
            run_after: Mutex::default(),
            delayed: Mutex::default(),
            created: Mutex::default(),
        }
    }

    /// Runs `action` right before the operation with this number.
    #[must_use]
    pub fn run_before(self, number: usize, action: impl Future<Output = ()> + Send + 'static) -> Self {
        *self.run_before.lock().unwrap() = Some((number, Box::pin(action)));
        self
    }

    /// Runs `action` when the operation with this number has taken effect, before its reply arrives.
    #[must_use]
    pub fn run_after(self, number: usize, action: impl Future<Output = ()> + Send + 'static) -> Self {
        *self.run_after.lock().unwrap() = Some((number, Box::pin(action)));
        self
    }

    /// Forgets the actions that have not run.
    pub fn forget_actions(&self) {
        for action in [&self.run_before, &self.run_after] {
            *action.lock().unwrap() = None;
        }
    }

    /// Returns the number of operations so far, without checks of the backend.
    pub fn operations(&self) -> usize {
        self.operations.load(Ordering::SeqCst)
    }

    /// Makes every operation fail from now on, or none.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.unreachable.store(unreachable, Ordering::SeqCst);
    }

    /// Applies the operation that [`Fault::Delayed`] held back.
    ///
    /// # Panics
    ///
    /// Panics if no operation was held back.
    pub async fn apply_delayed(&self) {
        let delayed = self.delayed.lock().unwrap().take();
        delayed.expect("no operation was delayed").await;
    }

    /// Returns the keys under which records were to be created.
    pub fn created(&self) -> Vec<String> {
        self.created.lock().unwrap().clone()
    }

    /// Counts an operation, and runs the action that must precede it. Returns its number.
    async fn begin(&self) -> usize {
        let number = self.operations.fetch_add(1, Ordering::SeqCst) + 1;
        let due = self.run_before.lock().unwrap().take_if(|(before, _)| *before == number);
        if let Some((_, action)) = due {
            action.await;
        }
        number
    }

    async fn operation<T>(
        &self,
        applied: impl Future<Output = Result<T, BackendError>> + Send,
    ) -> Result<T, BackendError> {
        let number = self.begin().await;
        self.operation_with(number, applied).await
    }

    async fn operation_with<T>(
        &self,
        number: usize,
        applied: impl Future<Output = Result<T, BackendError>> + Send,
    ) -> Result<T, BackendError> {
        if self.unreachable.load(Ordering::SeqCst) || self.fault == Fault::Before(number) {
            return Err(unavailable());
        }
        let reply = applied.await;
        let due = self.run_after.lock().unwrap().take_if(|(after, _)| *after == number);
        if let Some((_, action)) = due {
            action.await;
        }
        if self.fault == Fault::After(number) {
            return Err(unavailable());
        }
        reply
    }

    async fn script<T>(
        &self,
        applied: impl Future<Output = Result<T, BackendError>> + Send,
    ) -> Result<T, BackendError> {
        if self.fault == Fault::Scripts {
            self.begin().await;
            return Err(BackendError::refused("scripts are not permitted"));
        }
        self.operation(applied).await
    }
}

fn unavailable() -> BackendError {
    BackendError::unavailable("the test makes this operation fail")
}

/// A test whose action never ran would have tested nothing.
impl Drop for Faulty {
    fn drop(&mut self) {
        let is_left = self.run_before.lock().is_ok_and(|action| action.is_some());
        assert!(
            !is_left || std::thread::panicking(),
            "the operation that an action was to precede never came"
        );
    }
}

#[async_trait]
impl Backend for Faulty {
    fn system_name(&self) -> &'static str {
        self.backend.system_name()
    }

    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        self.operation(self.backend.load(key, ttl)).await
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        self.created.lock().unwrap().push(key.to_owned());
        self.operation(self.backend.create(key, record, ttl)).await
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        if let Fault::Twice(repeated) = self.fault
            && self.operations() + 1 == repeated
        {
            self.operation(self.backend.replace(key, expected, record, ttl)).await?;
            return self.operation(self.backend.replace(key, expected, record, ttl)).await;
        }
        let Fault::Delayed(delayed) = self.fault else {
            return self.script(self.backend.replace(key, expected, record, ttl)).await;
        };
        let number = self.begin().await;
        if number != delayed {
            return self
                .operation_with(number, self.backend.replace(key, expected, record, ttl))
                .await;
        }
        let (backend, key) = (self.backend.clone(), key.to_owned());
        let (expected, record) = (expected.to_vec(), record.to_vec());
        *self.delayed.lock().unwrap() = Some(Box::pin(async move {
            backend.replace(&key, &expected, &record, ttl).await.unwrap();
        }));
        Err(unavailable())
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        self.script(self.backend.remove(key, expected)).await
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        self.script(self.backend.peek(key)).await
    }

    async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError> {
        self.script(self.backend.index_add(key, member, left)).await
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        self.operation(self.backend.index_remove(key, member)).await
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        self.operation(self.backend.index_members(key, offset, limit)).await
    }

    async fn check(&self, key: &str) -> Result<(), BackendError> {
        if self.unreachable.load(Ordering::SeqCst) {
            return Err(unavailable());
        }
        self.backend.check(key).await
    }
}
