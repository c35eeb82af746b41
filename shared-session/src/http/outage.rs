//! [`Outage`]: decides which failures of an outage are logged.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long the failures after one that was logged are only counted.
const INTERVAL: Duration = Duration::from_secs(60);

/// The failures that have one cause, in the whole process. Each request fails in an outage, so one failure a minute is logged.
#[derive(Debug)]
pub struct Outage(Mutex<Option<Logged>>);

/// The failure that was logged last.
#[derive(Debug)]
struct Logged {
    at: Instant,
    followed_by: u64,
}

impl Outage {
    /// Begins without a failure.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Counts a failure. Returns whether to log it, and then how many were not logged since the last one that was.
    pub fn count(&self) -> Option<u64> {
        let mut last = self.0.lock();
        match &mut *last {
            Some(logged) if logged.at.elapsed() < INTERVAL => {
                logged.followed_by += 1;
                None
            }
            _ => {
                let logged = Logged {
                    at: Instant::now(),
                    followed_by: 0,
                };
                Some(last.replace(logged).map_or(0, |before| before.followed_by))
            }
        }
    }
}

impl Default for Outage {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_failure_a_minute_is_logged_with_the_number_of_others() {
        let outage = Outage::new();
        assert_eq!([outage.count(), outage.count(), outage.count()], [Some(0), None, None]);
        tokio::time::advance(INTERVAL).await;
        assert_eq!([outage.count(), outage.count()], [Some(2), None]);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(outage.count(), Some(1));
    }
}
