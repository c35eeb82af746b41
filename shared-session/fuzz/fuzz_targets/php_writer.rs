//! Any JSON as a field's value: no panic; what is written reads again; and what it reads as is written the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use shared_session::codec::Codec;
use shared_session::codec::php::{Handler, Php};
use shared_session::codec::Fields;

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
        check(&codec, &value.to_string(), Some(&as_php_has_it(&value)));
    }
});

fn check(codec: &Php, json: &str, expected: Option<&Value>) {
    let mut fields = Fields::new();
    fields.set("before", "1");
    fields.set("value", json);
    let Ok(record) = codec.encode(&fields) else {
        assert!(expected.is_none(), "any value of serde_json's can be written: {json}");
        return;
    };
    let read = codec.decode(record.clone()).expect("what was written reads");
    let shown = read.get("value").expect("the field");
    if let Some(expected) = expected {
        assert_eq!(shown, expected.to_string());
    }
    let mut again = Fields::new();
    again.set("before", "1");
    again.set("value", shown);
    assert_eq!(codec.encode(&again).expect("what is shown can be written"), record);
}

/// A value built of the bytes: each one adds a leaf, or opens or closes an array or object.
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

/// An object that is an array with the keys 0, 1, 2 … to PHP, or an empty one, is a list to it.
fn as_php_has_it(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(as_php_has_it).collect(),
        Value::Object(members)
            if members
                .keys()
                .enumerate()
                .all(|(index, name)| *name == index.to_string()) =>
        {
            members.values().map(as_php_has_it).collect()
        }
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), as_php_has_it(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}
