//! [`Circuits`]: which shards failed, how often, and which circuits are open.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::metrics;

/// The number of consecutive failures that opens a circuit.
pub(super) const FAILURES: u32 = 3;

/// How long a closed circuit remembers its failures. A shard that gets no more requests, because it lost its slots, is then
/// forgotten.
const MEMORY: Duration = Duration::from_secs(60);

/// The circuits of the shards whose last operation failed.
#[derive(Default)]
pub(super) struct Circuits {
    by_shard: Mutex<HashMap<u64, Arc<Circuit>>>,
    /// Their number, which every request reads without the lock.
    count: AtomicUsize,
}

#[derive(Default)]
pub(super) struct Circuit {
    failures: AtomicU32,
    /// How many requests failed at once since it opened.
    refused: AtomicU64,
    /// When a failure was last counted.
    counted: Mutex<Option<Instant>>,
    /// When the running probe last asked.
    probed: Mutex<Option<Instant>>,
}

/// A running probe. Dropping it lets the next one start.
pub(super) struct Probe(Arc<Circuit>);

impl Circuits {
    /// Returns the circuit of a shard if it is open.
    pub fn open(&self, shard: u64) -> Option<Arc<Circuit>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut circuits = self.by_shard.lock();
        circuits.retain(|_, circuit| circuit.is_open() || circuit.has_failed_recently());
        self.count.store(circuits.len(), Ordering::Relaxed);
        let circuit = circuits.get(&shard).cloned();
        circuit.filter(|circuit| circuit.is_open())
    }

    /// Counts the failure of an operation that began at `began`. Returns the shard's circuit if this opens it.
    pub fn failed(&self, shard: u64, began: Instant) -> Option<Arc<Circuit>> {
        let mut circuits = self.by_shard.lock();
        let circuit = circuits.entry(shard).or_default().clone();
        self.count.store(circuits.len(), Ordering::Relaxed);
        drop(circuits);
        let opens = circuit.count_failure(began);
        if opens {
            self.report();
        }
        opens.then_some(circuit)
    }

    /// Closes the circuit of a shard that replied.
    pub fn replied(&self, shard: u64) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut circuits = self.by_shard.lock();
        let circuit = circuits.remove(&shard);
        self.count.store(circuits.len(), Ordering::Relaxed);
        drop(circuits);
        let is_open = |circuit: &Arc<Circuit>| circuit.failures.swap(0, Ordering::Relaxed) >= FAILURES;
        if let Some(circuit) = circuit.filter(is_open) {
            self.report();
            let requests = circuit.refused.load(Ordering::Relaxed);
            tracing::info!(
                shard,
                requests,
                "session store available again: so many requests failed at once"
            );
        }
    }

    /// Reports how many circuits are open. The lock keeps the reports in order.
    fn report(&self) {
        let circuits = self.by_shard.lock();
        let open = circuits.values().filter(|circuit| circuit.is_open()).count();
        metrics::open_circuits(open.try_into().unwrap_or(u32::MAX));
    }
}

impl Circuit {
    /// Starts a probe, unless one is running. A probe that last asked longer than `patience` ago does not count, because its
    /// thread is blocked.
    pub fn start_probe(self: Arc<Self>, patience: Duration) -> Option<Probe> {
        let mut probed = self.probed.lock();
        if probed.is_some_and(|probed| probed.elapsed() < patience) {
            return None;
        }
        *probed = Some(Instant::now());
        drop(probed);
        Some(Probe(self))
    }

    /// Counts a failure of an operation that began at `began`. Returns whether this opens the circuit.
    fn count_failure(&self, began: Instant) -> bool {
        let mut counted = self.counted.lock();
        // operations that were in flight together fail together, for example on one broken connection
        if counted.is_some_and(|counted| began < counted) {
            return false;
        }
        *counted = Some(Instant::now());
        drop(counted);
        self.failures.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES
    }

    fn has_failed_recently(&self) -> bool {
        self.counted.lock().is_none_or(|counted| counted.elapsed() < MEMORY)
    }

    /// Counts a request that failed at once.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn is_open(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES
    }
}

impl Probe {
    /// Returns whether the circuit is still open.
    pub fn is_needed(&self) -> bool {
        self.0.is_open()
    }

    /// Notes that the probe asks now, at `time`.
    pub fn asks_at(&self, time: Instant) {
        *self.0.probed.lock() = Some(time);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        *self.0.probed.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn shard_that_failed_and_gets_no_more_requests_is_forgotten() {
        let circuits = Circuits::default();
        assert!(circuits.failed(1, Instant::now()).is_none());
        for _ in 0..FAILURES {
            circuits.failed(2, Instant::now());
        }
        assert!(circuits.open(1).is_none() && circuits.open(2).is_some());
        assert_eq!(circuits.count.load(Ordering::Relaxed), 2);
        tokio::time::advance(MEMORY).await;
        // an open circuit is closed by its probe
        assert!(circuits.open(3).is_none() && circuits.open(2).is_some());
        assert_eq!(circuits.by_shard.lock().len(), 1);
        circuits.replied(2);
        assert_eq!(circuits.count.load(Ordering::Relaxed), 0);
    }
}
