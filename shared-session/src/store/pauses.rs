//! How long a task waits between its attempts to reach the store.

use std::time::Duration;

pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Returns the pauses after each attempt: at first 50 ms, then each time twice as long, at most [`LONGEST_PAUSE`].
pub(super) fn pauses() -> impl Iterator<Item = Duration> {
    std::iter::successors(Some(Duration::from_millis(50)), |pause| {
        Some((*pause * 2).min(LONGEST_PAUSE))
    })
}
