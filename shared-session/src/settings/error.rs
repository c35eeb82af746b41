//! [`SettingsError`]: one line that names the option and the variable.

/// The error of an invalid setting. Its text is one line that names the option and the variable, and repeats no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{} ({variable}): {reason}", option(.variable))]
pub struct SettingsError {
    variable: &'static str,
    reason: String,
}

/// Returns the command-line option that belongs to a variable: `session-ttl` for `SESSION_TTL`.
pub(super) fn option(variable: &str) -> String {
    variable.to_ascii_lowercase().replace('_', "-")
}

impl SettingsError {
    /// Creates the error of an invalid `variable`, for an application that has further rules for a setting.
    ///
    /// The reason becomes part of the text, so it must not repeat a secret.
    ///
    /// ```
    /// use shared_session::SettingsError;
    ///
    /// let error = SettingsError::new("SESSION_PRINCIPAL_FIELD", "this site uses userid");
    /// assert_eq!(error.to_string(), "--session-principal-field (SESSION_PRINCIPAL_FIELD): this site uses userid");
    /// ```
    #[must_use]
    pub fn new(variable: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { variable, reason }
    }

    /// Returns a function that adds the variable to a reason.
    pub(super) fn of(variable: &'static str) -> impl FnOnce(String) -> Self {
        move |reason| Self { variable, reason }
    }
}
