//! The setters of [`Settings`], for an application that does not take them from the environment. Each one checks its value.

use std::path::PathBuf;
use std::time::Duration;

use super::check;
use super::cookie::{CookieLifetime, SameSite};
use super::{Secure, Settings, SettingsError, StoreUrl};
use crate::format::Format;

impl Settings {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::error::option;

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
