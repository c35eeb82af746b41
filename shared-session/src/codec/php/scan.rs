//! Reads a record's structure: where each value stands, and which slot of PHP's `unserialize` it takes.
//!
//! Takes what PHP takes and refuses what PHP refuses, as far as that can be told without PHP's classes. Nothing here
//! recurses: what is still open stands on a stack of its own, as deep as PHP itself goes.

use std::ops::Range;

use super::cursor::{Cursor, Fault};
use super::text::{Key, Keys, Text, canonical_integer};

/// PHP's `unserialize_max_depth`. Empty arrays do not count, empty objects do.
const MAX_DEPTH: usize = 4096;

/// One value.
#[derive(Debug)]
pub(super) struct Node {
    /// What it stands under; of the outermost value of `php_serialize`, nothing.
    pub key: Option<Key>,
    /// Where its key begins.
    pub from: usize,
    /// Where the value itself stands.
    pub at: Range<usize>,
    pub kind: Kind,
    /// The index of the first node after it and all that it holds.
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
    /// `C:`, an object in a format of its class's own. How many slots its payload takes only the class knows.
    Custom {
        class: Range<usize>,
        payload: Range<usize>,
    },
    Case {
        class: Range<usize>,
        name: Range<usize>,
    },
    /// `R:` and `r:`. `to` is the node; unknown where a `C:` before it may have taken the slot.
    Reference {
        slot: usize,
        to: Option<usize>,
    },
}

/// One field.
#[derive(Debug)]
pub(super) struct Entry {
    pub node: usize,
    /// The slots that it takes.
    pub slots: Range<usize>,
}

/// A record's structure.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub entries: Vec<Entry>,
    /// All values, each before what it holds.
    pub nodes: Vec<Node>,
    /// The nodes that are references, and those that are `C:`.
    pub references: Vec<usize>,
    pub customs: Vec<usize>,
    /// Whether a key stands in one array or object twice. PHP keeps the last value in the first one's place.
    pub repeated: bool,
}

impl Record {
    /// The nodes that a node holds itself, in the record's order.
    pub fn children(&self, node: usize) -> impl Iterator<Item = usize> {
        let end = self.nodes[node].end;
        let first = Some(node + 1).filter(|child| *child < end);
        std::iter::successors(first, move |child| {
            Some(self.nodes[*child].end).filter(|next| *next < end)
        })
    }

    /// Where a field stands, name and value.
    pub fn place(&self, entry: &Entry) -> Range<usize> {
        let node = &self.nodes[entry.node];
        node.from..node.at.end
    }
}

/// A record of the handler `php`: `name|value` again and again.
pub(super) fn delimited(source: &[u8]) -> Result<Record, Fault> {
    let mut scanner = Scanner::new(source);
    while !scanner.cursor.rest().is_empty() {
        let (node, slot, from) = (scanner.record.nodes.len(), scanner.slots.len(), scanner.cursor.at());
        let name = scanner.cursor.until(b'|')?;
        scanner.value(Some(Key::Text(Text::plain(name))), from)?;
        let slots = slot..scanner.slots.len();
        scanner.record.entries.push(Entry { node, slots });
    }
    scanner.finish()
}

/// A record of the handler `php_serialize`: one value, an array of the fields. PHP takes any other value too, and then
/// finds no field in it; and it takes anything after the value.
pub(super) fn serialized(source: &[u8]) -> Result<Record, Fault> {
    let mut scanner = Scanner::new(source);
    if source.is_empty() {
        return scanner.finish();
    }
    scanner.value(None, 0)?;
    let (record, slots) = (&scanner.record, &scanner.slots);
    if matches!(record.nodes[0].kind, Kind::Array) {
        let slot = |node: usize| slots.partition_point(|taken| *taken < node);
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
    /// The node that took each slot.
    slots: Vec<usize>,
    /// How many slots the payloads of `C:` can have taken at most, and how many were taken before the first of them.
    hidden: usize,
    certain: Option<usize>,
    open: Vec<Open<'a>>,
}

/// An array or object that is not read to its end.
struct Open<'a> {
    node: usize,
    left: u64,
    keys: Keys<'a>,
}

impl<'a> Scanner<'a> {
    fn new(source: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(source),
            source,
            record: Record::default(),
            slots: Vec::new(),
            hidden: 0,
            certain: None,
            open: Vec::new(),
        }
    }

    fn finish(self) -> Result<Record, Fault> {
        if self.record.repeated && !self.record.references.is_empty() {
            // Which of the two values a reference means differs between versions of PHP, and none writes this.
            return self.cursor.fault("a key twice in one array, beside references");
        }
        Ok(self.record)
    }

    /// One value with all that it holds.
    fn value(&mut self, key: Option<Key>, from: usize) -> Result<(), Fault> {
        self.begin(key, from)?;
        while let Some(top) = self.open.last_mut() {
            if top.left > 0 {
                top.left -= 1;
                let from = self.cursor.at();
                let key = self.key()?;
                self.begin(Some(key), from)?;
            } else {
                let node = top.node;
                self.open.pop();
                self.cursor.expect(b"}", "no end of an array or object")?;
                self.end(node);
            }
        }
        Ok(())
    }

    /// A value up to where the first value in it begins.
    fn begin(&mut self, key: Option<Key>, from: usize) -> Result<(), Fault> {
        let node = self.record.nodes.len();
        let before = self.slots.len();
        let start = self.cursor.at();
        if !self.cursor.rest().starts_with(b"R") {
            self.slots.push(node);
        }
        self.record.nodes.push(Node {
            key,
            from,
            at: start..start,
            kind: Kind::Null,
            end: node + 1,
        });
        self.record.nodes[node].kind = self.kind(node, before)?;
        if self.open.last().is_none_or(|top| top.node != node) {
            self.end(node);
        }
        Ok(())
    }

    fn end(&mut self, node: usize) {
        let end = self.record.nodes.len();
        let node = &mut self.record.nodes[node];
        node.end = end;
        node.at.end = self.cursor.at();
    }

    fn kind(&mut self, node: usize, before: usize) -> Result<Kind, Fault> {
        let cursor = &mut self.cursor;
        let tag = cursor.rest().first_chunk::<2>().copied().unwrap_or_default();
        match &tag {
            b"N;" => cursor.take(2).map(|_| Kind::Null),
            b"b:" if cursor.skips(b"b:0;") => Ok(Kind::Bool(false)),
            b"b:" if cursor.skips(b"b:1;") => Ok(Kind::Bool(true)),
            b"i:" => self.cursor.int().map(Kind::Int),
            b"d:" => self.cursor.float().map(Kind::Float),
            b"s:" | b"S:" => self.cursor.text().map(Kind::Text),
            b"a:" => self.array(node),
            b"O:" => self.object(node),
            b"C:" => self.custom(node),
            b"E:" => self.cursor.case().map(|(class, name)| Kind::Case { class, name }),
            b"R:" | b"r:" => self.reference(node, before),
            _ => cursor.fault("no value"),
        }
    }

    fn key(&mut self) -> Result<Key, Fault> {
        let key = match self.cursor.rest().first_chunk() {
            Some(b"i:") => Key::Int(self.cursor.int()?),
            Some(b"s:" | b"S:") => {
                let text = self.cursor.text()?;
                canonical_integer(&text.bytes(self.source)).map_or(Key::Text(text), Key::Int)
            }
            _ => return self.cursor.fault("no key"),
        };
        if let Some(top) = self.open.last_mut() {
            self.record.repeated |= !top.keys.add(&key, self.source);
        }
        Ok(key)
    }

    fn array(&mut self, node: usize) -> Result<Kind, Fault> {
        self.cursor.take(2)?;
        let count = self.cursor.count()?;
        self.cursor.expect(b":{", "no array")?;
        if count > 0 {
            self.nest(node, count)?;
        } else {
            self.cursor.expect(b"}", "no end of an array")?;
        }
        Ok(Kind::Array)
    }

    fn object(&mut self, node: usize) -> Result<Kind, Fault> {
        let class = self.cursor.class()?;
        let Ok(count) = u64::try_from(self.cursor.lenient()) else {
            return self.cursor.fault("a negative count");
        };
        self.cursor.expect(b":{", "no object")?;
        self.nest(node, count)?;
        Ok(Kind::Object { class })
    }

    fn nest(&mut self, node: usize, count: u64) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return self.cursor.fault("nested over 4096 deep");
        }
        // Each element takes two bytes and more: no count beyond that is worth beginning with.
        if count > self.cursor.rest().len() as u64 / 2 {
            return self.cursor.fault("a count beyond the end");
        }
        self.open.push(Open {
            node,
            left: count,
            keys: Keys::default(),
        });
        Ok(())
    }

    fn custom(&mut self, node: usize) -> Result<Kind, Fault> {
        let class = self.cursor.class()?;
        let Ok(length) = u64::try_from(self.cursor.lenient()) else {
            return self.cursor.fault("a negative length");
        };
        self.cursor.expect(b":{", "no object")?;
        let payload = self.cursor.take(length)?;
        self.cursor.expect(b"}", "no end of an object")?;
        self.record.customs.push(node);
        self.certain.get_or_insert(self.slots.len());
        self.hidden += payload.len();
        Ok(Kind::Custom { class, payload })
    }

    fn reference(&mut self, node: usize, before: usize) -> Result<Kind, Fault> {
        let handle = self.cursor.skips(b"r:");
        if !handle {
            self.cursor.take(2)?;
        }
        let number = self.cursor.unsigned()?;
        self.cursor.expect(b";", "no end of a reference")?;
        let slot = usize::try_from(number.wrapping_sub(1)).unwrap_or(usize::MAX);
        if slot >= before.saturating_add(self.hidden) {
            return self.cursor.fault("a reference to nothing before it");
        }
        let exact = slot < self.certain.unwrap_or(before).min(before);
        let to = if exact { self.referent(slot, handle)? } else { None };
        self.record.references.push(node);
        Ok(Kind::Reference { slot, to })
    }

    /// The node at a slot; for `r:`, only if that is an object.
    fn referent(&self, slot: usize, handle: bool) -> Result<Option<usize>, Fault> {
        let node = self.slots[slot];
        match self.record.nodes[node].kind {
            Kind::Reference { to, .. } => Ok(to),
            Kind::Object { .. } | Kind::Custom { .. } | Kind::Case { .. } => Ok(Some(node)),
            // An object that is still open has no kind yet.
            _ if handle && !self.source[self.record.nodes[node].at.start..].starts_with(b"O:") => {
                self.cursor.fault("an object's reference to no object")
            }
            _ => Ok(Some(node)),
        }
    }
}
