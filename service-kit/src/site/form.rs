//! The fields of a form, as a page shows them again if the form was invalid.

/// A field of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormField {
    /// The submitted or initial value. Empty for passwords, which are never shown again.
    pub value: String,
    /// The error message to show beside the field.
    pub error: Option<String>,
}

impl FormField {
    /// Returns a field without an error.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            error: None,
        }
    }

    /// Adds an error message.
    #[must_use]
    pub fn with_error(self, error: impl Into<String>) -> Self {
        Self {
            error: Some(error.into()),
            ..self
        }
    }

    /// Adds the error message of a check, if it failed.
    #[must_use]
    pub fn checked<T>(self, check: &Result<T, String>) -> Self {
        match check {
            Ok(_) => self,
            Err(error) => self.with_error(error),
        }
    }
}
