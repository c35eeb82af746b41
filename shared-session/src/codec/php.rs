//! The formats `php` and `php_serialize`: the very records of PHP's own session code, so that one session serves a PHP
//! application and Rust services side by side.
//!
//! PHP reads `php` with `session.serialize_handler=php`, its default (`username|s:3:"kky";visits|i:3;`), and
//! `php_serialize` with `session.serialize_handler=php_serialize` (`a:2:{s:8:"username";s:3:"kky";s:6:"visits";i:3;}`).
//!
//! # What handlers see
//!
//! | PHP | JSON |
//! | --- | --- |
//! | null, booleans, integers, strings | the same |
//! | floats | numbers with a point or an exponent: `10.0` is no integer |
//! | an array with the keys 0, 1, 2 … in this order, and an empty one | an array |
//! | any other array | an object, its members in the record's order, integer keys as their decimals |
//! | a reference (`&`), and an object that stands in the session twice | the value that it refers to |
//! | anything else | a tag, see below |
//!
//! What JSON cannot express is an object with the member `$php`:
//!
//! | tag | stands for |
//! | --- | --- |
//! | `{"$php":"bytes","hex":"ff00"}` | a string that is not UTF-8 |
//! | `{"$php":"float","value":"INF"}` | `INF`, `-INF` and `NAN` |
//! | `{"$php":"array","entries":[["a",1],[{"$php":"bytes","hex":"ff"},2]]}` | an array with a key that is not UTF-8, or is `$php` |
//! | `{"$php":"object","class":"App\\User","properties":{"id":7}}` | an object; its properties bare, private ones too |
//! | `{"$php":"enum","case":"Hearts","class":"App\\Suit"}` | an enum's case |
//! | `{"$php":"custom","class":"Foo","hex":"…"}` | an object in a format of its class's own (`C:`) |
//! | `{"$php":"reference"}` | a reference to what it stands in, or one that would make the text too long |
//! | `{"$php":"deep"}` | in a field's place: a value nested over 127 deep |
//!
//! A tag that a handler leaves where it is stays what it is. In a value that a handler changes, `bytes` and `float` are
//! written as what they stand for; every other tag is refused, so that nothing which a visitor sent can become an object
//! in PHP. A field whose name is not UTF-8 is called `$php:bytes:` and the name in hexadecimal.
//!
//! # What handlers write
//!
//! What PHP's `serialize` would write for the same value. PHP has one kind of array, so an empty JSON object comes back
//! as `[]`, and one with the members `0`, `1`, `2` … in order as an array.
//!
//! A field that was set anew is no longer part of a reference. Where that or its removal would leave a reference to it
//! behind, the change is refused.

mod carry;
mod cursor;
mod scan;
mod text;
mod tokens;
mod view;
mod write;

use bytes::Bytes;

use self::carry::Carrier;
use self::scan::{Kind, Record};
use self::text::{Key, canonical_integer, hex, unhex};
use self::view::View;
use super::{Codec, CodecError};
use crate::session::fields::{Field, Fields};

/// How deep the JSON of a value may nest: what `serde_json` reads into a typed value without being asked for more.
const MAX_JSON_DEPTH: usize = 127;

/// The member that makes an object a tag.
const TAG: &str = "$php";

/// The beginning of the names that stand for others, and of those that stand for bytes, all that there are.
const STAND_IN: &str = "$php:";
const BYTES: &str = "$php:bytes:";

/// The codec of the formats `php` and `php_serialize`.
#[derive(Clone, Copy, Debug)]
pub struct Php {
    handler: Handler,
}

/// What PHP is set to as `session.serialize_handler`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// `php`, PHP's default.
    Php,
    /// `php_serialize`.
    PhpSerialize,
}

impl Php {
    /// The codec for one of PHP's handlers.
    #[must_use]
    pub const fn new(handler: Handler) -> Self {
        Self { handler }
    }

    fn scan(self, source: &[u8]) -> Result<Record, CodecError> {
        let record = match self.handler {
            Handler::Php => scan::delimited(source),
            Handler::PhpSerialize => scan::serialized(source),
        };
        record.map_err(|fault| CodecError::Unreadable(format!("{} at byte {}", fault.what, fault.at)))
    }

    /// Appends a field that was set anew, and returns how many slots it takes.
    fn write(self, field: &Field, out: &mut Vec<u8>) -> Result<usize, String> {
        let name = raw_name(&field.name).ok_or_else(|| format!("names that begin with {STAND_IN} stand for others"))?;
        match self.handler {
            Handler::Php => {
                let reason = if name.is_empty() {
                    "it has no name"
                } else if name.contains(&b'|') {
                    "PHP ends a name at its first |"
                } else if canonical_integer(&name).is_some() {
                    "PHP has no session variables whose name is an integer"
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

    /// What stands around the fields: the beginning and end of the array, with what PHP finds behind it and ignores.
    fn around<'a>(self, record: &Record, fields: &Fields, source: &'a [u8]) -> Result<(Vec<u8>, &'a [u8]), CodecError> {
        let mut head = Vec::with_capacity(source.len() + 128);
        if self.handler == Handler::Php {
            return Ok((head, b""));
        }
        write::array(fields.entries().len(), &mut head);
        match record.nodes.first() {
            None => Ok((head, b"}")),
            Some(outer) => match outer.kind {
                Kind::Array => Ok((head, &source[outer.at.end - 1..])),
                Kind::Null => Ok((head, b"}")),
                _ => Err(unwritable(
                    fields.entries().first().map_or("", |field| &field.name),
                    "the record holds another value than an array of fields".to_owned(),
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
            name: name(&scanned, &record, entry.node),
            value: view.json(entry.node),
            place: Some(scanned.place(entry)),
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
        let (mut record, tail) = self.around(&scanned, fields, source)?;
        let outer = usize::from(self.handler == Handler::PhpSerialize);
        let mut carrier = Carrier::new(&scanned, source, outer);
        if let Some(reason) = carrier.refusal(fields.entries()) {
            let holder = carrier.holder().map(|node| name(&scanned, source, node));
            return Err(unwritable(&holder.unwrap_or_default(), reason));
        }
        for field in fields.entries() {
            match field.place {
                Some(_) => carrier.carry(field, &mut record),
                None => self.write(field, &mut record).map(|slots| carrier.skip(slots)),
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

/// A field's name as handlers see it.
fn name(record: &Record, source: &[u8], node: usize) -> String {
    match &record.nodes[node].key {
        Some(Key::Int(key)) => key.to_string(),
        Some(Key::Text(key)) => shown_name(key.bytes(source).into_owned()),
        None => String::new(),
    }
}

/// A name as it is, unless it is not UTF-8 or would look like one that is not.
fn shown_name(name: Vec<u8>) -> String {
    match String::from_utf8(name) {
        Ok(name) if !name.starts_with(STAND_IN) => name,
        Ok(name) => format!("{BYTES}{}", hex(name.as_bytes())),
        Err(name) => format!("{BYTES}{}", hex(name.as_bytes())),
    }
}

/// The bytes of a name that handlers see.
fn raw_name(name: &str) -> Option<Vec<u8>> {
    if !name.starts_with(STAND_IN) {
        return Some(name.as_bytes().to_vec());
    }
    let bytes = unhex(name.strip_prefix(BYTES)?)?;
    (shown_name(bytes.clone()) == name).then_some(bytes)
}
