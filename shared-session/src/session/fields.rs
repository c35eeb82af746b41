//! [`Fields`]: the fields of a session, in the order of its record.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

/// The name of the field that holds the session's metadata, such as the time of its creation. Handlers can neither see
/// nor set it.
pub const RESERVED: &str = "_session";

/// One field of a record. The texts may share the memory of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, as handlers see it.
    pub name: ByteString,
    /// The value as JSON text.
    pub value: ByteString,
    /// The bytes of the field in [`Fields::source`], or `None` if the field was set since decoding. A codec copies these
    /// bytes when it encodes the field, so that values which JSON cannot express survive.
    pub span: Option<Range<usize>>,
}

/// The fields of a session, in the record's order.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    source: Bytes,
    entries: Vec<Field>,
    touched: bool,
}

impl Fields {
    /// Creates an empty set of fields, for a session that is not stored yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates the fields that a codec decoded from `source`. If a name occurs more than once, its last field counts.
    #[must_use]
    pub fn decoded(source: Bytes, entries: Vec<Field>) -> Self {
        Self {
            source,
            entries,
            touched: false,
        }
    }

    /// Returns the record from which these fields were decoded, or no bytes for fields that were not decoded.
    #[must_use]
    pub fn source(&self) -> &Bytes {
        &self.source
    }

    /// Returns whether a field was set or removed since decoding. If not, the record is [`source`](Self::source).
    #[must_use]
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// Returns every field of the record in its order, including repeated names and the reserved one.
    #[must_use]
    pub fn entries(&self) -> &[Field] {
        &self.entries
    }

    /// Returns a field's value as JSON text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_shared(name).map(|value| &**value)
    }

    /// Returns a field's value as JSON text, in the memory of the record if it was decoded from it.
    pub(crate) fn get_shared(&self, name: &str) -> Option<&ByteString> {
        let field = self.entries.iter().rev().find(|field| field.name == name)?;
        Some(&field.value)
    }

    /// Returns the fields that handlers see: every name except the reserved one, each with its last value.
    #[must_use]
    pub fn visible(&self) -> HashMap<&str, &str> {
        let mut visible: HashMap<&str, &str> = self.entries.iter().map(|field| (&*field.name, &*field.value)).collect();
        visible.remove(RESERVED);
        visible
    }

    /// Returns the fields that handlers see, in the record's order. Of fields with the same name, the last one counts.
    pub(crate) fn visible_entries(&self) -> impl Iterator<Item = &Field> + Clone {
        self.entries.iter().filter(|field| field.name != RESERVED)
    }

    /// Sets a field to JSON text. Replaces the last field of that name, removes the others, or appends a new field.
    pub fn set(&mut self, name: &str, value: &str) {
        self.touched = true;
        let value = value.into();
        let Some(last) = self.entries.iter().rposition(|entry| entry.name == name) else {
            let name = name.into();
            return self.entries.push(Field {
                name,
                value,
                span: None,
            });
        };
        (self.entries[last].value, self.entries[last].span) = (value, None);
        if self.entries[..last].iter().any(|entry| entry.name == name) {
            let mut index = 0;
            self.entries.retain(|entry| {
                index += 1;
                entry.name != name || index - 1 == last
            });
        }
    }

    /// Removes every field of that name.
    pub fn remove(&mut self, name: &str) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.name != name);
        self.touched |= self.entries.len() != before;
    }
}
