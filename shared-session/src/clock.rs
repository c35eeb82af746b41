//! [`Clock`]: the time of day, which tests can set.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A source of the present time. Cheap to clone.
///
/// It must be the time of day and not a monotonic clock, because services on several machines share the creation time of
/// a session.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use shared_session::Clock;
///
/// let stopped = Clock::new(|| Duration::from_secs(1_700_000_000));
/// assert_eq!(stopped.now().as_secs(), 1_700_000_000);
/// ```
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// Creates a clock from a function that returns the time since the Unix epoch. Use it to test expiry.
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the operating system's clock.
    #[must_use]
    pub fn system() -> Self {
        // a clock before 1970 has not been set
        Self::new(|| SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
    }

    /// Returns the time since the Unix epoch.
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

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Clock").field(&self.now()).finish()
    }
}
