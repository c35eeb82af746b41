//! The time of day, which tests set.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Tells the time since the Unix epoch. Services share a session's creation time, so it is the wall clock's.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// A clock that asks `now`, for tests of expiry.
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The operating system's clock.
    #[must_use]
    pub fn system() -> Self {
        // before 1970 there are no sessions, so an unset clock is the epoch
        Self::new(|| SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
    }

    /// The time since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Duration {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Clock").field(&self.now()).finish()
    }
}
