//! [`Span`]: a time that ends by whichever clock is ahead.

use std::time::{Duration, Instant, SystemTime};

/// A moment, by both clocks. The monotonic one stops while the machine is suspended, and the time of day can be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    monotonic: Instant,
    of_day: SystemTime,
}

/// A time that began at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    began: Moment,
    length: Duration,
}

impl Moment {
    pub fn now() -> Self {
        Self {
            monotonic: Instant::now(),
            of_day: SystemTime::now(),
        }
    }

    /// Returns the moment after some time, by both clocks.
    #[cfg(test)]
    pub fn after(self, time: Duration) -> Self {
        Self {
            monotonic: self.monotonic + time,
            of_day: self.of_day + time,
        }
    }
}

impl Span {
    pub fn new(began: Moment, length: Duration) -> Self {
        Self { began, length }
    }

    /// Returns whether a moment is in the span by both clocks.
    pub fn holds(&self, moment: Moment) -> bool {
        let monotonic = moment.monotonic.checked_duration_since(self.began.monotonic);
        let of_day = moment.of_day.duration_since(self.began.of_day).ok();
        [monotonic, of_day]
            .into_iter()
            .all(|passed| passed.is_some_and(|passed| passed < self.length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn span_ends_by_either_clock() {
        let began = Moment::now();
        let span = Span::new(began, 2 * SECOND);
        let after = |monotonic, of_day| Moment {
            monotonic: began.monotonic + monotonic,
            of_day: began.of_day + of_day,
        };
        assert!(span.holds(began));
        assert!(span.holds(after(SECOND, SECOND)));
        assert!(!span.holds(after(2 * SECOND, SECOND)), "the time of day was set back");
        assert!(!span.holds(after(SECOND, 2 * SECOND)), "the machine was suspended");
    }

    #[test]
    fn span_does_not_hold_a_time_of_day_before_it_began() {
        let began = Moment::now();
        let earlier = Moment {
            of_day: began.of_day - SECOND,
            ..began
        };
        assert!(!Span::new(began, 2 * SECOND).holds(earlier));
    }
}
