//! All settings. The environment and the command line are read by the table that these declarations make.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::setting::{Setting, settings};
use super::store_url::StoreUrl;
use super::text::{bytes, cache, count, duration, text};
use super::{CookieLifetime, SameSite, Secure, SettingsError, check};
use crate::format::Format;

settings! {
    /// Where sessions are stored, how long they last, and how their cookie is written.
    ///
    /// Services that share sessions must agree on all settings but the store's timeout and password file.
    ///
    /// With the feature `clap` this type implements `clap::Args`, so that a service can add the settings to its own
    /// command line: `#[command(flatten)] session: Settings`. Each option has the name of its variable: `--session-ttl` for
    /// `SESSION_TTL`.
    ///
    /// # Examples
    ///
    /// From the environment, as deployed services do:
    ///
    /// ```no_run
    /// use shared_session::Settings;
    ///
    /// let settings = Settings::from_env()?; // for example SESSION_STORE=redis://localhost:6379/0
    /// # Ok::<(), shared_session::SettingsError>(())
    /// ```
    ///
    /// In code:
    ///
    /// ```
    /// use std::time::Duration;
    /// use shared_session::{Secure, Settings};
    ///
    /// let settings = Settings::default()
    ///     .with_ttl(Duration::from_secs(30 * 60))?
    ///     .with_cookie_name("session")?
    ///     .with_cookie_secure(Secure::Always);
    /// assert_eq!(settings.cookie_name(), "session");
    ///
    /// let error = Settings::default().with_cookie_name("a b;x").unwrap_err();
    /// assert!(error.to_string().starts_with("--session-cookie-name (SESSION_COOKIE_NAME): "));
    /// # Ok::<(), shared_session::SettingsError>(())
    /// ```
    pub struct Settings;

    store: StoreUrl = StoreUrl::Memory;
    "SESSION_STORE" = "memory:" by text:
    "Where sessions are stored: `redis://[user:password@]host:6379/0`, `redis+unix:///path`, \
         `redis-sentinel://[user:password@]h1:26379,h2:26379/mymaster/0`, `redis-cluster://[user:password@]h1:6379,h2:6379`, \
         the same with `rediss` for TLS, or `memory:` for this process only";
    /// Returns where sessions are stored.
    pub(crate) fn store() -> &StoreUrl { store }
    /// Sets where sessions are stored: `memory:` for this process only, or a URL of Redis.
    ///
    /// | URL | where |
    /// | --- | --- |
    /// | `redis://user:password@host:6379/0`, `redis+unix:///path` | one server |
    /// | `redis-sentinel://user:password@h1:26379,h2:26379,h3:26379/mymaster/0` | the primary that the Sentinels name |
    /// | `redis-cluster://user:password@h1:6379,h2:6379` | a cluster |
    /// | `rediss://…`, `rediss-sentinel://…`, `rediss-cluster://…` | the same over TLS, with the feature `tls` |
    ///
    /// The user and the password are optional. The parameters `?sentinel_user=…&sentinel_password=…` are the login of the
    /// Sentinels themselves.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if the URL is invalid, or if its scheme needs a feature of this crate that is off.
    pub fn with_store(url: &str) -> Result { StoreUrl::parse(url) }

    store_password_file: Option<PathBuf> = None;
    "SESSION_STORE_PASSWORD_FILE" by text:
    "File that holds the store's password, for a URL without one. It keeps the password out of the environment";
    /// Returns the file that holds the store's password.
    pub fn store_password_file() -> Option<&Path> { store_password_file.as_deref() }
    /// Sets the file whose first line is the store's password, for a URL without one. The file is read at the start and
    /// again for each connection to a server, so a changed password needs no restart.
    pub fn with_store_password_file(file: impl Into<PathBuf>) -> Self { Some(file.into()) }

    store_sentinel_password_file: Option<PathBuf> = None;
    "SESSION_STORE_SENTINEL_PASSWORD_FILE" by text:
    "File that holds the password of the Sentinels, if they have one and it is not in the URL as `?sentinel_password=…`";
    /// Returns the file that holds the password of the Sentinels.
    pub fn store_sentinel_password_file() -> Option<&Path> { store_sentinel_password_file.as_deref() }
    /// Sets the file whose first line is the password of the Sentinels, for a URL without one.
    pub fn with_store_sentinel_password_file(file: impl Into<PathBuf>) -> Self { Some(file.into()) }

    store_ca_file: Option<PathBuf> = None;
    "SESSION_STORE_CA_FILE" by text:
    "File with the CA certificates (PEM) that sign the store's certificates, instead of the system's";
    /// Returns the file with the certificates that may sign the certificates of Redis.
    pub fn store_ca_file() -> Option<&Path> { store_ca_file.as_deref() }
    /// Sets the file with the certificates (PEM) that may sign the certificates of Redis, instead of the system's roots.
    pub fn with_store_ca_file(file: impl Into<PathBuf>) -> Self { Some(file.into()) }

    store_cert_file: Option<PathBuf> = None;
    "SESSION_STORE_CERT_FILE" by text:
    "File with the client certificate (PEM), if the store asks for one";
    /// Returns the file with the client certificate.
    pub fn store_cert_file() -> Option<&Path> { store_cert_file.as_deref() }
    /// Sets the file with the client certificate.
    pub(super) fn with_store_cert_file(file: impl Into<PathBuf>) -> Self { Some(file.into()) }

    store_key_file: Option<PathBuf> = None;
    "SESSION_STORE_KEY_FILE" by text:
    "File with the private key (PEM) of the client certificate";
    /// Returns the file with the private key of the client certificate.
    pub fn store_key_file() -> Option<&Path> { store_key_file.as_deref() }
    /// Sets the file with the private key of the client certificate.
    pub(super) fn with_store_key_file(file: impl Into<PathBuf>) -> Self { Some(file.into()) }

    store_replicas: u32 = 0;
    "SESSION_STORE_REPLICAS" = "0" by count:
    "How many replicas must confirm a change before it counts as stored; otherwise the response is 503. Not with a cluster";
    /// Returns how many replicas must confirm a change before it counts as stored.
    pub fn store_replicas() -> u32 { *store_replicas }
    /// Sets how many replicas must confirm a change before it counts as stored. 0: none.
    pub fn with_store_replicas(replicas: u32) -> Self { replicas }

    format: Format = Format::default();
    "SESSION_FORMAT" = "json" by Format::parse, one of Format::NAMES:
    "How records are encoded. Services that share sessions must agree on it";
    /// Returns how records are encoded.
    pub fn format() -> Format { *format }
    /// Sets how records are encoded.
    pub fn with_format(format: Format) -> Self { format }

    ttl: Duration = Duration::from_secs(60 * 60);
    "SESSION_TTL" = "1h" by duration:
    "How long a session lasts without a request, for example `1h` or `30m`";
    /// Returns how long a session lasts without a request.
    pub fn ttl() -> Duration { *ttl }
    /// Sets the idle timeout: how long a session lasts without a request.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is less than 1 second or more than 10 years.
    pub fn with_ttl(ttl: Duration) -> Result { check::lifetime(ttl) }

    lifetime: Duration = Duration::from_secs(24 * 60 * 60);
    "SESSION_LIFETIME" = "24h" by duration:
    "How long a session lasts at most, from its creation or from the last sign-in";
    /// Returns how long a session lasts at most, from its creation or from the last sign-in.
    pub fn lifetime() -> Duration { *lifetime }
    /// Sets how long a session lasts at most, from its creation or from the last sign-in: a request that sets the principal
    /// field. A user who signs in again counts too, if the request also renews the session.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is less than 1 second or more than 10 years.
    pub fn with_lifetime(lifetime: Duration) -> Result { check::lifetime(lifetime) }

    remember_ttl: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    "SESSION_REMEMBER_TTL" = "30d" by duration:
    "How long the session of a user who stays signed in lasts without a request; at least SESSION_TTL";
    /// Returns how long the session of a user who stays signed in lasts without a request.
    pub fn remember_ttl() -> Duration { *remember_ttl }
    /// Sets the idle timeout of users who stay signed in: see [`Remember`](crate::Remember). One that is shorter than the
    /// ordinary idle timeout has no effect.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is less than 1 second or more than 10 years.
    pub fn with_remember_ttl(ttl: Duration) -> Result { check::lifetime(ttl) }

    remember_lifetime: Duration = Duration::from_secs(90 * 24 * 60 * 60);
    "SESSION_REMEMBER_LIFETIME" = "90d" by duration:
    "How long the session of a user who stays signed in lasts at most, from the sign-in; at least SESSION_LIFETIME";
    /// Returns how long the session of a user who stays signed in lasts at most, from the sign-in.
    pub fn remember_lifetime() -> Duration { *remember_lifetime }
    /// Sets how long the session of a user who stays signed in lasts at most: see [`Remember`](crate::Remember). A time that is
    /// shorter than the ordinary lifetime has no effect.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is less than 1 second or more than 10 years.
    pub fn with_remember_lifetime(lifetime: Duration) -> Result { check::lifetime(lifetime) }

    own_cookie_name: Option<String> = None;
    "SESSION_COOKIE_NAME" by text:
    "The cookie's name [default: `sid`, `__Host-sid` if the cookie is always secure, or `PHPSESSID` in PHP's formats]";
    /// Returns the cookie's name, if one was set.
    pub(super) fn own_cookie_name() -> Option<&str> { own_cookie_name.as_deref() }
    /// Sets the cookie's name, instead of the default one. Browsers guard names that begin with `__Host-` or `__Secure-`
    /// (RFC 6265bis), so the cookie is then secure; one that begins with `__Host-` has no domain and the path `/`.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if the name is not a token of RFC 6265.
    pub fn with_cookie_name(name: &str) -> Result { check::cookie_name(name).map(Some) }

    cookie_domain: Option<String> = None;
    "SESSION_COOKIE_DOMAIN" by text:
    "The domain whose hosts all receive the cookie, instead of the host alone that set it";
    /// Returns the domain whose hosts receive the cookie, or `None` if only the host does that set it.
    pub fn cookie_domain() -> Option<&str> { cookie_domain.as_deref() }
    /// Sets the domain whose hosts all receive the cookie, instead of the host alone that set it.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is not the name of a domain.
    pub fn with_cookie_domain(domain: &str) -> Result { check::cookie_domain(domain).map(Some) }

    cookie_path: String = "/".to_owned();
    "SESSION_COOKIE_PATH" = "/" by text:
    "The path below which browsers send the cookie";
    /// Returns the path below which browsers send the cookie.
    pub fn cookie_path() -> &str { cookie_path }
    /// Sets the path below which browsers send the cookie, instead of `/`.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it does not begin with `/`, or holds a character that a path in a URL cannot have.
    pub fn with_cookie_path(path: &str) -> Result { check::cookie_path(path) }

    cookie_same_site: SameSite = SameSite::default();
    "SESSION_COOKIE_SAME_SITE" = "lax" by SameSite::parse, one of SameSite::NAMES:
    "Whether browsers send the cookie with requests that come from other sites";
    /// Returns whether browsers send the cookie with requests that come from other sites.
    pub fn cookie_same_site() -> SameSite { *cookie_same_site }
    /// Sets whether browsers send the cookie with requests that come from other sites.
    pub fn with_cookie_same_site(same_site: SameSite) -> Self { same_site }

    cookie_secure: Secure = Secure::default();
    "SESSION_COOKIE_SECURE" = "auto" by Secure::parse, one of Secure::NAMES:
    "Whether browsers send the cookie over https only";
    /// Returns whether browsers send the cookie over https only.
    pub fn cookie_secure() -> Secure { *cookie_secure }
    /// Sets whether browsers send the cookie over https only.
    pub fn with_cookie_secure(secure: Secure) -> Self { secure }

    cookie_lifetime: CookieLifetime = CookieLifetime::default();
    "SESSION_COOKIE_LIFETIME" = "browser" by CookieLifetime::parse, one of CookieLifetime::NAMES:
    "How long browsers keep the cookie";
    /// Returns how long browsers keep the cookie.
    pub fn cookie_lifetime() -> CookieLifetime { *cookie_lifetime }
    /// Sets how long browsers keep the cookie.
    pub fn with_cookie_lifetime(lifetime: CookieLifetime) -> Self { lifetime }

    key_prefix: String = "session:".to_owned();
    "SESSION_KEY_PREFIX" = "session:" by text:
    "The prefix of every key in the store";
    /// Returns the prefix of every key in the store.
    pub fn key_prefix() -> &str { key_prefix }
    /// Sets the prefix of every key in the store. An empty prefix is for records of another program whose keys have none;
    /// the variable `SESSION_KEY_PREFIX` may not be empty.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if the prefix is not printable ASCII without spaces.
    pub fn with_key_prefix(prefix: &str) -> Result { check::key_prefix(prefix) }

    principal_field: String = "userid".to_owned();
    "SESSION_PRINCIPAL_FIELD" = "userid" by text:
    "The session field that identifies the user: a string or an integer. A user's sessions are found by it";
    /// Returns the name of the field that names the user.
    pub fn principal_field() -> &str { principal_field }
    /// Sets the field that names the user: a string or an integer. The registry finds a user's sessions by it.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if the name is empty or reserved for the store.
    pub fn with_principal_field(field: &str) -> Result { check::principal_field(field) }

    max_size: usize = 256 * 1024;
    "SESSION_MAX_SIZE" = "256KiB" by bytes:
    "How large a session's record may be, in bytes or as `256KiB` or `1MiB`. A change that would exceed it is refused";
    /// Returns how many bytes the record of a session may have.
    pub fn max_size() -> usize { *max_size }
    /// Sets how many bytes the record of a session may have. A change that would exceed it is refused.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is less than 1 KiB or more than 512 MiB, the largest string of Redis.
    pub fn with_max_size(bytes: usize) -> Result { check::max_size(bytes) }

    max_per_user: u32 = 0;
    "SESSION_MAX_PER_USER" = "0" by count:
    "How many sessions a user may have. A sign-in beyond it ends the user's oldest sessions. 0: any number";
    /// Returns how many sessions a user may have. 0: any number.
    pub fn max_per_user() -> u32 { *max_per_user }
    /// Sets how many sessions a user may have. A sign-in beyond it ends the user's oldest sessions. 0: any number.
    pub fn with_max_per_user(sessions: u32) -> Self { sessions }

    cache: Option<Duration> = None;
    "SESSION_CACHE" = "off" by cache:
    "How long a process may go without news from Redis, such as `2s`, while it shows sessions that it has read before. \
         `off` reads the session of each request";
    /// Returns how long the sessions that a process remembers may be out of date, or `None` if it remembers none.
    pub fn cache() -> Option<Duration> { *cache }
    /// Lets the process remember the sessions that it reads, so that most requests with a safe method (RFC 9110) cost no round
    /// trip. Redis tells which sessions change, usually within a millisecond; `bound` limits how long they may be out of date. With
    /// `None`, which is the default, nothing is remembered. It has no effect on `memory:`, and is not supported on a cluster.
    ///
    /// [`NearCache`](crate::backend::near_cache::NearCache) says what it promises.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is less than 100 milliseconds or more than 1 minute.
    pub fn with_cache(bound: Option<Duration>) -> Result { check::cache(bound) }

    store_timeout: Duration = Duration::from_millis(500);
    "SESSION_STORE_TIMEOUT" = "500ms" by duration:
    "How long one request waits for the store in all. After that the response is 503";
    /// Returns how long one request waits for the store, all its operations together.
    pub fn store_timeout() -> Duration { *store_timeout }
    /// Sets how long one request waits for the store, all its operations together.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is less than 1 millisecond or more than 1 minute.
    pub fn with_store_timeout(timeout: Duration) -> Result { check::timeout(timeout) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::error::option;

    #[test]
    fn defaults_in_the_table_are_the_defaults_of_settings() {
        let mut settings = Settings::default();
        for setting in SETTINGS {
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
            ("SESSION_CACHE", "on"),
            ("SESSION_CACHE", "0s"),
            ("SESSION_CACHE", "2m"),
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
        for setting in SETTINGS {
            let result = setting.apply(&mut Settings::default(), "");
            assert!(result.is_err(), "{} is empty", setting.variable);
        }
    }

    #[test]
    fn setters_refuse_invalid_values_and_name_the_setting() {
        let of = Settings::default;
        let second = Duration::from_secs(1);
        for (variable, result) in [
            ("SESSION_TTL", of().with_ttl(Duration::ZERO)),
            ("SESSION_TTL", of().with_ttl(second / 2)),
            ("SESSION_LIFETIME", of().with_lifetime(Duration::MAX)),
            ("SESSION_STORE_TIMEOUT", of().with_store_timeout(Duration::ZERO)),
            ("SESSION_STORE_TIMEOUT", of().with_store_timeout(61 * second)),
            ("SESSION_CACHE", of().with_cache(Some(second / 20))),
            ("SESSION_CACHE", of().with_cache(Some(61 * second))),
            ("SESSION_COOKIE_NAME", of().with_cookie_name("")),
            ("SESSION_COOKIE_NAME", of().with_cookie_name("a b;x")),
            ("SESSION_COOKIE_NAME", of().with_cookie_name(&"x".repeat(5000))),
            ("SESSION_COOKIE_DOMAIN", of().with_cookie_domain("")),
            ("SESSION_COOKIE_DOMAIN", of().with_cookie_domain("example..com")),
            ("SESSION_COOKIE_DOMAIN", of().with_cookie_domain("https://example.com")),
            ("SESSION_COOKIE_DOMAIN", of().with_cookie_domain("example.com; Path=/")),
            ("SESSION_COOKIE_DOMAIN", of().with_cookie_domain("m\u{fc}nchen.de")),
            ("SESSION_COOKIE_DOMAIN", of().with_cookie_domain(&"a.".repeat(200))),
            ("SESSION_COOKIE_PATH", of().with_cookie_path("")),
            ("SESSION_COOKIE_PATH", of().with_cookie_path("app")),
            ("SESSION_COOKIE_PATH", of().with_cookie_path("/app;x")),
            ("SESSION_COOKIE_PATH", of().with_cookie_path("/app?x")),
            ("SESSION_COOKIE_PATH", of().with_cookie_path("/a b")),
            ("SESSION_COOKIE_PATH", of().with_cookie_path("/\u{e9}")),
            ("SESSION_COOKIE_PATH", of().with_cookie_path(&"/a".repeat(1000))),
            ("SESSION_KEY_PREFIX", of().with_key_prefix("é")),
            ("SESSION_KEY_PREFIX", of().with_key_prefix("a b")),
            ("SESSION_PRINCIPAL_FIELD", of().with_principal_field("")),
            ("SESSION_PRINCIPAL_FIELD", of().with_principal_field("_session")),
            ("SESSION_STORE", of().with_store("")),
            ("SESSION_STORE", of().with_store("foo://:secret@host")),
            ("SESSION_STORE", of().with_store("redis://:secret@host:port")),
        ] {
            let error = result.unwrap_err().to_string();
            let names = format!("--{} ({variable}): ", option(variable));
            assert!(error.starts_with(&names), "{error}");
            assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn domain_is_stored_as_browsers_compare_it() {
        let settings = Settings::default().with_cookie_domain(".Example.COM").unwrap();
        assert_eq!(settings.cookie_domain(), Some("example.com"));
    }

    #[cfg(feature = "redis")]
    #[test]
    fn debug_output_hides_passwords() {
        for url in [
            "redis://:secret@host",
            "redis+unix:///socket?pass=secret",
            "redis-sentinel://user:secret@h1:26379/m?sentinel_password=secret",
            "redis-cluster://user:secret@h1,h2",
        ] {
            let settings = Settings::default().with_store(url).unwrap();
            assert!(!format!("{settings:?}").contains("secret"), "{url}");
        }
    }
}
