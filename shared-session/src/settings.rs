//! [`Settings`]: where sessions are stored and how. It knows no command line and no connection.

mod check;
#[cfg(feature = "clap")]
mod clap;
mod cookie;
mod error;
mod secure;
mod setters;
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
