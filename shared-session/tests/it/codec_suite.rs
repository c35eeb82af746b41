//! The checks of the codec suite that need no store, on every codec of the crate, and on broken codecs, which must fail
//! them.

use std::panic::{UnwindSafe, catch_unwind};

use bytes::Bytes;
use serde_json::Value;
use shared_session::codec::json::Json;
use shared_session::codec::php::{Handler, Php};
use shared_session::codec::{Codec, CodecError, Field, Fields};
use shared_session_testkit::contract::codec::{JSON, PHP, PHP_SERIALIZE, Sample, untouched_fields_keep_their_bytes};

#[test]
fn json_keeps_the_bytes_of_untouched_fields() {
    untouched_fields_keep_their_bytes(&Json, JSON);
}

#[test]
fn php_keeps_the_bytes_of_untouched_fields() {
    untouched_fields_keep_their_bytes(&Php::new(Handler::Php), PHP);
}

#[test]
fn php_serialize_keeps_the_bytes_of_untouched_fields() {
    untouched_fields_keep_their_bytes(&Php::new(Handler::PhpSerialize), PHP_SERIALIZE);
}

/// A codec that changes the fields of a changed record before it encodes them.
struct Broken<C> {
    codec: C,
    rewrite: fn(Vec<Field>) -> Vec<Field>,
}

impl<C: Codec> Codec for Broken<C> {
    fn decode(&self, record: Bytes) -> Result<Fields, CodecError> {
        self.codec.decode(record)
    }

    fn encode(&self, fields: &Fields) -> Result<Bytes, CodecError> {
        if !fields.is_touched() {
            return self.codec.encode(fields);
        }
        let entries = (self.rewrite)(fields.entries().to_vec());
        let mut rewritten = Fields::decoded(fields.source().clone(), entries);
        // marks the fields as changed
        rewritten.set("!", "1");
        rewritten.remove("!");
        self.codec.encode(&rewritten)
    }
}

fn unchanged(fields: Vec<Field>) -> Vec<Field> {
    fields
}

/// Sorts the fields, as a codec that decodes a record into a `BTreeMap` does.
fn sorted(mut fields: Vec<Field>) -> Vec<Field> {
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    fields
}

/// Encodes every value from a `serde_json::Value`.
fn through_value(mut fields: Vec<Field>) -> Vec<Field> {
    for field in &mut fields {
        field.span = None;
        if let Ok(value) = serde_json::from_str::<Value>(&field.value) {
            field.value = value.to_string().into();
        }
    }
    fields
}

/// Encodes every field from its name and the text that handlers see.
fn encoded_anew(mut fields: Vec<Field>) -> Vec<Field> {
    fields.iter_mut().for_each(|field| field.span = None);
    fields
}

/// Removes repeated names, which a map cannot hold.
fn deduplicated(fields: Vec<Field>) -> Vec<Field> {
    let last = |(index, field): &(usize, &Field)| !fields[index + 1..].iter().any(|later| later.name == field.name);
    let kept = fields.iter().enumerate().filter(last);
    kept.map(|(_, field)| field.clone()).collect()
}

/// Returns whether a broken codec passes the check.
fn passes(codec: impl Codec + UnwindSafe, rewrite: fn(Vec<Field>) -> Vec<Field>, samples: &[Sample<'_>]) -> bool {
    catch_unwind(|| untouched_fields_keep_their_bytes(&Broken { codec, rewrite }, samples)).is_ok()
}

#[test]
fn the_suite_fails_for_codecs_that_change_untouched_fields() {
    let [php, php_serialize] = [Handler::Php, Handler::PhpSerialize].map(Php::new);
    assert!(passes(Json, unchanged, JSON));
    assert!(passes(php, unchanged, PHP));
    assert!(passes(php_serialize, unchanged, PHP_SERIALIZE));
    for (rewrite, name) in [
        (sorted as fn(Vec<Field>) -> Vec<Field>, "sorted"),
        (through_value, "through_value"),
        (encoded_anew, "encoded_anew"),
        (deduplicated, "deduplicated"),
    ] {
        assert!(!passes(Json, rewrite, JSON), "json: {name}");
        assert!(!passes(php, rewrite, PHP), "php: {name}");
        assert!(!passes(php_serialize, rewrite, PHP_SERIALIZE), "php_serialize: {name}");
    }
}
