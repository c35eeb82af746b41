//! Copies untouched fields to a new record, byte for byte except for the numbers in their references.
//!
//! `R:` and `r:` refer to a slot: the number of a value in the order in which `unserialize` meets them in the whole
//! record. If a field before it is added, removed or replaced, that number changes.

use super::scan::{Entry, Kind, Record};
use crate::session::fields::Field;

const REMOVED_TARGET: &str = "it refers to a value that this change removes or replaces";
const UNKNOWN_SPAN: &str = "its position in the record is unknown";
const CUSTOM: &str = "the record holds an object that its class serialized itself (C:) together with references, whose \
                      meaning only the class knows, so that only the fields after both can change";

/// Copies the fields of one record.
pub(super) struct Copier<'a> {
    record: &'a Record,
    source: &'a [u8],
    /// For each field of the record, its first slot in the new record once it is copied.
    new_slots: Vec<Option<usize>>,
    next_slot: usize,
    /// The number of fields at the front that must not change. If the record holds a `C:` and references, these are all
    /// fields up to the last of them, because the payload may take slots and contain references.
    pinned: usize,
}

impl<'a> Copier<'a> {
    /// Creates a copier for records in which `outer_slots` come before the slots of the fields.
    pub fn new(record: &'a Record, source: &'a [u8], outer_slots: usize) -> Self {
        Self {
            record,
            source,
            new_slots: vec![None; record.entries.len()],
            next_slot: outer_slots,
            pinned: pinned(record, source),
        }
    }

    /// Returns why the record cannot be changed to these fields, if a `C:` together with references is the reason.
    pub fn refusal(&self, fields: &[Field]) -> Option<String> {
        let is_unchanged = |(entry, field): (&Entry, &Field)| field.span.as_ref() == Some(&self.record.span(entry));
        let pinned = &self.record.entries[..self.pinned];
        let all_unchanged = fields.len() >= pinned.len() && pinned.iter().zip(fields).all(is_unchanged);
        (!all_unchanged).then(|| CUSTOM.to_owned())
    }

    /// Returns the node of the field that holds the first `C:`.
    pub fn field_with_custom(&self) -> Option<usize> {
        let first = self.record.customs.first()?;
        let entries = &self.record.entries;
        let index = entries.partition_point(|entry| entry.node <= *first);
        Some(entries.get(index.checked_sub(1)?)?.node)
    }

    /// Counts the slots of a new value.
    pub fn skip(&mut self, slots: usize) {
        self.next_slot += slots;
    }

    /// Appends the bytes of an untouched field, with references that have the same targets as before.
    pub fn copy(&mut self, field: &Field, out: &mut Vec<u8>) -> Result<(), String> {
        let span = field.span.clone().unwrap_or_default();
        let entries = &self.record.entries;
        let index = entries
            .binary_search_by_key(&span.start, |entry| self.record.span(entry).start)
            .map_err(|_| UNKNOWN_SPAN.to_owned())?;
        let entry = &entries[index];
        if self.record.span(entry) != span || self.new_slots[index].is_some() {
            return Err(UNKNOWN_SPAN.to_owned());
        }
        self.new_slots[index] = Some(self.next_slot);
        self.next_slot += entry.slots.len();
        let nodes = entry.node..self.record.nodes[entry.node].end;
        let references = &self.record.references;
        let own_references = references.partition_point(|node| *node < nodes.start)
            ..references.partition_point(|node| *node < nodes.end);
        let mut copied = span.start;
        for node in &references[own_references] {
            let node = &self.record.nodes[*node];
            let Kind::Reference { slot, .. } = node.kind else {
                continue;
            };
            let new_slot = if self.pinned > 0 {
                Some(slot)
            } else {
                self.new_slot(slot)
            };
            let new_slot = new_slot.ok_or_else(|| REMOVED_TARGET.to_owned())?;
            if new_slot != slot {
                out.extend_from_slice(&self.source[copied..node.span.start + 2]);
                out.extend_from_slice(format!("{};", new_slot + 1).as_bytes());
                copied = node.span.end;
            }
        }
        out.extend_from_slice(&self.source[copied..span.end]);
        Ok(())
    }

    /// Returns the slot in the new record of a value that is already copied.
    fn new_slot(&self, slot: usize) -> Option<usize> {
        let entries = &self.record.entries;
        let Some(index) = entries
            .partition_point(|entry| entry.slots.start <= slot)
            .checked_sub(1)
        else {
            return Some(slot);
        };
        let first = self.new_slots[index]?;
        Some(first + slot - entries[index].slots.start)
    }
}

/// Returns the number of fields at the front that must not change.
fn pinned(record: &Record, source: &[u8]) -> usize {
    let has_references = |node: &usize| match &record.nodes[*node].kind {
        Kind::Custom { payload, .. } => may_contain_references(&source[payload.clone()]),
        _ => false,
    };
    if record.customs.is_empty() || record.references.is_empty() && !record.customs.iter().any(has_references) {
        return 0;
    }
    let last = record.customs.iter().chain(&record.references).max();
    record.entries.partition_point(|entry| Some(&entry.node) <= last)
}

fn may_contain_references(payload: &[u8]) -> bool {
    payload
        .windows(3)
        .any(|bytes| matches!(bytes, [b'R' | b'r', b':', b'0'..=b'9']))
}
