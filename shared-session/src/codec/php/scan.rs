//! Scans a record: where each value is, and which slot of PHP's `unserialize` it takes.
//!
//! It accepts and refuses the same records as PHP, as far as this is possible without PHP's classes. It does not recurse:
//! open arrays and objects are on a stack of its own, as deep as PHP allows.

use std::ops::Range;

use super::cursor::{Cursor, SyntaxError};
use super::text::{Key, Keys, Text, canonical_integer};

/// PHP's `unserialize_max_depth`. Empty arrays do not count, empty objects do.
const MAX_DEPTH: usize = 4096;

/// A value of a record.
#[derive(Debug)]
pub(super) struct Node {
    /// The key of the value. The outermost value of a `php_serialize` record has none.
    pub key: Option<Key>,
    /// The offset of the key.
    pub key_start: usize,
    /// The bytes of the value.
    pub span: Range<usize>,
    pub kind: Kind,
    /// The index of the first node after this one and its descendants.
    pub end: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    Array,
    Object {
        class: Range<usize>,
    },
    /// `C:`, an object that its class serialized itself. Only the class knows how many slots the payload takes.
    Custom {
        class: Range<usize>,
        payload: Range<usize>,
    },
    EnumCase {
        class: Range<usize>,
        case: Range<usize>,
    },
    /// `R:` or `r:`. The target is unknown if a `C:` before it may have taken the slot.
    Reference {
        slot: usize,
        target: Option<usize>,
    },
}

/// A field of a record.
#[derive(Debug)]
pub(super) struct Entry {
    pub node: usize,
    /// The slots that the field takes.
    pub slots: Range<usize>,
}

/// The structure of a record.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub entries: Vec<Entry>,
    /// All values, each before its descendants.
    pub nodes: Vec<Node>,
    /// The nodes that are references.
    pub references: Vec<usize>,
    /// The nodes that are `C:`.
    pub customs: Vec<usize>,
    /// Whether a key occurs twice in an array or object. PHP keeps the last value at the position of the first.
    pub has_repeated_keys: bool,
}

impl Record {
    /// Returns the children of a node in the record's order.
    pub fn children(&self, node: usize) -> impl Iterator<Item = usize> {
        let end = self.nodes[node].end;
        let first = Some(node + 1).filter(|child| *child < end);
        std::iter::successors(first, move |child| {
            Some(self.nodes[*child].end).filter(|next| *next < end)
        })
    }

    /// Returns the bytes of a field, name and value.
    pub fn span(&self, entry: &Entry) -> Range<usize> {
        let node = &self.nodes[entry.node];
        node.key_start..node.span.end
    }
}

/// Scans a record of the handler `php`, a sequence of `name|value`.
pub(super) fn scan_php(source: &[u8]) -> Result<Record, SyntaxError> {
    let mut scanner = Scanner::new(source);
    while !scanner.cursor.rest().is_empty() {
        let (node, first_slot) = (scanner.record.nodes.len(), scanner.slots.len());
        let start = scanner.cursor.offset();
        let name = scanner.cursor.take_until(b'|')?;
        scanner.value(Some(Key::Text(Text::plain(name))), start)?;
        let slots = first_slot..scanner.slots.len();
        scanner.record.entries.push(Entry { node, slots });
    }
    scanner.finish()
}

/// Scans a record of the handler `php_serialize`, one array of all fields. Like PHP, it accepts any other value, in which
/// there are no fields, and ignores the bytes after the value.
pub(super) fn scan_php_serialize(source: &[u8]) -> Result<Record, SyntaxError> {
    let mut scanner = Scanner::new(source);
    if source.is_empty() {
        return scanner.finish();
    }
    scanner.value(None, 0)?;
    let (record, slots) = (&scanner.record, &scanner.slots);
    if matches!(record.nodes[0].kind, Kind::Array) {
        let slot = |node: usize| slots.partition_point(|owner| *owner < node);
        let entry = |node: usize| Entry {
            node,
            slots: slot(node)..slot(record.nodes[node].end),
        };
        scanner.record.entries = record.children(0).map(entry).collect();
    }
    scanner.finish()
}

struct Scanner<'a> {
    cursor: Cursor<'a>,
    source: &'a [u8],
    record: Record,
    /// The node that takes each slot.
    slots: Vec<usize>,
    /// The most slots that the payloads of `C:` can take.
    hidden_slots: usize,
    /// The number of slots before the first `C:`.
    certain_slots: Option<usize>,
    open: Vec<OpenContainer<'a>>,
}

/// An array or object whose end has not been read.
struct OpenContainer<'a> {
    node: usize,
    remaining: u64,
    keys: Keys<'a>,
}

impl<'a> Scanner<'a> {
    fn new(source: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(source),
            source,
            record: Record::default(),
            slots: Vec::new(),
            hidden_slots: 0,
            certain_slots: None,
            open: Vec::new(),
        }
    }

    fn finish(self) -> Result<Record, SyntaxError> {
        if self.record.has_repeated_keys && !self.record.references.is_empty() {
            // versions of PHP differ in which of the two values a reference means, and none of them writes such a record
            return self.cursor.error("repeated key in an array, together with references");
        }
        Ok(self.record)
    }

    /// Reads a value and all that it contains.
    fn value(&mut self, key: Option<Key>, key_start: usize) -> Result<(), SyntaxError> {
        self.start_value(key, key_start)?;
        while let Some(top) = self.open.last_mut() {
            if top.remaining > 0 {
                top.remaining -= 1;
                let key_start = self.cursor.offset();
                let key = self.key()?;
                self.start_value(Some(key), key_start)?;
            } else {
                let node = top.node;
                self.open.pop();
                self.cursor.expect(b"}", "missing end of an array or object")?;
                self.end_value(node);
            }
        }
        Ok(())
    }

    /// Reads a value, or the part of an array or object before its first element.
    fn start_value(&mut self, key: Option<Key>, key_start: usize) -> Result<(), SyntaxError> {
        let node = self.record.nodes.len();
        let slots_before = self.slots.len();
        let start = self.cursor.offset();
        if !self.cursor.rest().starts_with(b"R") {
            self.slots.push(node);
        }
        self.record.nodes.push(Node {
            key,
            key_start,
            span: start..start,
            kind: Kind::Null,
            end: node + 1,
        });
        self.record.nodes[node].kind = self.kind(node, slots_before)?;
        if self.open.last().is_none_or(|top| top.node != node) {
            self.end_value(node);
        }
        Ok(())
    }

    fn end_value(&mut self, node: usize) {
        let end = self.record.nodes.len();
        let node = &mut self.record.nodes[node];
        node.end = end;
        node.span.end = self.cursor.offset();
    }

    fn kind(&mut self, node: usize, slots_before: usize) -> Result<Kind, SyntaxError> {
        let cursor = &mut self.cursor;
        let tag = cursor.rest().first_chunk::<2>().copied().unwrap_or_default();
        match &tag {
            b"N;" => cursor.take(2).map(|_| Kind::Null),
            b"b:" if cursor.eat(b"b:0;") => Ok(Kind::Bool(false)),
            b"b:" if cursor.eat(b"b:1;") => Ok(Kind::Bool(true)),
            b"i:" => cursor.int().map(Kind::Int),
            b"d:" => cursor.float().map(Kind::Float),
            b"s:" | b"S:" => cursor.text().map(Kind::Text),
            b"a:" => self.array(node),
            b"O:" => self.object(node),
            b"C:" => self.custom(node),
            b"E:" => cursor.enum_case().map(|(class, case)| Kind::EnumCase { class, case }),
            b"R:" | b"r:" => self.reference(node, slots_before),
            _ => cursor.error("invalid value"),
        }
    }

    fn key(&mut self) -> Result<Key, SyntaxError> {
        let key = match self.cursor.rest().first_chunk() {
            Some(b"i:") => Key::Int(self.cursor.int()?),
            Some(b"s:" | b"S:") => {
                let text = self.cursor.text()?;
                canonical_integer(&text.bytes(self.source)).map_or(Key::Text(text), Key::Int)
            }
            _ => return self.cursor.error("invalid key"),
        };
        if let Some(top) = self.open.last_mut() {
            self.record.has_repeated_keys |= !top.keys.add(&key, self.source);
        }
        Ok(key)
    }

    fn array(&mut self, node: usize) -> Result<Kind, SyntaxError> {
        self.cursor.take(2)?;
        let count = self.cursor.count()?;
        self.cursor.expect(b":{", "missing start of an array")?;
        if count > 0 {
            self.open_container(node, count)?;
        } else {
            self.cursor.expect(b"}", "missing end of an array")?;
        }
        Ok(Kind::Array)
    }

    fn object(&mut self, node: usize) -> Result<Kind, SyntaxError> {
        let class = self.cursor.class()?;
        let Ok(count) = u64::try_from(self.cursor.optional_signed()) else {
            return self.cursor.error("negative count");
        };
        self.cursor.expect(b":{", "missing start of an object")?;
        self.open_container(node, count)?;
        Ok(Kind::Object { class })
    }

    fn open_container(&mut self, node: usize, count: u64) -> Result<(), SyntaxError> {
        if self.open.len() >= MAX_DEPTH {
            return self.cursor.error("nested more than 4096 levels deep");
        }
        // each element takes at least two bytes, so a greater count is refused before its elements are read
        if count > self.cursor.rest().len() as u64 / 2 {
            return self.cursor.error("count beyond the end");
        }
        self.open.push(OpenContainer {
            node,
            remaining: count,
            keys: Keys::default(),
        });
        Ok(())
    }

    fn custom(&mut self, node: usize) -> Result<Kind, SyntaxError> {
        let class = self.cursor.class()?;
        let Ok(length) = u64::try_from(self.cursor.optional_signed()) else {
            return self.cursor.error("negative length");
        };
        self.cursor.expect(b":{", "missing start of an object")?;
        let payload = self.cursor.take(length)?;
        self.cursor.expect(b"}", "missing end of an object")?;
        self.record.customs.push(node);
        self.certain_slots.get_or_insert(self.slots.len());
        self.hidden_slots += payload.len();
        Ok(Kind::Custom { class, payload })
    }

    fn reference(&mut self, node: usize, slots_before: usize) -> Result<Kind, SyntaxError> {
        let to_object = self.cursor.eat(b"r:");
        if !to_object {
            self.cursor.take(2)?;
        }
        let number = self.cursor.unsigned()?;
        self.cursor.expect(b";", "missing end of a reference")?;
        let slot = usize::try_from(number.wrapping_sub(1)).unwrap_or(usize::MAX);
        if slot >= slots_before.saturating_add(self.hidden_slots) {
            return self.cursor.error("reference to a value that does not come before it");
        }
        let is_certain = slot < self.certain_slots.unwrap_or(slots_before).min(slots_before);
        let target = if is_certain {
            self.target(slot, to_object)?
        } else {
            None
        };
        self.record.references.push(node);
        Ok(Kind::Reference { slot, target })
    }

    /// Returns the node at a slot. An `r:` must refer to an object.
    fn target(&mut self, slot: usize, to_object: bool) -> Result<Option<usize>, SyntaxError> {
        let node = self.slots[slot];
        match self.record.nodes[node].kind {
            Kind::Reference { target, .. } => Ok(target),
            Kind::Object { .. } | Kind::Custom { .. } | Kind::EnumCase { .. } => Ok(Some(node)),
            // the kind of an object is not set while the object is open
            _ if to_object && !self.source[self.record.nodes[node].span.start..].starts_with(b"O:") => {
                self.cursor.error("object reference to a value that is not an object")
            }
            _ => Ok(Some(node)),
        }
    }
}
