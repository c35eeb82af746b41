//! The PHP codec and records of PHP 8.2, which are stored in `tests/vectors`.
//!
//! - `php/*.bin` are records that `session_encode()` returned, and `expected.json` holds the values that PHP reads from them.
//! - `php-edits/edits.json` holds fields to delete and to insert at the front, and the records that PHP accepts afterwards.
//! - `php-malformed/verdicts.json` says which of the malformed records PHP decodes.

use bytes::Bytes;
use serde_json::Value;
use shared_session::codec::php::{Handler, Php};
use shared_session::codec::{Codec, CodecError};
use shared_session::codec::{Field, Fields};

fn path(name: &str) -> String {
    format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn list(name: &str) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

fn codec(file: &str) -> Php {
    Php::new(if file.contains("php_serialize") {
        Handler::PhpSerialize
    } else {
        Handler::Php
    })
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap()
}

fn unhex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Returns the JSON text that is expected for a typed value, or `opaque` for a value whose tag is all that is expected.
fn json(typed: &Value) -> String {
    match text(typed, "t") {
        "null" => "null".to_owned(),
        "bool" => typed["v"].to_string(),
        "int" => text(typed, "v").to_owned(),
        "float" => {
            let value = f64::from_bits(u64::from_str_radix(text(typed, "bits"), 16).unwrap());
            if value.is_finite() {
                Value::from(value).to_string()
            } else {
                format!(r#"{{"$php":"float","value":"{}"}}"#, text(typed, "v"))
            }
        }
        "str" => typed["v"].to_string(),
        "bytes" => format!(r#"{{"$php":"bytes","hex":"{}"}}"#, text(typed, "v")),
        "array" => {
            let list = typed["v"].as_array().unwrap().iter();
            let element = |pair: &Value| match typed["list"] {
                Value::Bool(true) => json(&pair[1]),
                _ => format!("{}:{}", Value::from(text(&pair[0], "v")), json(&pair[1])),
            };
            let elements: Vec<String> = list.map(element).collect();
            match typed["list"] {
                Value::Bool(true) => format!("[{}]", elements.join(",")),
                _ => format!("{{{}}}", elements.join(",")),
            }
        }
        "opaque" => "opaque".to_owned(),
        other => panic!("{other}"),
    }
}

#[test]
fn records_of_php_are_read_as_php_reads_them_and_keep_their_bytes() {
    for vector in list("php/expected.json") {
        let file = text(&vector, "file");
        let record = Bytes::from(std::fs::read(path(&format!("php/{file}"))).unwrap());
        let fields = codec(file).decode(record.clone()).unwrap();
        assert_eq!(codec(file).encode(&fields).unwrap(), record, "{file}");
        if vector["decodes"] == false {
            // PHP refuses an enum that its program does not define, which a codec cannot know
            assert!(file.contains("enum"), "{file}");
            continue;
        }
        let expected = vector["fields"].as_array().unwrap();
        assert_eq!(fields.entries().len(), expected.len(), "{file}");
        for (field, expected) in fields.entries().iter().zip(expected) {
            assert_eq!(field.name, text(&expected[0], "v"), "{file}");
            match json(&expected[1]) {
                opaque if opaque == "opaque" => assert!(field.value.starts_with(r#"{"$php":"#), "{file}"),
                json => assert_eq!(field.value, json, "{file}"),
            }
        }
    }
}

/// Returns the fields of a record after one is deleted and others are inserted at the front, where [`Fields`] inserts none.
fn edited(source: &Bytes, delete: Option<&str>, front: &[(String, &str)]) -> Fields {
    let decoded = Php::new(Handler::Php).decode(source.clone()).unwrap();
    let new = |(name, value): &(String, &str)| Field {
        name: (&**name).into(),
        value: (*value).into(),
        span: None,
    };
    let entries = front.iter().map(new).chain(decoded.entries().iter().cloned()).collect();
    let mut fields = Fields::decoded(source.clone(), entries);
    fields.set("touched", "1");
    fields.remove("touched");
    if let Some(name) = delete {
        fields.remove(name);
    }
    fields
}

#[test]
fn edits_keep_the_targets_of_references() {
    let mut refused = 0;
    for edit in list("php-edits/edits.json") {
        let record = Bytes::from(std::fs::read(path(&format!("php/{}", text(&edit, "file")))).unwrap());
        let delete = edit["delete_key_hex"].as_str();
        let delete = delete.map(|name| String::from_utf8(unhex(name)).unwrap());
        let front = edit["insert_front"].as_array().unwrap().iter();
        let front: Vec<(String, &str)> = front
            .map(|pair| match pair[1].as_str() {
                Some("i:1;") => (pair[0].as_str().unwrap().to_owned(), "1"),
                Some("N;") => (pair[0].as_str().unwrap().to_owned(), "null"),
                other => panic!("{other:?}"),
            })
            .collect();
        let written = Php::new(Handler::Php).encode(&edited(&record, delete.as_deref(), &front));
        if edit.get("refused").is_some() {
            refused += 1;
            assert!(matches!(written, Err(CodecError::Unwritable { .. })), "{edit}");
        } else {
            assert_eq!(written.unwrap(), unhex(text(&edit, "expected_hex")), "{edit}");
        }
    }
    assert!(refused > 0);
}

#[test]
fn malformed_records_are_refused_exactly_if_php_refuses_them() {
    for verdict in list("php-malformed/verdicts.json") {
        let file = text(&verdict, "file");
        let length = usize::try_from(verdict["len"].as_u64().unwrap()).unwrap();
        // the largest record consists of nested arrays only, and is not stored as a file
        let record = std::fs::read(path(&format!("php-malformed/{file}"))).unwrap_or_else(|_| {
            let deep = (length - 4) / 10;
            format!("x|{}N;{}", "a:1:{i:0;".repeat(deep), "}".repeat(deep)).into_bytes()
        });
        assert_eq!(record.len(), length, "{file}");
        let record = Bytes::from(record);
        let decoded = codec(file).decode(record.clone());
        let decodes = verdict["php82_decodes"] == true;
        assert_eq!(decoded.is_ok(), decodes, "{file}: {}", verdict["preview"]);
        if let Ok(fields) = decoded {
            assert_eq!(codec(file).encode(&fields).unwrap(), record, "{file}");
        }
    }
}
