//! The rules for the values of settings. Each function returns the value if it is valid, or the reason why it is not.

use std::time::Duration;

use crate::session::fields::RESERVED;

const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

pub(super) fn lifetime(value: Duration) -> Result<Duration, String> {
    between(value, Duration::from_secs(1), LONGEST)
}

pub(super) fn timeout(value: Duration) -> Result<Duration, String> {
    between(value, Duration::from_millis(1), Duration::from_secs(60))
}

pub(super) fn max_size(bytes: usize) -> Result<usize, String> {
    if (1024..=512 * 1024 * 1024).contains(&bytes) {
        return Ok(bytes);
    }
    Err("it must be between 1KiB and 512MiB".to_owned())
}

fn between(value: Duration, shortest: Duration, longest: Duration) -> Result<Duration, String> {
    if (shortest..=longest).contains(&value) {
        return Ok(value);
    }
    let [shortest, longest] = [shortest, longest].map(humantime::format_duration);
    Err(format!("it must be between {shortest} and {longest}"))
}

/// Accepts a token, which RFC 6265 requires for the name of a cookie.
pub(super) fn cookie_name(value: &str) -> Result<String, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if value.is_empty() || !value.bytes().all(token) {
        return Err("a cookie name consists of letters, digits, - and _".to_owned());
    }
    Ok(value.to_owned())
}

pub(super) fn key_prefix(value: &str) -> Result<String, String> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a prefix is printable ASCII without spaces, such as session:".to_owned());
    }
    Ok(value.to_owned())
}

pub(super) fn principal_field(value: &str) -> Result<String, String> {
    match value {
        "" => Err("the name is empty".to_owned()),
        RESERVED => Err(format!("the field {RESERVED} is reserved for the store")),
        _ => Ok(value.to_owned()),
    }
}
