//! Times for programs and for users.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The last second that RFC 3339 has, which is in the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// A time as a page shows it: `<time datetime="{{ datetime }}">{{ relative }}</time>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// The time for programs (RFC 3339).
    pub datetime: String,
    /// The time for users, such as `5 minutes ago`.
    pub relative: String,
    /// The same time for users who compare it with another one, such as `2025-11-22 16:46 UTC`.
    pub absolute: String,
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
        // a session may hold any time, and others cannot be written
        let time = time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST);
        let datetime = humantime::format_rfc3339_seconds(time).to_string();
        // without the seconds
        let minutes = datetime.rsplit_once(':').map_or(&*datetime, |(minutes, _)| minutes);
        Self {
            absolute: format!("{} UTC", minutes.replace('T', " ")),
            datetime,
            relative,
        }
    }
}

/// Returns a duration such as `5 minutes`, rounded, or `None` if it is shorter than half a minute.
fn in_largest_unit(duration: Duration) -> Option<String> {
    let rounded = |unit| (duration.as_secs() + unit / 2) / unit;
    let (count, unit) = match (rounded(DAY), rounded(HOUR), rounded(MINUTE)) {
        (_, _, 0) => return None,
        (_, _, minutes @ ..60) => (minutes, "minute"),
        (_, hours @ ..24, _) => (hours, "hour"),
        (days, _, _) => (days, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    Some(format!("{count} {unit}{plural}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{LAST, Timestamp};

    #[test]
    fn time_is_rounded_to_its_largest_unit() {
        let now = UNIX_EPOCH + Duration::from_secs(1_763_830_000);
        for (seconds, past, future) in [
            (0, "just now", "in less than a minute"),
            (29, "just now", "in less than a minute"),
            (30, "1 minute ago", "in 1 minute"),
            (89, "1 minute ago", "in 1 minute"),
            (90, "2 minutes ago", "in 2 minutes"),
            (5 * 60, "5 minutes ago", "in 5 minutes"),
            (3569, "59 minutes ago", "in 59 minutes"),
            (3599, "1 hour ago", "in 1 hour"),
            (5399, "1 hour ago", "in 1 hour"),
            (84_599, "23 hours ago", "in 23 hours"),
            (86_399, "1 day ago", "in 1 day"),
            (3 * 86_400 - 1, "3 days ago", "in 3 days"),
        ] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(Timestamp::past(now - duration, now).relative, past);
            assert_eq!(Timestamp::future(now + duration, now).relative, future);
        }
        let later = now + Duration::from_secs(90);
        assert_eq!(Timestamp::past(later, now).relative, "just now");
        let now = Timestamp::past(now, now);
        assert_eq!(
            (&*now.datetime, &*now.absolute),
            ("2025-11-22T16:46:40Z", "2025-11-22 16:46 UTC")
        );
    }

    #[test]
    fn time_that_cannot_be_written_is_the_nearest_one_that_can() {
        let (first, last) = (UNIX_EPOCH - LAST, UNIX_EPOCH + 2 * LAST);
        assert_eq!(Timestamp::past(first, last).datetime, "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::future(last, first).absolute, "9999-12-31 23:59 UTC");
    }
}
