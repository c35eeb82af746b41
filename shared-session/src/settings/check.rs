//! The rules for the values of settings. Each function returns the value if it is valid, or the reason why it is not.

use std::time::Duration;

use crate::session::fields::RESERVED;

const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Browsers refuse a cookie whose name and value have more than 4096 bytes (RFC 6265bis, section 5.6).
const LONGEST_COOKIE_NAME: usize = 4000;

pub(super) fn lifetime(value: Duration) -> Result<Duration, String> {
    between(value, Duration::from_secs(1), LONGEST)
}

pub(super) fn timeout(value: Duration) -> Result<Duration, String> {
    between(value, Duration::from_millis(1), Duration::from_secs(60))
}

pub(super) fn cache(bound: Option<Duration>) -> Result<Option<Duration>, String> {
    let check = |bound| between(bound, Duration::from_millis(100), Duration::from_secs(60));
    bound.map(check).transpose()
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
    if value.len() > LONGEST_COOKIE_NAME {
        return Err("the name is too long".to_owned());
    }
    Ok(value.to_owned())
}

/// Accepts the name of a host, and returns it as browsers compare it: in lower case and without a leading dot.
pub(super) fn cookie_domain(value: &str) -> Result<String, String> {
    let name = value.strip_prefix('.').unwrap_or(value);
    let is_label = |label: &str| {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_valid)
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err("it is the name of a domain in ASCII, such as example.com".to_owned());
    }
    Ok(name.to_ascii_lowercase())
}

/// Accepts a path that the path of a URL can begin with, not longer than RFC 6265bis permits.
pub(super) fn cookie_path(value: &str) -> Result<String, String> {
    let is_valid = |byte: u8| byte.is_ascii_graphic() && !b";?#".contains(&byte);
    if !value.starts_with('/') || !value.bytes().all(is_valid) {
        return Err("it is a path in ASCII that begins with /, such as /app".to_owned());
    }
    if value.len() > 1024 {
        return Err("the path is too long".to_owned());
    }
    Ok(value.to_owned())
}

pub(super) fn key_prefix(value: &str) -> Result<String, String> {
    if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
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
