//! [`Json`]: the codec of the format `json`. A record is one JSON object, and each member is a field.
//!
//! Values keep their text (`1.0`, `1e400`, integers above 2^53, escapes). Other programs may have written them, and a
//! number that is parsed and written again is not always the same number.

mod scan;

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use self::scan::Refusal;
use super::{Codec, CodecError, MAX_JSON_DEPTH};
use crate::session::fields::{Field, Fields};

/// The codec of the format `json`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    fn decode(&self, record: Bytes) -> Result<Fields, CodecError> {
        let text = ByteString::try_from(record).map_err(|_| CodecError::Unreadable("not UTF-8".to_owned()))?;
        let mut entries = Vec::new();
        let scanned = scan::object(&text, |member| {
            let name = &text[member.name.clone()];
            let name = if member.is_escaped {
                let name = serde_json::from_str::<String>(name);
                name.map_err(|_| Refusal::Invalid(member.name.end))?.into()
            } else {
                text.slice_ref(&name[1..name.len() - 1])
            };
            entries.push(Field {
                name,
                value: text.slice_ref(&text[member.value.clone()]),
                span: Some(member.name.start..member.value.end),
            });
            Ok(())
        });
        scanned.map_err(|refusal| CodecError::Unreadable(refusal.to_string()))?;
        Ok(Fields::decoded(text.into_bytes(), entries))
    }

    fn encode(&self, fields: &Fields) -> Result<Bytes, CodecError> {
        if !fields.is_touched() && !fields.source().is_empty() {
            return Ok(fields.source().clone());
        }
        let mut record = BytesMut::with_capacity(fields.source().len() + 128);
        record.put_u8(b'{');
        // adjacent fields that were not set are copied together
        let mut copied: Option<Range<usize>> = None;
        for (index, field) in fields.entries().iter().enumerate() {
            match (&field.span, &mut copied) {
                (Some(span), Some(copied)) if span.start == copied.end + 1 => copied.end = span.end,
                (span, copied) => {
                    copy(fields, copied.take(), &mut record);
                    if index > 0 {
                        record.put_u8(b',');
                    }
                    match span {
                        Some(span) => *copied = Some(span.clone()),
                        None => encode_field(field, &mut record)?,
                    }
                }
            }
        }
        copy(fields, copied, &mut record);
        record.put_u8(b'}');
        Ok(record.freeze())
    }
}

/// Appends a part of the record that was decoded.
fn copy(fields: &Fields, span: Option<Range<usize>>, record: &mut BytesMut) {
    if let Some(span) = span {
        record.put_slice(&fields.source()[span]);
    }
}

fn encode_field(field: &Field, record: &mut BytesMut) -> Result<(), CodecError> {
    let unwritable = |reason: String| CodecError::Unwritable {
        field: field.name.to_string(),
        reason,
    };
    scan::value(&field.value).map_err(|refusal| match refusal {
        Refusal::Invalid(_) => unwritable("its value is not JSON".to_owned()),
        Refusal::TooDeep => unwritable(refusal.to_string()),
    })?;
    serde_json::to_writer(record.writer(), &*field.name).map_err(|error| unwritable(error.to_string()))?;
    record.put_u8(b':');
    record.put_slice(field.value.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_json_is_refused() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let mut fields = Fields::new();
        fields.set("a", &nested(MAX_JSON_DEPTH));
        assert!(Json.encode(&fields).is_ok());
        let deep = nested(MAX_JSON_DEPTH + 1);
        for value in [
            "",
            "nonsense",
            "1 2",
            "[1",
            "1,\"b\":2",
            r#""\ud800""#,
            &deep,
            &nested(1_000_000),
        ] {
            fields.set("a", value);
            assert!(
                matches!(Json.encode(&fields), Err(CodecError::Unwritable { .. })),
                "{value}"
            );
        }
    }
}
