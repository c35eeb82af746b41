//! How long a request waits for a backend, and when it does not wait at all.
//!
//! Every call of a backend goes through here. It knows time and failure, not sessions.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::backend::{Backend, BackendError};
use crate::error::Error;
use crate::session::storage_key::StorageKey;

/// So many failures in a row, and the backend is not asked again until a probe was answered.
const FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long one request may still wait for the store, all its calls together. What the handler takes between them
/// does not count.
#[derive(Clone, Copy, Debug)]
pub struct Budget(Duration);

impl Budget {
    pub(crate) fn new(time: Duration) -> Self {
        Self(time)
    }

    /// Waits as long as the request may, for other requests of the same session.
    pub(crate) async fn wait<T>(&mut self, turn: impl Future<Output = T>) -> Result<T, Error> {
        self.spend(turn).await.ok_or(Error::Contended)
    }

    /// The outcome of a future, if it comes within the time that is left.
    async fn spend<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let began = Instant::now();
        let outcome = timeout(self.0, future).await;
        self.0 = self.0.saturating_sub(began.elapsed());
        outcome.ok()
    }
}

/// A backend, and whether it is worth asking.
#[derive(Clone)]
pub(crate) struct CircuitBreaker {
    backend: Arc<dyn Backend>,
    timeout: Duration,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    failures: AtomicU32,
    probing: AtomicBool,
}

impl CircuitBreaker {
    pub fn new(backend: Arc<dyn Backend>, timeout: Duration) -> Self {
        Self {
            backend,
            timeout,
            state: Arc::default(),
        }
    }

    /// What a request may spend.
    pub fn budget(&self) -> Budget {
        Budget::new(self.timeout)
    }

    /// Takes a step on the record under `key`, within what the request may still wait. While the backend is known to
    /// be away the answer is immediate, and one probe at a time asks whether it is back.
    pub async fn call<'a, T, F>(
        &'a self,
        budget: &mut Budget,
        key: &StorageKey,
        step: impl FnOnce(&'a dyn Backend) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        self.attempt(budget, step).await?.map_err(|error| match error {
            BackendError::WrongType { source } => Error::unreadable(key, source),
            BackendError::Unavailable { .. } | BackendError::Refused { .. } => Error::Refused(error),
        })
    }

    /// Whether the backend answers.
    pub async fn ready(&self) -> Result<(), Error> {
        let answer = self.attempt(&mut self.budget(), |backend| backend.ping()).await?;
        answer.map_err(Error::Refused)
    }

    /// The outer error: it is away. The inner one: it answered with an error.
    async fn attempt<'a, T, F>(
        &'a self,
        budget: &mut Budget,
        step: impl FnOnce(&'a dyn Backend) -> F,
    ) -> Result<Result<T, BackendError>, Error>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        if self.state.is_open() {
            self.probe();
            return Err(Error::CircuitOpen);
        }
        if budget.0.is_zero() {
            return Err(Error::Contended);
        }
        let granted = budget.0;
        match budget.spend(step(&*self.backend)).await {
            Some(Err(error @ BackendError::Unavailable { .. })) => {
                self.failed();
                Err(Error::Unavailable(error))
            }
            Some(answer) => {
                self.state.answered();
                Ok(answer)
            }
            None => {
                // with little time left it was the request's own doing
                if granted >= self.timeout / 2 {
                    self.failed();
                }
                Err(Error::Unavailable(BackendError::unavailable("no reply in time")))
            }
        }
    }

    fn failed(&self) {
        if self.state.failures.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES {
            tracing::error!("the session store does not answer; it is not asked again until it does");
            self.probe();
        }
    }

    /// Asks the backend until it answers, unless that is being done.
    fn probe(&self) {
        if self.state.probing.swap(true, Ordering::AcqRel) {
            return;
        }
        let probe = Probe(self.state.clone());
        let (backend, patience) = (self.backend.clone(), self.timeout * 2);
        tokio::spawn(async move {
            let mut pause = FIRST_PAUSE;
            while probe.0.is_open() {
                match timeout(patience, backend.ping()).await {
                    Ok(Ok(())) => probe.0.answered(),
                    _ => sleep(pause).await,
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }
}

impl State {
    fn is_open(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES
    }

    fn answered(&self) {
        // a load before the store: every request passes here, and few find failures
        if self.failures.load(Ordering::Relaxed) != 0 && self.failures.swap(0, Ordering::Relaxed) >= FAILURES {
            tracing::info!("the session store answers again");
        }
    }
}

/// A probe that ends, also with the runtime that it ran on, lets another one begin.
struct Probe(Arc<State>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.probing.store(false, Ordering::Release);
    }
}
