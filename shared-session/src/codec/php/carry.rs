//! Carries fields over from a record to the next one, byte for byte but for the numbers in their references.
//!
//! `R:` and `r:` name a slot: the how-manieth value of the whole record `unserialize` met. A field that goes, comes or
//! becomes another in front of them shifts that number.

use super::scan::{Entry, Kind, Record};
use crate::session::fields::Field;

const REPLACED: &str =
    "it refers to a value that this change removes or replaces, and PHP would read another in its place";
const UNKNOWN: &str = "its place in the record is not known";
const CUSTOM: &str = "the record holds a PHP object in a format of its class's own (C:) together with references, and only \
                      fields behind those can change: nobody but the class knows what the references mean";

pub(super) struct Carrier<'a> {
    record: &'a Record,
    source: &'a [u8],
    /// The slot at which each field of the record begins in the new one, once it is there.
    moved: Vec<Option<usize>>,
    /// The next slot of the new record.
    next: usize,
    /// How many fields must stay where they are: where a `C:` stands together with references, all up to the last of
    /// these, for its payload may hold more slots, and references of its own.
    pinned: usize,
}

impl<'a> Carrier<'a> {
    /// `outer` slots come before the first field's, in both records.
    pub fn new(record: &'a Record, source: &'a [u8], outer: usize) -> Self {
        Self {
            record,
            source,
            moved: vec![None; record.entries.len()],
            next: outer,
            pinned: pinned(record, source),
        }
    }

    /// Why the record cannot become these fields, if a `C:` that stands together with references is why.
    pub fn refusal(&self, fields: &[Field]) -> Option<String> {
        let stays = |(entry, field): (&Entry, &Field)| field.place.as_ref() == Some(&self.record.place(entry));
        let pinned = &self.record.entries[..self.pinned];
        let kept = fields.len() >= pinned.len() && pinned.iter().zip(fields).all(stays);
        (!kept).then(|| CUSTOM.to_owned())
    }

    /// The field that holds the first `C:`.
    pub fn holder(&self) -> Option<usize> {
        let first = self.record.customs.first()?;
        let entries = &self.record.entries;
        let index = entries.partition_point(|entry| entry.node <= *first);
        Some(entries.get(index.checked_sub(1)?)?.node)
    }

    /// Counts the slots of a value that is new.
    pub fn skip(&mut self, slots: usize) {
        self.next += slots;
    }

    /// Appends a field as it stands in the record, with its references pointing where they did.
    pub fn carry(&mut self, field: &Field, out: &mut Vec<u8>) -> Result<(), String> {
        let place = field.place.clone().unwrap_or_default();
        let entries = &self.record.entries;
        let index = entries
            .binary_search_by_key(&place.start, |entry| self.record.place(entry).start)
            .map_err(|_| UNKNOWN.to_owned())?;
        let entry = &entries[index];
        if self.record.place(entry) != place || self.moved[index].is_some() {
            return Err(UNKNOWN.to_owned());
        }
        self.moved[index] = Some(self.next);
        self.next += entry.slots.len();
        let nodes = entry.node..self.record.nodes[entry.node].end;
        let references = &self.record.references;
        let inside = references.partition_point(|node| *node < nodes.start)
            ..references.partition_point(|node| *node < nodes.end);
        let mut copied = place.start;
        for node in &references[inside] {
            let node = &self.record.nodes[*node];
            let Kind::Reference { slot, .. } = node.kind else {
                continue;
            };
            let moved = if self.pinned > 0 { Some(slot) } else { self.slot(slot) };
            let moved = moved.ok_or_else(|| REPLACED.to_owned())?;
            if moved != slot {
                out.extend_from_slice(&self.source[copied..node.at.start + 2]);
                out.extend_from_slice(format!("{};", moved + 1).as_bytes());
                copied = node.at.end;
            }
        }
        out.extend_from_slice(&self.source[copied..place.end]);
        Ok(())
    }

    /// Where a slot went, if it is still there, and in front.
    fn slot(&self, slot: usize) -> Option<usize> {
        let entries = &self.record.entries;
        let Some(index) = entries
            .partition_point(|entry| entry.slots.start <= slot)
            .checked_sub(1)
        else {
            return Some(slot);
        };
        let begin = self.moved[index]?;
        Some(begin + slot - entries[index].slots.start)
    }
}

/// How many of the fields in front can neither move nor change.
fn pinned(record: &Record, source: &[u8]) -> usize {
    let refers = |node: &usize| match &record.nodes[*node].kind {
        Kind::Custom { payload, .. } => seems_to_refer(&source[payload.clone()]),
        _ => false,
    };
    if record.customs.is_empty() || record.references.is_empty() && !record.customs.iter().any(refers) {
        return 0;
    }
    let last = record.customs.iter().chain(&record.references).max();
    record.entries.partition_point(|entry| Some(&entry.node) <= last)
}

/// Whether a payload holds what may be a reference of the values that are serialized in it.
fn seems_to_refer(payload: &[u8]) -> bool {
    payload
        .windows(3)
        .any(|bytes| matches!(bytes, [b'R' | b'r', b':', b'0'..=b'9']))
}
