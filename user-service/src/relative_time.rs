//! Says in words how long ago something happened.

use std::time::SystemTime;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Returns how long before `now` the time `then` was, such as `5 minutes ago`.
///
/// If `then` is after `now`, because the clocks of two machines differ, it is `just now`.
#[must_use]
pub fn relative_time(then: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(then).map_or(0, |elapsed| elapsed.as_secs());
    let (count, unit) = match seconds {
        ..MINUTE => return "just now".to_owned(),
        MINUTE..HOUR => (seconds / MINUTE, "minute"),
        HOUR..DAY => (seconds / HOUR, "hour"),
        DAY.. => (seconds / DAY, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::relative_time;

    #[test]
    fn time_is_given_in_its_largest_unit() {
        let now = UNIX_EPOCH + Duration::from_secs(1_763_830_000);
        for (seconds, words) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (119, "1 minute ago"),
            (5 * 60, "5 minutes ago"),
            (3599, "59 minutes ago"),
            (3600, "1 hour ago"),
            (86_399, "23 hours ago"),
            (86_400, "1 day ago"),
            (3 * 86_400, "3 days ago"),
        ] {
            assert_eq!(relative_time(now - Duration::from_secs(seconds), now), words);
        }
        assert_eq!(relative_time(now + Duration::from_secs(90), now), "just now");
    }
}
