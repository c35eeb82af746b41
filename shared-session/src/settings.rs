//! [`Settings`]: where sessions are stored and how. It knows no command line and no connection.

mod check;
#[cfg(feature = "clap")]
mod clap;
mod cookie;
mod error;
mod secure;
mod store_url;
mod table;

#[cfg(feature = "redis")]
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::format::Format;
pub(crate) use cookie::CookieRules;
use cookie::CookieSettings;
pub use cookie::{CookieLifetime, SameSite};
pub use error::SettingsError;
pub use secure::Secure;
pub(crate) use store_url::StoreUrl;

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
#[derive(Clone, Debug)]
pub struct Settings {
    store: StoreUrl,
    store_password_file: Option<PathBuf>,
    store_sentinel_password_file: Option<PathBuf>,
    store_ca_file: Option<PathBuf>,
    store_cert_file: Option<PathBuf>,
    store_key_file: Option<PathBuf>,
    store_replicas: u32,
    format: Format,
    ttl: Duration,
    lifetime: Duration,
    cookie: CookieSettings,
    key_prefix: String,
    principal_field: String,
    store_timeout: Duration,
    max_size: usize,
}

impl Settings {
    /// Returns the settings that the environment variables hold. An unset variable leaves the default.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if a variable is invalid or empty.
    pub fn from_env() -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for setting in &table::SETTINGS {
            if let Some(value) = std::env::var_os(setting.variable) {
                let value = value
                    .into_string()
                    .map_err(|_| "the value is not valid UTF-8".to_owned());
                let set = value.and_then(|value| setting.apply(&mut settings, &value));
                set.map_err(SettingsError::of(setting.variable))?;
            }
        }
        Ok(settings)
    }

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
    pub fn with_store(mut self, url: &str) -> Result<Self, SettingsError> {
        self.store = StoreUrl::parse(url).map_err(SettingsError::of("SESSION_STORE"))?;
        Ok(self)
    }

    /// Sets the file whose first line is the store's password, for a URL without one. The file is read when the
    /// connection is opened.
    #[must_use]
    pub fn with_store_password_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.store_password_file = Some(file.into());
        self
    }

    /// Sets the file whose first line is the password of the Sentinels, for a URL without one.
    #[must_use]
    pub fn with_store_sentinel_password_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.store_sentinel_password_file = Some(file.into());
        self
    }

    /// Sets the file with the certificates (PEM) that may sign the certificates of Redis, instead of the system's roots.
    #[must_use]
    pub fn with_store_ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.store_ca_file = Some(file.into());
        self
    }

    /// Sets the files with the certificate by which this process identifies itself to Redis, and its private key (PEM).
    #[must_use]
    pub fn with_store_client_certificate(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.store_cert_file = Some(cert.into());
        self.store_key_file = Some(key.into());
        self
    }

    /// Sets how many replicas must confirm a change before it counts as stored. 0: none.
    #[must_use]
    pub fn with_store_replicas(mut self, replicas: u32) -> Self {
        self.store_replicas = replicas;
        self
    }

    /// Sets how records are encoded.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets the idle timeout: how long a session lasts without a request.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is less than 1 second or more than 10 years.
    pub fn with_ttl(mut self, ttl: Duration) -> Result<Self, SettingsError> {
        self.ttl = check::lifetime(ttl).map_err(SettingsError::of("SESSION_TTL"))?;
        Ok(self)
    }

    /// Sets how long a session lasts at most, from its creation or from the last sign-in: a request that sets the principal
    /// field. A user who signs in again counts too, if the request also renews the session.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is less than 1 second or more than 10 years.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Result<Self, SettingsError> {
        self.lifetime = check::lifetime(lifetime).map_err(SettingsError::of("SESSION_LIFETIME"))?;
        Ok(self)
    }

    /// Sets the cookie's name, instead of the default one. Browsers guard names that begin with `__Host-` or `__Secure-`
    /// (RFC 6265bis), so the cookie is then secure; one that begins with `__Host-` has no domain and the path `/`.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if the name is not a token of RFC 6265.
    pub fn with_cookie_name(mut self, name: &str) -> Result<Self, SettingsError> {
        let name = check::cookie_name(name).map_err(SettingsError::of("SESSION_COOKIE_NAME"))?;
        self.cookie.name = Some(name);
        Ok(self)
    }

    /// Sets the domain whose hosts all receive the cookie, instead of the host alone that set it.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is not the name of a domain.
    pub fn with_cookie_domain(mut self, domain: &str) -> Result<Self, SettingsError> {
        let domain = check::cookie_domain(domain).map_err(SettingsError::of("SESSION_COOKIE_DOMAIN"))?;
        self.cookie.domain = Some(domain);
        Ok(self)
    }

    /// Sets the path below which browsers send the cookie, instead of `/`.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it does not begin with `/`, or holds a character that a path in a URL cannot have.
    pub fn with_cookie_path(mut self, path: &str) -> Result<Self, SettingsError> {
        self.cookie.path = check::cookie_path(path).map_err(SettingsError::of("SESSION_COOKIE_PATH"))?;
        Ok(self)
    }

    /// Sets whether browsers send the cookie with requests that come from other sites.
    #[must_use]
    pub fn with_cookie_same_site(mut self, same_site: SameSite) -> Self {
        self.cookie.same_site = same_site;
        self
    }

    /// Sets whether browsers send the cookie over https only.
    #[must_use]
    pub fn with_cookie_secure(mut self, secure: Secure) -> Self {
        self.cookie.secure = secure;
        self
    }

    /// Sets how long browsers keep the cookie.
    #[must_use]
    pub fn with_cookie_lifetime(mut self, lifetime: CookieLifetime) -> Self {
        self.cookie.lifetime = lifetime;
        self
    }

    /// Sets the prefix of every key in the store. An empty prefix is for records of another program whose keys have none;
    /// the variable `SESSION_KEY_PREFIX` may not be empty.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if the prefix is not printable ASCII without spaces.
    pub fn with_key_prefix(mut self, prefix: &str) -> Result<Self, SettingsError> {
        self.key_prefix = check::key_prefix(prefix).map_err(SettingsError::of("SESSION_KEY_PREFIX"))?;
        Ok(self)
    }

    /// Sets the field that names the user: a string or a number. The registry finds a user's sessions by it.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if the name is empty or reserved for the store.
    pub fn with_principal_field(mut self, field: &str) -> Result<Self, SettingsError> {
        let field = check::principal_field(field).map_err(SettingsError::of("SESSION_PRINCIPAL_FIELD"))?;
        self.principal_field = field;
        Ok(self)
    }

    /// Sets how long one request waits for the store, all its operations together.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is less than 1 millisecond or more than 1 minute.
    pub fn with_store_timeout(mut self, timeout: Duration) -> Result<Self, SettingsError> {
        self.store_timeout = check::timeout(timeout).map_err(SettingsError::of("SESSION_STORE_TIMEOUT"))?;
        Ok(self)
    }

    /// Sets how many bytes the record of a session may have. A change that would exceed it is refused.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if it is less than 1 KiB or more than 512 MiB, the largest string of Redis.
    pub fn with_max_size(mut self, bytes: usize) -> Result<Self, SettingsError> {
        self.max_size = check::max_size(bytes).map_err(SettingsError::of("SESSION_MAX_SIZE"))?;
        Ok(self)
    }

    /// Returns whether sessions are stored in this process, so that no other process shares them.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        matches!(self.store, StoreUrl::Memory)
    }

    /// Returns how records are encoded.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns how long a session lasts without a request.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Returns how long a session lasts at most, from its creation or from the last sign-in.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Returns the cookie's name: the one that was set, or the default. The default is `PHPSESSID` in PHP's formats. In the
    /// format `json` it is `sid`, or `__Host-sid` if the cookie is always secure, has no domain and the path `/`.
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        self.cookie.name(self.format)
    }

    /// Returns the domain whose hosts receive the cookie, or `None` if only the host does that set it.
    #[must_use]
    pub fn cookie_domain(&self) -> Option<&str> {
        self.cookie.domain.as_deref()
    }

    /// Returns the path below which browsers send the cookie.
    #[must_use]
    pub fn cookie_path(&self) -> &str {
        &self.cookie.path
    }

    /// Returns whether browsers send the cookie with requests that come from other sites.
    #[must_use]
    pub fn cookie_same_site(&self) -> SameSite {
        self.cookie.same_site
    }

    /// Returns whether browsers send the cookie over https only.
    #[must_use]
    pub fn cookie_secure(&self) -> Secure {
        self.cookie.secure
    }

    /// Returns how long browsers keep the cookie.
    #[must_use]
    pub fn cookie_lifetime(&self) -> CookieLifetime {
        self.cookie.lifetime
    }

    /// Returns the prefix of every key in the store.
    #[must_use]
    pub fn key_prefix(&self) -> &str {
        &self.key_prefix
    }

    /// Returns the name of the field that names the user.
    #[must_use]
    pub fn principal_field(&self) -> &str {
        &self.principal_field
    }

    /// Returns how long one request waits for the store, all its operations together.
    #[must_use]
    pub fn store_timeout(&self) -> Duration {
        self.store_timeout
    }

    /// Returns how many bytes the record of a session may have.
    #[must_use]
    pub fn max_size(&self) -> usize {
        self.max_size
    }

    pub(crate) fn store(&self) -> &StoreUrl {
        &self.store
    }

    /// Returns how many replicas must confirm a change before it counts as stored.
    #[must_use]
    pub fn store_replicas(&self) -> u32 {
        self.store_replicas
    }
}

#[cfg(feature = "redis")]
impl Settings {
    pub(crate) fn store_password_file(&self) -> Option<&Path> {
        self.store_password_file.as_deref()
    }

    pub(crate) fn store_sentinel_password_file(&self) -> Option<&Path> {
        self.store_sentinel_password_file.as_deref()
    }

    pub(crate) fn store_ca_file(&self) -> Option<&Path> {
        self.store_ca_file.as_deref()
    }

    pub(crate) fn store_cert_file(&self) -> Option<&Path> {
        self.store_cert_file.as_deref()
    }

    pub(crate) fn store_key_file(&self) -> Option<&Path> {
        self.store_key_file.as_deref()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: StoreUrl::Memory,
            store_password_file: None,
            store_sentinel_password_file: None,
            store_ca_file: None,
            store_cert_file: None,
            store_key_file: None,
            store_replicas: 0,
            format: Format::default(),
            ttl: Duration::from_secs(60 * 60),
            lifetime: Duration::from_secs(24 * 60 * 60),
            cookie: CookieSettings::default(),
            key_prefix: "session:".to_owned(),
            principal_field: "userid".to_owned(),
            store_timeout: Duration::from_millis(500),
            max_size: 256 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::error::option;
    use super::*;

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
