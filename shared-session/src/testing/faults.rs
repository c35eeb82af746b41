//! Checks of promise 9 as far as the store keeps it, and [`Faulty`], a backend that fails where a test wants it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::registry::{new_user, registry};
use super::{TestBed, commit, create, destroy, eventually, fields, load, set, store, store_over, visible};
use crate::backend::{Backend, BackendError, Outcome};
use crate::error::Error;
use crate::store::current_session::CurrentSession;

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
    /// Never, but the replacement with this operation number runs twice, as a driver repeats it that lost a reply. The
    /// second run is an operation of its own, and its reply counts.
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

    async fn index_add(&self, key: &str, member: &str, expires: Duration, now: Duration) -> Result<(), BackendError> {
        self.script(self.backend.index_add(key, member, expires, now)).await
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

/// An operation that fails is an error of its request. Whether it was applied or not, the request can be retried.
pub async fn failed_operation_is_an_error_and_can_be_retried(bed: &dyn TestBed) {
    let service = store(bed);
    for fault in [Fault::Before(1), Fault::After(1)] {
        let id = create(&service, &[("a", "1")]).await;
        let failing = || store_over(bed, Arc::new(Faulty::new(bed.backend(), fault)));
        let loaded = failing().request().load(&id).await;
        assert!(matches!(loaded, Err(Error::Unavailable(_))), "{loaded:?}");
        let session = load(&service, &id).await.unwrap();
        let again = session.clone();
        let committed = commit(&failing(), session, &set(&[("b", "1")])).await;
        assert!(matches!(committed, Err(Error::Unavailable(_))), "{committed:?}");
        // a retry with the session as it was loaded meets no conflict
        commit(&service, again, &set(&[("b", "1")])).await.unwrap();
        assert_eq!(visible(&service, &id).await, fields(&[("a", "1"), ("b", "1")]));
        let (session, again) = (load(&service, &id).await.unwrap(), load(&service, &id).await.unwrap());
        let destroyed = failing().request().destroy(session).await;
        assert!(matches!(destroyed, Err(Error::Unavailable(_))), "{destroyed:?}");
        destroy(&service, again).await;
        assert!(load(&service, &id).await.is_none());
    }
}

/// A replacement that a driver repeats recognises its own first run. What another request stored between the two runs
/// stays.
pub async fn replacement_that_runs_twice_is_applied_once(bed: &dyn TestBed) {
    let service = store(bed);
    let twice = || Faulty::new(bed.backend(), Fault::Twice(1));
    let id = create(&service, &[("a", "1")]).await;
    let session = load(&service, &id).await.unwrap();
    let backend = Arc::new(twice());
    let store = store_over(bed, backend.clone());
    commit(&store, session, &set(&[("b", "1")])).await.unwrap();
    assert_eq!(backend.operations(), 2, "the change was written again");
    assert_eq!(visible(&service, &id).await, fields(&[("a", "1"), ("b", "1")]));

    let (session, other) = (load(&service, &id).await.unwrap(), load(&service, &id).await.unwrap());
    let between = {
        let service = service.clone();
        async move { commit(&service, other, &set(&[("c", "1")])).await.unwrap() }
    };
    let store = store_over(bed, Arc::new(twice().run_before(2, between)));
    commit(&store, session, &set(&[("d", "1")])).await.unwrap();
    let expected = fields(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
    assert_eq!(visible(&service, &id).await, expected);
}

/// After three consecutive failures no request asks the backend. Once it answers again, every request does.
pub async fn unreachable_backend_is_not_asked_until_it_answers_again(bed: &dyn TestBed) {
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let service = store_over(bed, backend.clone());
    let id = create(&service, &[("a", "1")]).await;
    backend.set_unreachable(true);
    for _ in 0..3 {
        let loaded = service.request().load(&id).await;
        assert!(matches!(loaded, Err(Error::Unavailable(_))), "{loaded:?}");
    }
    let before = backend.operations();
    for _ in 0..100 {
        let loaded = service.request().load(&id).await;
        assert!(matches!(loaded, Err(Error::CircuitOpen)), "{loaded:?}");
    }
    assert_eq!(backend.operations(), before, "an unreachable backend was asked");
    backend.set_unreachable(false);
    eventually("the backend answers again and is not asked", async || {
        service.request().load(&id).await.is_ok()
    })
    .await;
}

/// A sign-in whose index operation is refused stores nothing.
pub async fn refused_index_operation_leaves_no_record(bed: &dyn TestBed) {
    let (user, sign_in) = new_user();
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Scripts));
    let service = store_over(bed, backend.clone());
    let created = service.request().create(&sign_in).await;
    assert!(matches!(created, Err(Error::Refused(_))), "{created:?}");
    // a sign-in to a session that exists leaves the session as it was
    let id = create(&service, &[("a", "1")]).await;
    let session = load(&service, &id).await.unwrap();
    let committed = commit(&service, session, &sign_in).await;
    assert!(matches!(committed, Err(Error::Refused(_))), "{committed:?}");
    let session = load(&service, &id).await.unwrap();
    let renewed = service.request().renew(session, sign_in).await;
    assert!(matches!(renewed, Err(Error::Refused(_))), "{renewed:?}");
    assert_eq!(visible(&service, &id).await, fields(&[("a", "1")]));
    let current = CurrentSession::default();
    let page = registry(bed).list(&user, &current, 0, 10).await.unwrap();
    assert!(page.sessions.is_empty());
    // the new session, and in a format of PHP the copy that the renewal made
    let created = backend.created().into_iter();
    for key in created.filter(|created| created != super::key(bed, &id).as_str()) {
        eventually("a record was left behind", async || {
            bed.backend().peek(&key).await.unwrap().is_none()
        })
        .await;
    }
}
