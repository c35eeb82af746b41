//! Encodes random JSON as the value of a field. The codec must not panic, must decode what it encoded, and must encode the
//! decoded value to the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use shared_session::codec::php::{Handler, Php};
use shared_session::codec::{Codec, Fields};

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let codec = Php::new(if first % 2 == 0 {
        Handler::Php
    } else {
        Handler::PhpSerialize
    });
    if first & 2 == 0 {
        check(&codec, &String::from_utf8_lossy(rest), None);
    } else {
        let value = build(rest);
        check(&codec, &value.to_string(), Some(&as_read_back(&value)));
    }
});

fn check(codec: &Php, json: &str, expected: Option<&Value>) {
    let mut fields = Fields::new();
    fields.set("before", "1");
    fields.set("value", json);
    let Ok(record) = codec.encode(&fields) else {
        assert!(expected.is_none(), "a value of serde_json is refused: {json}");
        return;
    };
    let read = codec.decode(record.clone()).expect("an encoded record can be decoded");
    let text = read.get("value").expect("the field is missing");
    if let Some(expected) = expected {
        assert_eq!(text, expected.to_string());
    }
    let mut again = Fields::new();
    again.set("before", "1");
    again.set("value", text);
    assert_eq!(codec.encode(&again).expect("a decoded value can be encoded"), record);
}

/// Builds a value from bytes. Each of them adds a scalar, or starts or ends an array or object.
fn build(bytes: &[u8]) -> Value {
    let mut open = vec![Value::Array(Vec::new())];
    let mut bytes = bytes.iter().copied();
    while let Some(byte) = bytes.next() {
        let mut number = || {
            let mut eight = [0; 8];
            eight.fill_with(|| bytes.next().unwrap_or_default());
            u64::from_le_bytes(eight)
        };
        let value = match byte % 10 {
            0 => Value::Null,
            1 => Value::from(byte > 127),
            2 => Value::from(i64::from(byte) - 128),
            3 => Value::from(number().cast_signed()),
            4 => Some(f64::from_bits(number()))
                .filter(|float| float.is_finite())
                .map_or(Value::Null, Value::from),
            5 => Value::from(char::from(byte).to_string()),
            6 => Value::from(String::from_utf8_lossy(&number().to_le_bytes()).into_owned()),
            7 if open.len() < 120 => {
                open.push(Value::Array(Vec::new()));
                continue;
            }
            8 if open.len() < 120 => {
                open.push(Value::Object(Map::new()));
                continue;
            }
            _ => match open.pop() {
                Some(value) if !open.is_empty() => value,
                Some(value) => {
                    open.push(value);
                    continue;
                }
                None => continue,
            },
        };
        add(&mut open, value, byte);
    }
    while open.len() > 1 {
        let value = open.pop().unwrap_or_default();
        add(&mut open, value, 0);
    }
    open.pop().unwrap_or_default()
}

fn add(open: &mut [Value], value: Value, byte: u8) {
    match open.last_mut() {
        Some(Value::Array(list)) => list.push(value),
        Some(Value::Object(members)) => {
            let name = if byte < 64 {
                members.len().to_string()
            } else {
                format!("{byte:x}")
            };
            members.insert(name, value);
        }
        _ => {}
    }
}

/// Returns the value that is read back from PHP, for which an empty object and one with the members 0, 1, 2 … is a list.
fn as_read_back(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(as_read_back).collect(),
        Value::Object(members)
            if members
                .keys()
                .enumerate()
                .all(|(index, name)| *name == index.to_string()) =>
        {
            members.values().map(as_read_back).collect()
        }
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), as_read_back(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}
