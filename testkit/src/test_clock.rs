//! [`TestClock`]: the time of day, as a test sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shared_session::Clock;

/// A clock that stands still until it is set.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicU64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1_763_830_000_000)))
    }
}

impl TestClock {
    /// Returns the clock that a store takes.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let milliseconds = self.0.clone();
        Clock::new(move || Duration::from_millis(milliseconds.load(Ordering::SeqCst)))
    }

    /// Sets the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0
            .fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}
