//! A session's fields, and the change that one request makes to them.
//!
//! Knows names and values alone: not how a record spells them ([`crate::codec`]), not where it lies, not HTTP.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;

use super::change::Change;

/// The field that holds a session's own metadata, such as its creation. Handlers neither see nor write it.
pub const RESERVED: &str = "_session";

/// One field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, as handlers see it.
    pub name: String,
    /// The value as JSON text, as [`actix_session::Session`] holds it.
    pub value: String,
    /// Where the field stands in [`Fields::source`], in the codec's spelling; `None` once it was set anew. A codec
    /// writes a field that has a place back byte for byte, so a record carries what JSON cannot express.
    pub place: Option<Range<usize>>,
}

/// The fields of a session, in the record's order.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    source: Bytes,
    entries: Vec<Field>,
    touched: bool,
}

impl Fields {
    /// No fields: a session that does not exist yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a codec read out of `source`. A name may stand there more than once; the last one counts.
    #[must_use]
    pub fn decoded(source: Bytes, entries: Vec<Field>) -> Self {
        Self {
            source,
            entries,
            touched: false,
        }
    }

    /// The record that these fields were decoded from; empty for fields that never were in one.
    #[must_use]
    pub fn source(&self) -> &Bytes {
        &self.source
    }

    /// Whether anything was set or removed since decoding. If not, the record is [`source`](Self::source) itself.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// Every entry of the record, in its order, with repeated names and the reserved one.
    #[must_use]
    pub fn entries(&self) -> &[Field] {
        &self.entries
    }

    /// A field's value as JSON text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.entries.iter().rev().find(|field| field.name == name)?;
        Some(&field.value)
    }

    /// The fields that handlers see: every name but the reserved one, with the value that counts.
    #[must_use]
    pub fn visible(&self) -> HashMap<&str, &str> {
        let mut visible: HashMap<&str, &str> = self
            .entries
            .iter()
            .map(|field| (field.name.as_str(), field.value.as_str()))
            .collect();
        visible.remove(RESERVED);
        visible
    }

    /// The same as handlers' sessions hold them.
    pub(crate) fn owned(&self) -> HashMap<String, String> {
        let visible = self.visible().into_iter();
        visible
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Sets a field to JSON text, in the place of the field of that name, or at the end.
    pub fn set(&mut self, name: &str, value: &str) {
        self.touched = true;
        let field = Field {
            name: name.to_owned(),
            value: value.to_owned(),
            place: None,
        };
        let Some(last) = self.entries.iter().rposition(|entry| entry.name == name) else {
            return self.entries.push(field);
        };
        self.entries[last] = field;
        let mut index = 0;
        self.entries.retain(|entry| {
            index += 1;
            entry.name != name || index - 1 == last
        });
    }

    /// Removes a field, every time its name stands there.
    pub fn remove(&mut self, name: &str) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.name != name);
        self.touched |= self.entries.len() != before;
    }

    /// Makes a request's change to these fields, whatever else they have become since the request read them.
    pub fn apply(&mut self, change: &Change) {
        for name in &change.removed {
            self.remove(name);
        }
        for (name, value) in &change.set {
            if self.get(name) != Some(value) {
                self.set(name, value);
            }
        }
    }

    /// Takes a change back: what still is as the change left it becomes what it was in `before`.
    pub fn undo(&mut self, change: &Change, before: &Fields) {
        let removed = change.removed.iter().map(|name| (name, None));
        for (name, left) in change
            .set
            .iter()
            .map(|(name, value)| (name, Some(&**value)))
            .chain(removed)
        {
            if self.get(name) == left {
                match before.get(name) {
                    Some(value) => self.set(name, value),
                    None => self.remove(name),
                }
            }
        }
    }
}
