//! [`Json`]: the codec of the format `json`. A record is one JSON object, and each member is a field.
//!
//! Values keep their text (`1.0`, `1e400`, integers above 2^53, escapes). Other programs may have written them, and a
//! number that is parsed and written again is not always the same number.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Codec, CodecError, MAX_JSON_DEPTH};
use crate::session::fields::{Field, Fields};

/// The codec of the format `json`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    fn decode(&self, record: Bytes) -> Result<Fields, CodecError> {
        let text = std::str::from_utf8(&record).map_err(|_| CodecError::Unreadable("not UTF-8".to_owned()))?;
        let Members(members) = serde_json::from_str(text).map_err(invalid_json)?;
        let mut entries = Vec::with_capacity(members.len());
        for (name, value) in members {
            if depth(value.get()) > MAX_JSON_DEPTH {
                return Err(CodecError::Unreadable(too_deep()));
            }
            entries.push(Field {
                name: serde_json::from_str(name.get()).map_err(invalid_json)?,
                value: value.get().to_owned(),
                span: Some(offset(text, name.get())..offset(text, value.get()) + value.get().len()),
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
            match &field.span {
                Some(span) => record.put_slice(&fields.source()[span.clone()]),
                None => encode_field(field, &mut record)?,
            }
        }
        record.put_u8(b'}');
        Ok(record.freeze())
    }
}

fn encode_field(field: &Field, record: &mut BytesMut) -> Result<(), CodecError> {
    let unwritable = |reason: String| CodecError::Unwritable {
        field: field.name.clone(),
        reason,
    };
    if serde_json::from_str::<&RawValue>(&field.value).is_err() {
        return Err(unwritable("its value is not JSON".to_owned()));
    }
    if depth(&field.value) > MAX_JSON_DEPTH {
        return Err(unwritable(too_deep()));
    }
    let name = serde_json::to_string(&field.name).map_err(|error| unwritable(error.to_string()))?;
    record.put_slice(name.as_bytes());
    record.put_u8(b':');
    record.put_slice(field.value.as_bytes());
    Ok(())
}

fn too_deep() -> String {
    format!("nested more than {MAX_JSON_DEPTH} levels deep")
}

/// Returns an error with the position only, because `serde_json` may quote the record.
fn invalid_json(error: serde_json::Error) -> CodecError {
    CodecError::Unreadable(format!("not a JSON object, at column {}", error.column()))
}

/// Returns the offset in `whole` of its slice `part`.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

/// Returns how deep arrays and objects are nested in valid JSON text.
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

/// The members of an object in their order, including repeated names, each as its text in the record.
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
    fn untouched_members_keep_their_bytes() {
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
    fn a_record_that_is_not_an_object_is_an_error() {
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
    fn a_value_that_is_not_json_is_refused() {
        for value in ["", "nonsense", "1 2", "[1", "1,\"b\":2"] {
            let mut fields = Fields::new();
            fields.set("a", value);
            assert!(
                matches!(Json.encode(&fields), Err(CodecError::Unwritable { .. })),
                "{value}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_refused_when_reading_and_writing() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(decode(&format!("{{\"a\":{}}}", nested(MAX_JSON_DEPTH))).is_ok());
        assert!(decode(&format!("{{\"a\":{}}}", nested(MAX_JSON_DEPTH + 1))).is_err());
        assert!(decode(&format!("{{\"a\":{}}}", nested(1_000_000))).is_err());
        let mut fields = Fields::new();
        fields.set("a", &nested(MAX_JSON_DEPTH + 1));
        assert!(matches!(Json.encode(&fields), Err(CodecError::Unwritable { .. })));
    }
}
