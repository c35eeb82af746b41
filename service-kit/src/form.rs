//! A form's fields as they are shown again when something is wrong with one: what was typed, and what is wrong.

/// One field of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// What was typed, or what the field begins with. A password is not shown again.
    pub value: String,
    /// What is wrong with it, as a sentence beside the field.
    pub error: Option<String>,
}

impl Field {
    /// A field in which nothing is wrong yet.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            error: None,
        }
    }

    /// The same with what is wrong.
    #[must_use]
    pub fn with_error(self, error: impl Into<String>) -> Self {
        Self {
            error: Some(error.into()),
            ..self
        }
    }

    /// The same with what is wrong, if something is.
    #[must_use]
    pub fn checked<T>(self, checked: &Result<T, String>) -> Self {
        match checked {
            Ok(_) => self,
            Err(error) => self.with_error(error),
        }
    }
}
