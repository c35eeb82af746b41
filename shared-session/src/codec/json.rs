//! The format `json`: one JSON object, a member a field.
//!
//! Values are kept as the text they came in (`1.0`, `1e400`, integers over 2^53, escapes), because other programs
//! may have written them and a number read and written again is not always the same number.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Codec, CodecError};
use crate::session::fields::{Field, Fields};

/// How deep a value may nest: what `serde_json` reads into a typed value without being asked for more.
const MAX_DEPTH: usize = 127;

/// The codec of the format `json`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    fn decode(&self, record: Bytes) -> Result<Fields, CodecError> {
        let text = std::str::from_utf8(&record).map_err(|_| CodecError::Unreadable("it is not UTF-8".to_owned()))?;
        let Members(members) = serde_json::from_str(text).map_err(unreadable)?;
        let mut entries = Vec::with_capacity(members.len());
        for (name, value) in members {
            if depth(value.get()) > MAX_DEPTH {
                return Err(CodecError::Unreadable(format!("it nests over {MAX_DEPTH} deep")));
            }
            entries.push(Field {
                name: serde_json::from_str(name.get()).map_err(unreadable)?,
                value: value.get().to_owned(),
                place: Some(offset(text, name.get())..offset(text, value.get()) + value.get().len()),
            });
        }
        Ok(Fields::decoded(record, entries))
    }

    fn encode(&self, fields: &Fields) -> Result<Bytes, CodecError> {
        if !fields.is_touched() && !fields.source().is_empty() {
            return Ok(fields.source().clone());
        }
        let mut record = BytesMut::with_capacity(fields.source().len() + 128);
        record.put_u8(b'{');
        for (index, field) in fields.entries().iter().enumerate() {
            if index > 0 {
                record.put_u8(b',');
            }
            match &field.place {
                Some(place) => record.put_slice(&fields.source()[place.clone()]),
                None => write(field, &mut record)?,
            }
        }
        record.put_u8(b'}');
        Ok(record.freeze())
    }
}

fn write(field: &Field, record: &mut BytesMut) -> Result<(), CodecError> {
    let unwritable = |reason: String| CodecError::Unwritable {
        field: field.name.clone(),
        reason,
    };
    if depth(&field.value) > MAX_DEPTH {
        return Err(unwritable(format!("it nests over {MAX_DEPTH} deep")));
    }
    let name = serde_json::to_string(&field.name).map_err(|error| unwritable(error.to_string()))?;
    record.put_slice(name.as_bytes());
    record.put_u8(b':');
    record.put_slice(field.value.as_bytes());
    Ok(())
}

/// An error without its excerpt: `serde_json` may quote the record.
fn unreadable(error: serde_json::Error) -> CodecError {
    CodecError::Unreadable(format!("no JSON object at column {}", error.column()))
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

/// How deep arrays and objects nest in JSON text known to be valid.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// The members of an object in their order, repeated ones too, each as the text that stands in the record.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(record: &str) -> Result<Fields, CodecError> {
        Json.decode(Bytes::copy_from_slice(record.as_bytes()))
    }

    fn encode(fields: &Fields) -> String {
        String::from_utf8(Json.encode(fields).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn what_was_not_touched_keeps_its_spelling() {
        let record = r#"{ "b" : 1.0, "a":1e400 ,"\u0061":12345678901234567890123,"d":{"x":[1.50]},"a\n":"\u00e9"}"#;
        let mut fields = decode(record).unwrap();
        assert_eq!(encode(&fields), record);
        assert_eq!(fields.get("a"), Some("12345678901234567890123"));
        fields.set("d", "2");
        fields.set("e", "3");
        assert_eq!(
            encode(&fields),
            r#"{"b" : 1.0,"a":1e400,"\u0061":12345678901234567890123,"d":2,"a\n":"\u00e9","e":3}"#
        );
        fields.remove("a");
        assert_eq!(encode(&fields), r#"{"b" : 1.0,"d":2,"a\n":"\u00e9","e":3}"#);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for record in [
            "",
            " ",
            "null",
            "[]",
            "1",
            "\"a\"",
            "{",
            "{}x",
            "{\"a\":}",
            "{\"\\ud800\":1}",
            "{'a':1}",
        ] {
            assert!(decode(record).is_err(), "{record:?}");
        }
        assert!(Json.decode(Bytes::from_static(b"{\"a\":\"\xff\"}")).is_err());
    }

    #[test]
    fn nesting_is_bounded_both_ways() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(decode(&format!("{{\"a\":{}}}", nested(MAX_DEPTH))).is_ok());
        assert!(decode(&format!("{{\"a\":{}}}", nested(MAX_DEPTH + 1))).is_err());
        assert!(decode(&format!("{{\"a\":{}}}", nested(1_000_000))).is_err());
        let mut fields = Fields::new();
        fields.set("a", &nested(MAX_DEPTH + 1));
        assert!(matches!(Json.encode(&fields), Err(CodecError::Unwritable { .. })));
    }
}
