//! The circuit breaker: every call of a backend goes through it, and is measured here. It knows time and failure, not
//! sessions.
//!
//! After consecutive failures the circuit opens: requests fail at once, and one probe at a time asks whether the backend
//! answers again.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::Instrument;

use crate::backend::{Backend, BackendError};
use crate::error::Error;
use crate::metrics;
use crate::session::storage_key::StorageKey;
use crate::timeout::until;

/// The number of consecutive failures that opens the circuit.
const FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The name of the backend's check, as an operation.
const CHECK: &str = "check";

/// A backend, and whether its circuit is open.
#[derive(Clone)]
pub(crate) struct CircuitBreaker {
    backend: Arc<dyn Backend>,
    /// The key that probes ask about. It never holds a record.
    check_key: StorageKey,
    timeout: Duration,
    circuit: Arc<Circuit>,
}

#[derive(Default)]
struct Circuit {
    failures: AtomicU32,
    /// When a failure was last counted.
    counted: Mutex<Option<Instant>>,
    /// When the running probe last asked.
    probed: Mutex<Option<Instant>>,
}

impl CircuitBreaker {
    pub fn new(backend: Arc<dyn Backend>, check_key: StorageKey, timeout: Duration) -> Self {
        Self {
            backend,
            check_key,
            timeout,
            circuit: Arc::default(),
        }
    }

    /// Runs the operation `name` on the record under `key`, until `deadline` at most. Fails at once while the circuit is open.
    pub async fn call<'a, T, F>(
        &'a self,
        deadline: Instant,
        name: &'static str,
        key: &StorageKey,
        operation: impl FnOnce(&'a dyn Backend) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        self.attempt(deadline, name, operation)
            .await?
            .map_err(|error| match error {
                BackendError::WrongType { source } => Error::unreadable(key, source),
                BackendError::Unavailable { .. } | BackendError::Refused { .. } => Error::Refused(error),
            })
    }

    /// Returns whether a session request would be served: the backend answers and takes writes.
    ///
    /// # Errors
    ///
    /// Returns the error that a session request would meet.
    pub async fn check(&self) -> Result<(), Error> {
        let deadline = Instant::now() + self.timeout;
        let key = self.check_key.as_str();
        let checked = self.attempt(deadline, CHECK, |backend| backend.check(key)).await?;
        checked.map_err(Error::Refused)
    }

    /// Runs an operation. The outer error: the backend is unavailable. The inner error: it answered with an error.
    async fn attempt<'a, T, F>(
        &'a self,
        deadline: Instant,
        name: &'static str,
        operation: impl FnOnce(&'a dyn Backend) -> F,
    ) -> Result<Result<T, BackendError>, Error>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        if self.circuit.is_open() {
            self.probe();
            return Err(Error::CircuitOpen);
        }
        let began = Instant::now();
        let granted = deadline.saturating_duration_since(began);
        if granted.is_zero() {
            return Err(Error::Contended);
        }
        match measured(&*self.backend, name, deadline, operation(&*self.backend)).await {
            Some(Err(error @ BackendError::Unavailable { .. })) => {
                self.failed(began);
                Err(Error::Unavailable(error))
            }
            Some(result) => {
                self.circuit.answered();
                Ok(result)
            }
            None => {
                // a request that came with little time left says nothing about the backend
                if granted >= self.timeout / 2 {
                    self.failed(began);
                }
                Err(Error::Unavailable(BackendError::unavailable("no reply in time")))
            }
        }
    }

    /// Counts the failure of an operation that began at `began`.
    fn failed(&self, began: Instant) {
        let mut counted = lock(&self.circuit.counted);
        // operations that were in flight together fail together, for example on one broken connection
        if counted.is_some_and(|counted| began < counted) {
            return;
        }
        *counted = Some(Instant::now());
        if self.circuit.failures.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES {
            metrics::circuit_is_open(true);
            tracing::error!("session store unavailable: requests fail at once until it answers");
            self.probe();
        }
    }

    /// Checks the backend until it answers, unless a probe is running. A probe on a blocked thread does not count.
    fn probe(&self) {
        let timeout = self.timeout * 2;
        let mut probed = lock(&self.circuit.probed);
        if probed.is_some_and(|probed| probed.elapsed() < timeout + 2 * LONGEST_PAUSE) {
            return;
        }
        *probed = Some(Instant::now());
        drop(probed);
        let probe = Probe(self.circuit.clone());
        let (backend, check_key) = (self.backend.clone(), self.check_key.clone());
        tokio::spawn(async move {
            let mut pause = FIRST_PAUSE;
            while probe.0.is_open() {
                *lock(&probe.0.probed) = Some(Instant::now());
                let check = backend.check(check_key.as_str());
                match measured(&*backend, CHECK, Instant::now() + timeout, check).await {
                    None | Some(Err(BackendError::Unavailable { .. })) => sleep(pause).await,
                    // a refusal is an answer: requests then fail with its reason
                    Some(_) => probe.0.answered(),
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }
}

/// Runs an operation in a span, and reports how long it took. Returns `None` if there was no reply by `deadline`.
async fn measured<T>(
    backend: &dyn Backend,
    name: &'static str,
    deadline: Instant,
    operation: impl Future<Output = Result<T, BackendError>>,
) -> Option<Result<T, BackendError>> {
    let system = backend.system_name();
    let span = tracing::debug_span!(
        "session_store_operation",
        db.system.name = system,
        db.operation.name = name
    );
    let measurement = metrics::Operation::begin(system, name);
    let result = until(deadline, operation).instrument(span).await;
    measurement.end(result.as_ref());
    result
}

impl Circuit {
    fn is_open(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES
    }

    fn answered(&self) {
        // every request passes here: the load keeps the cache line shared while nothing fails
        if self.failures.load(Ordering::Relaxed) != 0 && self.failures.swap(0, Ordering::Relaxed) >= FAILURES {
            metrics::circuit_is_open(false);
            tracing::info!("session store available again");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // no operation leaves the value half changed
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running probe. Its end, also with the runtime that it ran on, lets the next one start.
struct Probe(Arc<Circuit>);

impl Drop for Probe {
    fn drop(&mut self) {
        *lock(&self.0.probed) = None;
    }
}
