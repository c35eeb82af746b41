//! The circuit breaker: every call of a backend goes through it, and is measured here.
//!
//! Each shard of the backend has a circuit of its own. After consecutive failures the circuit opens: requests for that
//! shard fail at once, and one probe at a time asks whether the shard replies again.

mod circuits;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_ok;
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use self::circuits::{Circuit, Circuits};
use super::pauses::{LONGEST_PAUSE, pauses};
use crate::backend::{Backend, BackendError};
use crate::error::Error;
use crate::metrics;
use crate::session::storage_key::StorageKey;
use crate::timeout::until;

/// The name of the backend's check, as an operation.
const CHECK: &str = "check";

/// How many shards a check of the backend asks. If all of them fail, the backend as a whole is taken for unavailable.
const CHECKED_SHARDS: usize = 8;

/// How many keys are tried to find one that a shard stores. With a thousand shards, 1 search of 10^28 finds none.
const CHECK_KEYS: u32 = 65_536;

/// A backend, and which of its circuits are open.
#[derive(Clone)]
pub(crate) struct CircuitBreaker {
    backend: Arc<dyn Backend>,
    key_prefix: Arc<str>,
    timeout: Duration,
    circuits: Arc<Circuits>,
}

/// A call of the backend.
pub(crate) struct Call {
    /// The name of the operation.
    pub name: &'static str,
    /// When it begins, which is now.
    pub began: Instant,
    /// When it ends at the latest.
    pub deadline: Instant,
}

impl Call {
    /// Returns a call of the backend's check that begins now.
    fn check(timeout: Duration) -> Self {
        let began = Instant::now();
        Self {
            name: CHECK,
            began,
            deadline: began + timeout,
        }
    }

    /// Returns how long it may take.
    fn time(&self) -> Duration {
        self.deadline.saturating_duration_since(self.began)
    }
}

impl CircuitBreaker {
    pub fn new(backend: Arc<dyn Backend>, key_prefix: &str, timeout: Duration) -> Self {
        Self {
            backend,
            key_prefix: key_prefix.into(),
            timeout,
            circuits: Arc::default(),
        }
    }

    /// Returns the backend, for what it does without a round trip.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Runs an operation on the record under `key`. Fails at once while the circuit of the key's shard is open.
    pub async fn call<'a, T, F>(
        &'a self,
        call: Call,
        key: &StorageKey,
        operation: impl FnOnce(&'a dyn Backend) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        let called = self.attempt(&call, self.shard(key), operation).await?;
        called.map_err(|error| match error {
            BackendError::WrongType { source } => Error::unreadable(key, source),
            // the backend replied, so that the circuit stays closed: reads go on
            BackendError::Unconfirmed { .. } => Error::Unavailable(error),
            BackendError::Unavailable { .. } | BackendError::Refused { .. } => Error::Refused(error),
        })
    }

    /// Checks that at least one shard replies and takes writes.
    ///
    /// # Errors
    ///
    /// Returns the error that every session request would meet.
    pub async fn check(&self) -> Result<(), Error> {
        let call = Call::check(self.timeout);
        let checks = self.keys_of_shards().into_iter().map(|(shard, key)| {
            let call = &call;
            Box::pin(async move {
                let checked = self.attempt(call, shard, |backend| check(backend, key));
                checked.await?.map_err(Error::Refused)
            })
        });
        select_ok(checks).await.map(|_| ())
    }

    /// Returns some shards, and for each one a key that it stores and that never holds a record.
    fn keys_of_shards(&self) -> HashMap<u64, StorageKey> {
        let mut keys = HashMap::new();
        for number in 0..4 * CHECKED_SHARDS as u32 {
            let key = StorageKey::of_check(&self.key_prefix, number);
            let shard = self.shard(&key);
            if keys.len() < CHECKED_SHARDS {
                keys.entry(shard).or_insert(key);
            }
        }
        keys
    }

    /// Returns a key that a shard stores and that never holds a record.
    fn key_of_shard(&self, shard: u64) -> StorageKey {
        let key = |number| StorageKey::of_check(&self.key_prefix, number);
        let mut keys = (0..CHECK_KEYS).map(key);
        // none, if another shard took its place meanwhile
        keys.find(|key| self.shard(key) == shard).unwrap_or_else(|| key(0))
    }

    fn shard(&self, key: &StorageKey) -> u64 {
        self.backend.shard(key.as_str())
    }

    /// Runs an operation. Returns the outer error if the backend is unavailable, and the inner one if it replied with an error.
    async fn attempt<'a, T, F>(
        &'a self,
        call: &Call,
        shard: u64,
        operation: impl FnOnce(&'a dyn Backend) -> F,
    ) -> Result<Result<T, BackendError>, Error>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        if let Some(circuit) = self.circuits.open(shard) {
            circuit.refused();
            self.probe(shard, circuit);
            return Err(Error::CircuitOpen);
        }
        if call.time().is_zero() {
            return Err(Error::OutOfTime);
        }
        match measured(&*self.backend, call, operation(&*self.backend)).await {
            Some(Err(error @ BackendError::Unavailable { .. })) => {
                self.failed(shard, call.began);
                Err(Error::Unavailable(error))
            }
            Some(result) => {
                self.circuits.replied(shard);
                Ok(result)
            }
            None => {
                // a request that came with little time left says nothing about the backend
                if call.time() >= self.timeout / 2 {
                    self.failed(shard, call.began);
                }
                Err(Error::Unavailable(BackendError::unavailable("no reply in time")))
            }
        }
    }

    /// Counts the failure of an operation that began at `began`.
    fn failed(&self, shard: u64, began: Instant) {
        if let Some(circuit) = self.circuits.failed(shard, began) {
            tracing::error!(
                shard,
                "session store unavailable: requests fail at once until it replies"
            );
            self.probe(shard, circuit);
        }
    }

    /// Checks the shard until it replies, unless a probe is running.
    fn probe(&self, shard: u64, circuit: Arc<Circuit>) {
        let timeout = self.timeout * 2;
        let Some(probe) = circuit.start_probe(timeout + 2 * LONGEST_PAUSE) else {
            return;
        };
        let breaker = self.clone();
        tokio::spawn(async move {
            let key = breaker.key_of_shard(shard);
            for pause in pauses().take_while(|_| probe.is_needed()) {
                let call = Call::check(timeout);
                probe.asks_at(call.began);
                let check = check(&*breaker.backend, key.clone());
                match measured(&*breaker.backend, &call, check).await {
                    None | Some(Err(BackendError::Unavailable { .. })) => sleep(pause).await,
                    // a refusal is a reply: requests then fail with its reason
                    Some(_) => breaker.circuits.replied(shard),
                }
            }
        });
    }
}

/// Runs an operation in a span, and reports how long it took. Returns `None` if there was no reply by the deadline.
async fn measured<T>(
    backend: &dyn Backend,
    call: &Call,
    operation: impl Future<Output = Result<T, BackendError>>,
) -> Option<Result<T, BackendError>> {
    let system = backend.system_name();
    let span = tracing::debug_span!(
        "session_store_operation",
        db.system.name = system,
        db.operation.name = call.name
    );
    let result = until(call.deadline, operation).instrument(span).await;
    let error = match &result {
        Some(result) => result.as_ref().err().map(BackendError::kind),
        None => Some("timeout"),
    };
    metrics::operation_ended(system, call.name, call.began, error);
    result
}

async fn check(backend: &dyn Backend, key: StorageKey) -> Result<(), BackendError> {
    backend.check(key.as_str()).await
}

#[cfg(all(test, feature = "metrics"))]
mod tests {
    use ::metrics::with_local_recorder;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;
    use crate::backend::memory::Memory;
    use crate::clock::Clock;

    #[tokio::test]
    async fn operation_of_a_request_without_time_left_does_not_begin() {
        let memory = Arc::new(Memory::new(Clock::default()));
        let breaker = CircuitBreaker::new(memory.clone(), "session:", Duration::from_secs(1));
        let key = StorageKey::of_check("session:", 0);
        let began = Instant::now();
        let call = Call {
            name: "create",
            began,
            deadline: began,
        };
        let created = breaker
            .call(call, &key, |backend| backend.create("a", b"1", Duration::from_secs(60)))
            .await;
        assert!(matches!(created, Err(Error::OutOfTime)), "{created:?}");
        assert_eq!(memory.peek("a").await.unwrap(), None);
    }

    #[tokio::test]
    async fn gauge_counts_the_shards_whose_circuit_is_open() {
        let memory = Arc::new(Memory::new(Clock::default()));
        let breaker = CircuitBreaker::new(memory, "session:", Duration::from_secs(1));
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let open = || -> Vec<_> {
            let metrics = snapshotter.snapshot().into_vec();
            metrics.into_iter().map(|(.., value)| value).collect()
        };
        // without an await no probe runs
        with_local_recorder(&recorder, || {
            for (shard, number) in [(1, 1.0), (2, 2.0)] {
                for _ in 0..circuits::FAILURES {
                    breaker.failed(shard, Instant::now());
                }
                assert_eq!(open(), [DebugValue::Gauge(number.into())]);
            }
            // one failure opens no circuit
            breaker.failed(3, Instant::now());
            for (shard, number) in [(1, 1.0), (2, 0.0)] {
                breaker.circuits.replied(shard);
                assert_eq!(open(), [DebugValue::Gauge(number.into())]);
            }
        });
    }
}
