//! [`Handle`]: a name for a session that may be shown, in a list or a form.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::digest::{WHOLE, digest};
use super::storage_key::StorageKey;

/// A public name of a session, for lists and forms.
///
/// It is not the id: it neither opens the session nor reveals the key of its record. It stays the same when the session
/// is renewed. Its text is 43 characters of base64url.
///
/// # Examples
///
/// ```
/// use shared_session::{Handle, InvalidHandle, Registry};
///
/// /// Revokes the session that a form names. Returns whether there was one.
/// async fn revoke(registry: &Registry, user: &str, text: &str) -> Result<bool, shared_session::Error> {
///     match text.parse::<Handle>() {
///         Ok(handle) => registry.revoke(user, &handle).await,
///         Err(InvalidHandle) => Ok(false),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle(String);

/// The error of a text that is not a [`Handle`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the handle of a session")]
pub struct InvalidHandle;

impl Handle {
    pub(crate) fn of(key: &StorageKey) -> Self {
        Self(digest(&[key.as_str()], WHOLE))
    }

    /// Returns the handle as a number, which is shorter and as good as unique.
    #[cfg(feature = "tower")]
    pub(crate) fn number(&self) -> i128 {
        let bytes = URL_SAFE_NO_PAD.decode(&self.0).unwrap_or_default();
        bytes.first_chunk().copied().map_or(0, i128::from_le_bytes)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Handle {
    type Err = InvalidHandle;

    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(digest) if digest.len() == WHOLE => Ok(Self(text.to_owned())),
            _ => Err(InvalidHandle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_as_it_is_shown_and_nothing_else_is_one() {
        let handle = Handle::of(&StorageKey::new("session:a".to_owned(), None));
        let text = handle.to_string();
        assert_eq!((text.len(), text.parse()), (43, Ok(handle)));
        for bad in [
            "",
            "a",
            &text[1..],
            &format!("{text}A"),
            &"=".repeat(43),
            &"é".repeat(43),
        ] {
            assert_eq!(bad.parse::<Handle>(), Err(InvalidHandle), "{bad}");
        }
    }
}
