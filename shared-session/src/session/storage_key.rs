//! [`StorageKey`]: the key of a record or an index in the backend. It knows no backend.

use std::fmt;

use super::id::hash;

/// The key of a record or of an index in the backend. Displayed as it may be logged: without the id, where the key holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageKey {
    key: String,
    /// Where the id begins, in a key that holds it.
    id_at: Option<usize>,
}

impl StorageKey {
    pub(super) fn new(key: String, id_at: Option<usize>) -> Self {
        Self { key, id_at }
    }

    /// A key that a tombstone names. Only formats whose keys hold no id have tombstones.
    pub(crate) fn named_by_tombstone(key: String) -> Self {
        Self { key, id_at: None }
    }

    /// The key of a person's index. No id looks like it: none holds a colon.
    pub(crate) fn of_index(prefix: &str, person: &str) -> Self {
        Self {
            key: format!("{prefix}index:{person}"),
            id_at: None,
        }
    }

    /// The key as the backend takes it.
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
                let (prefix, id) = self.key.split_at(at);
                write!(formatter, "{prefix}(sha256:{})", hash(id))
            }
        }
    }
}

impl fmt::Debug for StorageKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
