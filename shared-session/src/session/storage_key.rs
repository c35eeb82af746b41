//! [`StorageKey`]: the key of a record or an index in the backend.

use std::fmt;

use bytestring::ByteString;

use super::digest::{WHOLE, digest};

/// The key of a record or of an index. `Display` and `Debug` show it as logs may: a digest replaces PHP's id in it.
/// Clones share the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StorageKey {
    key: ByteString,
    /// Where the id begins, if the key holds it.
    id_at: Option<usize>,
}

impl StorageKey {
    pub(super) fn new(key: String, id_at: Option<usize>) -> Self {
        Self { key: key.into(), id_at }
    }

    /// Returns the key of an index. No id looks like it, because no id holds a colon.
    pub(crate) fn of_index(prefix: &str, principal: &str) -> Self {
        Self::new([prefix, "index:", principal].concat(), None)
    }

    /// Returns the key of the claim on a session of another library.
    pub(crate) fn of_claim(prefix: &str, name: &str) -> Self {
        Self::new([prefix, "adopted:", name].concat(), None)
    }

    /// Returns a key that never holds a record, for checks of the backend. No id is as short. The keys of different
    /// numbers are spread over the parts of the backend.
    pub(crate) fn of_check(prefix: &str, number: u32) -> Self {
        Self::new(format!("{prefix}check{number}"), None)
    }

    /// Returns the key as the backend takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id_at {
            None => formatter.write_str(&self.key),
            Some(at) => {
                let (prefix, id) = self.as_str().split_at(at);
                let digest = digest(&[id], WHOLE);
                write!(formatter, "{prefix}(sha256:{digest})")
            }
        }
    }
}

impl fmt::Debug for StorageKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
