//! [`Php`]: the codec of the formats `php` and `php_serialize`, which PHP's own session code reads and writes, so that a PHP
//! application and Rust services share one session.
//!
//! PHP uses `php` if `session.serialize_handler` is `php`, its default (`username|s:3:"kky";visits|i:3;`), and
//! `php_serialize` if it is `php_serialize` (`a:2:{s:8:"username";s:3:"kky";s:6:"visits";i:3;}`).
//!
//! # What handlers read
//!
//! | PHP | JSON |
//! | --- | --- |
//! | null, boolean, integer, string | the same |
//! | float | a number with a point or an exponent, such as `10.0` |
//! | an array with the keys 0, 1, 2 … in this order, or an empty array | an array |
//! | any other array | an object: its members keep the record's order, and integer keys become decimal names |
//! | a reference (`&`), or an object that the session contains twice | the value to which it refers |
//! | anything else | a tag, as listed below |
//!
//! JSON cannot express the following values. They become an object with the member `$php`, called a tag:
//!
//! | tag | PHP |
//! | --- | --- |
//! | `{"$php":"bytes","hex":"ff00"}` | a string that is not UTF-8 |
//! | `{"$php":"float","value":"INF"}` | `INF`, `-INF` or `NAN` |
//! | `{"$php":"array","entries":[["a",1],[{"$php":"bytes","hex":"ff"},2]]}` | an array with a key that is not UTF-8 or is `$php` |
//! | `{"$php":"object","class":"App\\User","properties":{"id":7}}` | an object, with all its properties, also the private ones |
//! | `{"$php":"enum","case":"Hearts","class":"App\\Suit"}` | an enum case |
//! | `{"$php":"custom","class":"Foo","hex":"…"}` | an object that its class serialized itself (`C:`) |
//! | `{"$php":"reference"}` | a reference to a value that contains it, or a reference whose text would be too long |
//! | `{"$php":"deep"}` | a field whose value is nested more than 127 levels deep |
//!
//! A field that a handler does not set keeps its bytes, with or without tags. In a value that a handler sets, the tags
//! `bytes` and `float` are written as the values that they represent. All other tags are refused, so that no value that a
//! user sent can become an object in PHP.
//!
//! A field whose name is not UTF-8 is called `$php:bytes:` followed by the name in hexadecimal.
//!
//! # What handlers write
//!
//! A value that a handler sets is written as PHP's `serialize` would write it. PHP has one type of array: an empty JSON
//! object is read back as `[]`, and an object with the members `0`, `1`, `2` … in this order as an array. A
//! `serde_json::Value` sorts the members of an object, so a handler that sets an array with other keys to the `Value` that it
//! read may reorder the keys.
//!
//! A field that is set is no longer part of a reference. The change is refused if another field refers to the previous
//! value.

mod copy;
mod cursor;
mod scan;
mod text;
mod tokens;
mod view;
mod write;

use bytes::Bytes;

use self::copy::Copier;
use self::scan::{Kind, Record};
use self::text::{Key, canonical_integer, hex, unhex};
use self::view::View;
use super::{Codec, CodecError, MAX_JSON_DEPTH};
use crate::session::fields::{Field, Fields};

/// The member that makes an object a tag.
const TAG: &str = "$php";

/// The prefix of the names that represent other names.
const RESERVED_PREFIX: &str = "$php:";
/// The prefix of the names that represent bytes.
const BYTES_PREFIX: &str = "$php:bytes:";

/// The codec of the formats `php` and `php_serialize`.
#[derive(Clone, Copy, Debug)]
pub struct Php {
    handler: Handler,
}

/// The value of `session.serialize_handler` in PHP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// `php`, PHP's default.
    Php,
    /// `php_serialize`.
    PhpSerialize,
}

impl Php {
    /// Creates the codec for one of PHP's handlers.
    #[must_use]
    pub const fn new(handler: Handler) -> Self {
        Self { handler }
    }

    fn scan(self, source: &[u8]) -> Result<Record, CodecError> {
        let record = match self.handler {
            Handler::Php => scan::scan_php(source),
            Handler::PhpSerialize => scan::scan_php_serialize(source),
        };
        record.map_err(|error| CodecError::Unreadable(format!("{} at byte {}", error.message, error.offset)))
    }

    /// Appends a field that was set, and returns the number of slots that it takes.
    fn encode_field(self, field: &Field, out: &mut Vec<u8>) -> Result<usize, String> {
        let name =
            raw_name(&field.name).ok_or_else(|| format!("names that begin with {RESERVED_PREFIX} are reserved"))?;
        match self.handler {
            Handler::Php => {
                let reason = if name.is_empty() {
                    "its name is empty"
                } else if name.contains(&b'|') {
                    "its name contains |, where PHP ends a name"
                } else if canonical_integer(&name).is_some() {
                    "its name is an integer, which PHP does not allow for session variables"
                } else {
                    out.extend_from_slice(&name);
                    out.push(b'|');
                    return write::value(&field.value, out);
                };
                Err(reason.to_owned())
            }
            Handler::PhpSerialize => {
                write::key(&name, out);
                write::value(&field.value, out)
            }
        }
    }

    /// Returns the bytes before and after the fields: the start and the end of the array, with any bytes after it.
    fn head_and_tail<'a>(
        self,
        record: &Record,
        fields: &Fields,
        source: &'a [u8],
    ) -> Result<(Vec<u8>, &'a [u8]), CodecError> {
        let mut head = Vec::with_capacity(source.len() + 128);
        if self.handler == Handler::Php {
            return Ok((head, b""));
        }
        write::array_start(fields.entries().len(), &mut head);
        match record.nodes.first() {
            None => Ok((head, b"}")),
            Some(outer) => match outer.kind {
                Kind::Array => Ok((head, &source[outer.span.end - 1..])),
                Kind::Null => Ok((head, b"}")),
                _ => Err(unwritable(
                    fields.entries().first().map_or("", |field| &field.name),
                    "the record holds a value that is not an array of fields".to_owned(),
                )),
            },
        }
    }
}

impl Codec for Php {
    fn decode(&self, record: Bytes) -> Result<Fields, CodecError> {
        let scanned = self.scan(&record)?;
        let mut view = View::new(&scanned, &record);
        let field = |entry: &scan::Entry| Field {
            name: field_name(&scanned, &record, entry.node).into(),
            value: view.json(entry.node).into(),
            span: Some(scanned.span(entry)),
        };
        let entries = scanned.entries.iter().map(field).collect();
        Ok(Fields::decoded(record.clone(), entries))
    }

    fn encode(&self, fields: &Fields) -> Result<Bytes, CodecError> {
        let source = fields.source();
        if !fields.is_touched() {
            return Ok(source.clone());
        }
        let scanned = self.scan(source)?;
        let (mut record, tail) = self.head_and_tail(&scanned, fields, source)?;
        let outer_slots = usize::from(self.handler == Handler::PhpSerialize);
        let mut copier = Copier::new(&scanned, source, outer_slots);
        if let Some(reason) = copier.refusal(fields.entries()) {
            let name = copier
                .field_with_custom()
                .map(|node| field_name(&scanned, source, node));
            return Err(unwritable(&name.unwrap_or_default(), reason));
        }
        for field in fields.entries() {
            match field.span {
                Some(_) => copier.copy(field, &mut record),
                None => self.encode_field(field, &mut record).map(|slots| copier.skip(slots)),
            }
            .map_err(|reason| unwritable(&field.name, reason))?;
        }
        record.extend_from_slice(tail);
        Ok(record.into())
    }
}

fn unwritable(field: &str, reason: String) -> CodecError {
    CodecError::Unwritable {
        field: field.to_owned(),
        reason,
    }
}

/// Returns a field's name as handlers see it.
fn field_name(record: &Record, source: &[u8], node: usize) -> String {
    match &record.nodes[node].key {
        Some(Key::Int(key)) => key.to_string(),
        Some(Key::Text(key)) => visible_name(key.bytes(source).into_owned()),
        None => String::new(),
    }
}

/// Returns a name, or its representation if it is not UTF-8 or begins with the reserved prefix.
fn visible_name(name: Vec<u8>) -> String {
    match String::from_utf8(name) {
        Ok(name) if !name.starts_with(RESERVED_PREFIX) => name,
        Ok(name) => format!("{BYTES_PREFIX}{}", hex(name.as_bytes())),
        Err(name) => format!("{BYTES_PREFIX}{}", hex(name.as_bytes())),
    }
}

/// Returns the bytes of the name that [`visible_name`] represents, or `None` if there is no such name.
fn raw_name(name: &str) -> Option<Vec<u8>> {
    if !name.starts_with(RESERVED_PREFIX) {
        return Some(name.as_bytes().to_vec());
    }
    let bytes = unhex(name.strip_prefix(BYTES_PREFIX)?)?;
    (visible_name(bytes.clone()) == name).then_some(bytes)
}
