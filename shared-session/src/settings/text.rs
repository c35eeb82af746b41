//! Parses the values of settings from their text.

use std::time::Duration;

/// Returns the text itself, for a value that its setter checks.
#[expect(clippy::unnecessary_wraps, reason = "as the other parsers")]
pub(super) fn text(text: &str) -> Result<&str, String> {
    Ok(text)
}

pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let (number, factor) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
        (Some(number), _) => (number, 1024),
        (_, Some(number)) => (number, 1024 * 1024),
        _ => (text, 1),
    };
    let bytes = number.parse().ok().and_then(|number: usize| number.checked_mul(factor));
    bytes.ok_or_else(|| "not a size; write it as 262144, 256KiB or 1MiB".to_owned())
}

pub(super) fn count(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "not a number; write it as 0, 1 or 2".to_owned())
}

pub(super) fn cache(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "off" => Ok(None),
        _ => duration(text).map(Some),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 1h, 30m or 500ms"))
}
