//! The principal: the user that the value of the principal field names.

use std::borrow::Cow;

use super::MAX_INTEGER;
use super::digest::{LENGTH, digest};

/// A user, by the beginning of the SHA-256 of the user's id: neither a key nor a log holds the id itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PrincipalDigest(String);

impl PrincipalDigest {
    /// Returns the digest of a user's id.
    pub fn of_user(user: &str) -> Self {
        Self(digest(&[user], LENGTH))
    }

    /// Returns the text for the key of the user's index.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the id of the user that a value of the principal field names: the text of a string that is not empty, or an
/// integer within ±[`MAX_INTEGER`], as it is written. Any other value names nobody.
pub(crate) fn user_id(value: &str) -> Option<Cow<'_, str>> {
    if value.starts_with('"') {
        // most texts have no escape sequence, and need not be copied
        let text = match serde_json::from_str::<&str>(value) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(serde_json::from_str(value).ok()?),
        };
        return (!text.is_empty()).then_some(text);
    }
    let number: i64 = value.parse().ok()?;
    // some languages hold -0 as 0
    (number.unsigned_abs() <= MAX_INTEGER && value != "-0").then_some(Cow::Borrowed(value))
}
