//! What a service sees of the visitor's session. Every service shows it in the same way, with `session.html`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shared_session::{CurrentSession, Session};

use super::User;
use super::time::Timestamp;

/// The longest value in characters that is shown whole.
const MAX_LENGTH: usize = 120;

/// The session as a service sees it. It holds no id.
#[derive(Clone, Debug)]
pub struct SessionPanel {
    /// The service that shows it.
    pub service: &'static str,
    /// The fields, sorted by name.
    pub fields: Vec<PanelField>,
    /// When the session was created.
    pub created: Option<Timestamp>,
    /// When the user last entered the password, which renewed the session's id.
    pub renewed: Option<Timestamp>,
    /// When the session was last used: with this request.
    pub last_used: Timestamp,
    /// When the session ends if it is not used again.
    pub idle_end: Option<Timestamp>,
    /// When the session ends in any case.
    pub lifetime_end: Option<Timestamp>,
    /// The size of the stored record in bytes.
    pub size: Option<usize>,
}

/// A field of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelField {
    /// The name.
    pub name: String,
    /// The value as JSON, perhaps shortened.
    pub value: String,
    /// The time that the value means, if it means one.
    pub time: Option<Timestamp>,
}

impl SessionPanel {
    /// Returns the session as `service` sees it in this request.
    #[must_use]
    pub fn new(session: &Session, current: &CurrentSession, service: &'static str) -> Self {
        let now = SystemTime::now();
        let entries = session.entries();
        let fields = entries.iter().map(|(name, json)| PanelField {
            name: name.clone(),
            value: shortened(json),
            time: time_of(name, json).map(|time| Timestamp::past(time, now)),
        });
        let mut fields: Vec<_> = fields.collect();
        fields.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let (past, future) = (|time| Timestamp::past(time, now), |time| Timestamp::future(time, now));
        Self {
            service,
            fields,
            created: current.created().map(past),
            renewed: User::authenticated(session).map(past),
            last_used: past(now),
            idle_end: current.idle_end().map(future),
            lifetime_end: current.lifetime_end().map(future),
            size: current.size(),
        }
    }
}

/// Returns the time that a field holds: `…_time` holds seconds since the Unix epoch, as in OpenID Connect.
fn time_of(name: &str, json: &str) -> Option<SystemTime> {
    let seconds = json.parse().ok().filter(|_| name.ends_with("_time"))?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn shortened(json: &str) -> String {
    match json.char_indices().nth(MAX_LENGTH) {
        Some((end, _)) => format!("{}…", &json[..end]),
        None => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{shortened, time_of};

    #[test]
    fn time_is_no_number() {
        let time = UNIX_EPOCH + Duration::from_secs(1_763_830_000);
        assert_eq!(time_of("auth_time", "1763830000"), Some(time));
        for (name, json) in [
            ("count", "1763830000"),
            ("auth_time", "\"1763830000\""),
            ("auth_time", "-1"),
            ("auth_time", "18446744073709551615"),
        ] {
            assert_eq!(time_of(name, json), None, "{name} {json}");
        }
    }

    #[test]
    fn long_value_is_cut_between_characters() {
        assert_eq!(shortened("\"홍길동\""), "\"홍길동\"");
        let long = "할".repeat(500);
        assert_eq!(shortened(&long), format!("{}…", "할".repeat(120)));
    }
}
