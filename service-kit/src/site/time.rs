//! Times for programs and for users.

use std::time::{Duration, SystemTime};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A time as a page shows it: `<time datetime="{{ datetime }}">{{ relative }}</time>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// The time for programs (RFC 3339).
    pub datetime: String,
    /// The time for users, such as `5 minutes ago`.
    pub relative: String,
}

impl Timestamp {
    /// Returns a time that has passed. If it is after `now`, because the clocks of two machines differ, it is `just now`.
    #[must_use]
    pub fn past(time: SystemTime, now: SystemTime) -> Self {
        let elapsed = now.duration_since(time).unwrap_or_default();
        let relative = match in_largest_unit(elapsed) {
            Some(words) => format!("{words} ago"),
            None => "just now".to_owned(),
        };
        Self::new(time, relative)
    }

    /// Returns a time that will come.
    #[must_use]
    pub fn future(time: SystemTime, now: SystemTime) -> Self {
        let left = time.duration_since(now).unwrap_or_default();
        let relative = match in_largest_unit(left) {
            Some(words) => format!("in {words}"),
            None => "in less than a minute".to_owned(),
        };
        Self::new(time, relative)
    }

    fn new(time: SystemTime, relative: String) -> Self {
        Self {
            datetime: humantime::format_rfc3339_seconds(time).to_string(),
            relative,
        }
    }
}

/// Returns a duration such as `5 minutes`, or `None` if it is shorter than one.
fn in_largest_unit(duration: Duration) -> Option<String> {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        ..MINUTE => return None,
        MINUTE..HOUR => (seconds / MINUTE, "minute"),
        HOUR..DAY => (seconds / HOUR, "hour"),
        DAY.. => (seconds / DAY, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    Some(format!("{count} {unit}{plural}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::Timestamp;

    #[test]
    fn time_is_given_in_its_largest_unit() {
        let now = UNIX_EPOCH + Duration::from_secs(1_763_830_000);
        for (seconds, past, future) in [
            (0, "just now", "in less than a minute"),
            (59, "just now", "in less than a minute"),
            (60, "1 minute ago", "in 1 minute"),
            (119, "1 minute ago", "in 1 minute"),
            (5 * 60, "5 minutes ago", "in 5 minutes"),
            (3599, "59 minutes ago", "in 59 minutes"),
            (3600, "1 hour ago", "in 1 hour"),
            (86_399, "23 hours ago", "in 23 hours"),
            (86_400, "1 day ago", "in 1 day"),
            (3 * 86_400, "3 days ago", "in 3 days"),
        ] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(Timestamp::past(now - duration, now).relative, past);
            assert_eq!(Timestamp::future(now + duration, now).relative, future);
        }
        let later = now + Duration::from_secs(90);
        assert_eq!(Timestamp::past(later, now).relative, "just now");
        assert_eq!(Timestamp::past(now, now).datetime, "2025-11-22T16:46:40Z");
    }
}
