//! The one table of all settings. The environment and the command line are read by it.

use std::path::PathBuf;
use std::time::Duration;

use super::store_url::StoreUrl;
use super::{CookieLifetime, SameSite, Secure, Settings, check};
use crate::format::Format;

/// One setting, as the environment and the command line know it.
#[cfg_attr(not(feature = "clap"), allow(dead_code))] // only the command line has help
pub(super) struct Setting {
    pub variable: &'static str,
    pub help: &'static str,
    /// The default as text; none if it depends on another setting.
    pub default: Option<&'static str>,
    /// The valid values with their meaning, if only a few are valid.
    pub values: &'static [(&'static str, &'static str)],
    /// Whether the value can hold a secret.
    pub secret: bool,
    set: fn(&mut Settings, &str) -> Result<(), String>,
}

impl Setting {
    const fn new(
        variable: &'static str,
        default: Option<&'static str>,
        set: fn(&mut Settings, &str) -> Result<(), String>,
        help: &'static str,
    ) -> Self {
        Self {
            variable,
            help,
            default,
            values: &[],
            secret: false,
            set,
        }
    }

    const fn values(mut self, values: &'static [(&'static str, &'static str)]) -> Self {
        self.values = values;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Parses the text and sets the value, or returns why the text is invalid.
    pub fn apply(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("the value is empty".to_owned());
        }
        (self.set)(settings, text)
    }
}

pub(super) static SETTINGS: [Setting; 20] = [
    Setting::new(
        "SESSION_STORE",
        Some("memory:"),
        |settings, text| put(&mut settings.store, StoreUrl::parse(text)),
        "Where sessions are stored: `redis://[user:password@]host:6379/0`, `redis+unix:///path`, \
         `redis-sentinel://[user:password@]h1:26379,h2:26379/mymaster/0`, `redis-cluster://[user:password@]h1:6379,h2:6379`, \
         the same with `rediss` for TLS, or `memory:` for this process only",
    )
    .secret(),
    Setting::new(
        "SESSION_STORE_PASSWORD_FILE",
        None,
        |settings, text| put(&mut settings.store_password_file, Ok(Some(PathBuf::from(text)))),
        "File that holds the store's password, for a URL without one. It keeps the password out of the environment",
    ),
    Setting::new(
        "SESSION_STORE_SENTINEL_PASSWORD_FILE",
        None,
        |settings, text| put(&mut settings.store_sentinel_password_file, Ok(Some(PathBuf::from(text)))),
        "File that holds the password of the Sentinels, if they have one and it is not in the URL as `?sentinel_password=…`",
    ),
    Setting::new(
        "SESSION_STORE_CA_FILE",
        None,
        |settings, text| put(&mut settings.store_ca_file, Ok(Some(PathBuf::from(text)))),
        "File with the CA certificates (PEM) that sign the store's certificates, instead of the system's",
    ),
    Setting::new(
        "SESSION_STORE_CERT_FILE",
        None,
        |settings, text| put(&mut settings.store_cert_file, Ok(Some(PathBuf::from(text)))),
        "File with the client certificate (PEM), if the store asks for one",
    ),
    Setting::new(
        "SESSION_STORE_KEY_FILE",
        None,
        |settings, text| put(&mut settings.store_key_file, Ok(Some(PathBuf::from(text)))),
        "File with the private key (PEM) of the client certificate",
    ),
    Setting::new(
        "SESSION_STORE_REPLICAS",
        Some("0"),
        |settings, text| put(&mut settings.store_replicas, count(text)),
        "How many replicas must confirm a change before it is answered as done; otherwise the response is 503. Not with a cluster",
    ),
    Setting::new(
        "SESSION_FORMAT",
        Some("json"),
        |settings, text| put(&mut settings.format, Format::parse(text)),
        "How records are encoded. Services that share sessions must agree on it",
    )
    .values(Format::NAMES),
    Setting::new(
        "SESSION_TTL",
        Some("1h"),
        |settings, text| put(&mut settings.ttl, duration(text).and_then(check::lifetime)),
        "How long a session lasts without a request, for example `1h` or `30m`",
    ),
    Setting::new(
        "SESSION_LIFETIME",
        Some("24h"),
        |settings, text| put(&mut settings.lifetime, duration(text).and_then(check::lifetime)),
        "How long a session lasts at most, from its creation or from the last sign-in",
    ),
    Setting::new(
        "SESSION_COOKIE_NAME",
        None,
        |settings, text| put(&mut settings.cookie.name, check::cookie_name(text).map(Some)),
        "The cookie's name [default: `sid`, `__Host-sid` if the cookie is always secure, or `PHPSESSID` in PHP's formats]",
    ),
    Setting::new(
        "SESSION_COOKIE_DOMAIN",
        None,
        |settings, text| put(&mut settings.cookie.domain, check::cookie_domain(text).map(Some)),
        "The domain whose hosts all receive the cookie, instead of the host alone that set it",
    ),
    Setting::new(
        "SESSION_COOKIE_PATH",
        Some("/"),
        |settings, text| put(&mut settings.cookie.path, check::cookie_path(text)),
        "The path below which browsers send the cookie",
    ),
    Setting::new(
        "SESSION_COOKIE_SAME_SITE",
        Some("lax"),
        |settings, text| put(&mut settings.cookie.same_site, SameSite::parse(text)),
        "Whether browsers send the cookie with requests that come from other sites",
    )
    .values(SameSite::NAMES),
    Setting::new(
        "SESSION_COOKIE_SECURE",
        Some("auto"),
        |settings, text| put(&mut settings.cookie.secure, Secure::parse(text)),
        "Whether browsers send the cookie over https only",
    )
    .values(Secure::NAMES),
    Setting::new(
        "SESSION_COOKIE_LIFETIME",
        Some("browser"),
        |settings, text| put(&mut settings.cookie.lifetime, CookieLifetime::parse(text)),
        "How long browsers keep the cookie",
    )
    .values(CookieLifetime::NAMES),
    Setting::new(
        "SESSION_KEY_PREFIX",
        Some("session:"),
        |settings, text| put(&mut settings.key_prefix, check::key_prefix(text)),
        "The prefix of every key in the store",
    ),
    Setting::new(
        "SESSION_PRINCIPAL_FIELD",
        Some("userid"),
        |settings, text| put(&mut settings.principal_field, check::principal_field(text)),
        "The session field that identifies the user: a string or a number. A user's sessions are found by it",
    ),
    Setting::new(
        "SESSION_MAX_SIZE",
        Some("256KiB"),
        |settings, text| put(&mut settings.max_size, bytes(text).and_then(check::max_size)),
        "How large a session's record may be, in bytes or as `256KiB` or `1MiB`. A change that would exceed it is refused",
    ),
    Setting::new(
        "SESSION_STORE_TIMEOUT",
        Some("500ms"),
        |settings, text| put(&mut settings.store_timeout, duration(text).and_then(check::timeout)),
        "How long one request waits for the store in all. After that the response is 503",
    ),
];

fn put<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

fn bytes(text: &str) -> Result<usize, String> {
    let (number, factor) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
        (Some(number), _) => (number, 1024),
        (_, Some(number)) => (number, 1024 * 1024),
        _ => (text, 1),
    };
    let bytes = number.parse().ok().and_then(|number: usize| number.checked_mul(factor));
    bytes.ok_or_else(|| "not a size; write it as 262144, 256KiB or 1MiB".to_owned())
}

fn count(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "not a number; write it as 0, 1 or 2".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 1h, 30m or 500ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_in_the_table_are_the_defaults_of_settings() {
        let mut settings = Settings::default();
        for setting in &SETTINGS {
            if let Some(default) = setting.default {
                setting.apply(&mut settings, default).unwrap();
            }
        }
        assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    }

    #[test]
    fn listed_values_are_valid_and_others_are_refused() {
        for setting in SETTINGS.iter().filter(|setting| !setting.values.is_empty()) {
            for (value, _) in setting.values {
                assert_eq!(setting.apply(&mut Settings::default(), value), Ok(()), "{value}");
            }
            assert!(setting.apply(&mut Settings::default(), "other").is_err());
        }
    }

    #[test]
    fn invalid_and_empty_texts_are_refused() {
        for (variable, text) in [
            ("SESSION_TTL", "abc"),
            ("SESSION_TTL", "0s"),
            ("SESSION_LIFETIME", "500000d"),
            ("SESSION_STORE_TIMEOUT", "0ms"),
            ("SESSION_STORE_TIMEOUT", "500"),
            ("SESSION_STORE_REPLICAS", "-1"),
            ("SESSION_STORE_REPLICAS", "all"),
            ("SESSION_FORMAT", "xml"),
            ("SESSION_COOKIE_NAME", "a b"),
            ("SESSION_COOKIE_DOMAIN", "a b"),
            ("SESSION_COOKIE_PATH", "app"),
            ("SESSION_PRINCIPAL_FIELD", "_session"),
        ] {
            let setting = SETTINGS.iter().find(|setting| setting.variable == variable).unwrap();
            let result = setting.apply(&mut Settings::default(), text);
            assert!(result.is_err(), "{variable}={text}");
        }
        for setting in &SETTINGS {
            let result = setting.apply(&mut Settings::default(), "");
            assert!(result.is_err(), "{} is empty", setting.variable);
        }
    }
}
