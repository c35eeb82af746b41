//! [`Settings`]: where sessions are stored and how.

mod check;
#[cfg(feature = "clap")]
mod clap;
mod cookie;
mod environment;
mod error;
mod secure;
mod setting;
mod store_url;
mod table;
mod text;

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) use self::cookie::CookieRules;
pub use self::cookie::{CookieLifetime, SameSite};
pub(crate) use self::environment::warn_about_unknown_variables;
pub use self::error::SettingsError;
pub use self::secure::Secure;
pub(crate) use self::store_url::StoreUrl;
use self::table::SETTINGS;
pub use self::table::Settings;

impl Settings {
    /// Returns the settings that the environment variables hold. An unset variable leaves the default.
    ///
    /// The first [`SessionManager`](crate::SessionManager) that is built then warns about other variables that begin with
    /// `SESSION_`, and names the setting that is spelt nearly the same.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if a variable is invalid or empty.
    pub fn from_env() -> Result<Self, SettingsError> {
        environment::note_read();
        Self::from_variables(std::env::var_os)
    }

    /// Returns the settings whose texts `value` returns by the variables' names, for programs with another source than the
    /// environment. A variable without a text leaves the default.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if a text is invalid or empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use shared_session::Settings;
    ///
    /// let settings = Settings::from_variables(|name| (name == "SESSION_TTL").then(|| "30m".into()))?;
    /// assert_eq!(settings.ttl().as_secs(), 30 * 60);
    /// # Ok::<(), shared_session::SettingsError>(())
    /// ```
    pub fn from_variables(mut value: impl FnMut(&'static str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for setting in SETTINGS {
            if let Some(value) = value(setting.variable) {
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
        matches!(self.store(), StoreUrl::Memory)
    }

    /// Sets the files with the certificate by which this process identifies itself to Redis, and its private key (PEM).
    #[must_use]
    pub fn with_store_client_certificate(self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.with_store_cert_file(cert).with_store_key_file(key)
    }
}
