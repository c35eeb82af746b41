//! Promise 9, as far as it is the store's: failures are told, and a backend that does not answer is left alone.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::sleep;

use super::{TestBed, commit, create, destroy, fields, load, set, store, store_over, visible};
use crate::backend::{Backend, BackendError, Outcome};
use crate::error::Error;

/// When a [`Faulty`] backend fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not.
    Never,
    /// At the step of this number, which is not taken.
    Before(usize),
    /// At the step of this number, which is taken all the same: its answer is lost.
    After(usize),
}

/// A backend that counts the steps taken in another one, and fails at a chosen one of them.
pub struct Faulty {
    backend: Arc<dyn Backend>,
    fault: Fault,
    steps: AtomicUsize,
    away: AtomicBool,
    meanwhile: Mutex<Option<(usize, Action)>>,
}

type Action = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Faulty {
    /// `backend`, which fails as `fault` says.
    pub fn new(backend: Arc<dyn Backend>, fault: Fault) -> Self {
        Self {
            backend,
            fault,
            steps: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            meanwhile: Mutex::default(),
        }
    }

    /// Lets others do something right before the step of this number.
    #[must_use]
    pub fn meanwhile(self, step: usize, action: impl Future<Output = ()> + Send + 'static) -> Self {
        *self.meanwhile.lock().unwrap() = Some((step, Box::pin(action)));
        self
    }

    fn due(&self, number: usize) -> Option<Action> {
        let due = self.meanwhile.lock().unwrap().take_if(|(step, _)| *step == number);
        due.map(|(_, action)| action)
    }

    /// How many steps were asked for, probes not counted.
    pub fn steps(&self) -> usize {
        self.steps.load(Ordering::SeqCst)
    }

    /// From now on nothing is answered, or all is again.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    async fn step<T>(&self, taken: impl Future<Output = Result<T, BackendError>> + Send) -> Result<T, BackendError> {
        let number = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(action) = self.due(number) {
            action.await;
        }
        let failed = Err(BackendError::unavailable("as the test wants it"));
        if self.away.load(Ordering::SeqCst) || self.fault == Fault::Before(number) {
            return failed;
        }
        let answer = taken.await;
        if self.fault == Fault::After(number) {
            failed
        } else {
            answer
        }
    }
}

/// What was to happen meanwhile and did not would make a test pass that has tested nothing.
impl Drop for Faulty {
    fn drop(&mut self) {
        let left = self.meanwhile.lock().is_ok_and(|meanwhile| meanwhile.is_some());
        assert!(
            !left || std::thread::panicking(),
            "the step that others were to precede never came"
        );
    }
}

#[async_trait]
impl Backend for Faulty {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        self.step(self.backend.load(key, ttl)).await
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        self.step(self.backend.create(key, record, ttl)).await
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        self.step(self.backend.replace(key, expected, record, ttl)).await
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        self.step(self.backend.remove(key, expected)).await
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        self.step(self.backend.peek(key)).await
    }

    async fn index_add(&self, key: &str, member: &str, expires: Duration, now: Duration) -> Result<(), BackendError> {
        self.step(self.backend.index_add(key, member, expires, now)).await
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        self.step(self.backend.index_remove(key, member)).await
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        self.step(self.backend.index_members(key, offset, limit)).await
    }

    async fn ping(&self) -> Result<(), BackendError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(BackendError::unavailable("as the test wants it"));
        }
        self.backend.ping().await
    }
}

/// A step that fails is an error of the request, and whether it was taken or not the session is in order.
pub async fn failures_are_told(bed: &dyn TestBed) {
    let service = store(bed);
    for fault in [Fault::Before(1), Fault::After(1)] {
        let id = create(&service, &[("a", "1")]).await;
        let failing = || store_over(bed, Arc::new(Faulty::new(bed.backend(), fault)));
        let faulty = failing();
        assert!(matches!(
            faulty.load(&id, &mut faulty.budget()).await,
            Err(Error::Unavailable(_))
        ));
        let session = load(&service, &id).await.unwrap();
        let again = session.clone();
        assert!(matches!(
            commit(&failing(), session, &set(&[("b", "1")])).await,
            Err(Error::Unavailable(_))
        ));
        // whoever tries again, with what they had loaded, is not told of a conflict
        commit(&service, again, &set(&[("b", "1")])).await.unwrap();
        assert_eq!(visible(&service, &id).await, fields(&[("a", "1"), ("b", "1")]));
        let (session, again) = (load(&service, &id).await.unwrap(), load(&service, &id).await.unwrap());
        let faulty = failing();
        assert!(matches!(
            faulty.destroy(session, &mut faulty.budget()).await,
            Err(Error::Unavailable(_))
        ));
        destroy(&service, again).await;
        assert!(load(&service, &id).await.is_none());
    }
}

/// After three failures in a row no request asks the backend, and when it answers again every request does.
pub async fn an_unanswering_backend_is_left_alone(bed: &dyn TestBed) {
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let service = store_over(bed, backend.clone());
    let id = create(&service, &[("a", "1")]).await;
    backend.set_away(true);
    for _ in 0..3 {
        assert!(matches!(
            service.load(&id, &mut service.budget()).await,
            Err(Error::Unavailable(_))
        ));
    }
    let asked = backend.steps();
    for _ in 0..100 {
        assert!(matches!(
            service.load(&id, &mut service.budget()).await,
            Err(Error::CircuitOpen)
        ));
    }
    assert_eq!(backend.steps(), asked, "a backend that does not answer was asked");
    backend.set_away(false);
    for _ in 0..200 {
        if service.load(&id, &mut service.budget()).await.is_ok() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("the backend answers again, and is not asked");
}
