//! Decodes random bytes as a record. The codec must not panic, must encode a decoded record to the same bytes, and must
//! leave the other fields alone when one is set or removed.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use shared_session::codec::php::{Handler, Php};
use shared_session::codec::{Codec, Fields};

fuzz_target!(|data: &[u8]| {
    let Some((first, record)) = data.split_first() else {
        return;
    };
    let codec = Php::new(if first % 2 == 0 {
        Handler::Php
    } else {
        Handler::PhpSerialize
    });
    let record = Bytes::copy_from_slice(record);
    let Ok(fields) = codec.decode(record.clone()) else {
        return;
    };
    assert_eq!(codec.encode(&fields).unwrap(), record);
    for field in fields.entries() {
        serde_json::from_str::<&RawValue>(&field.value).unwrap();
    }
    let mut more = fields.clone();
    more.set("fuzz", "[1,2.5]");
    check(&codec, &fields, &more, "fuzz");
    if let Some(last) = fields.entries().last() {
        let mut changed = fields.clone();
        changed.set(&last.name, "{\"a\":null}");
        check(&codec, &fields, &changed, &last.name);
    }
    if let Some(first) = fields.entries().first() {
        let mut fewer = fields.clone();
        fewer.remove(&first.name);
        check(&codec, &fields, &fewer, &first.name);
    }
});

/// Checks that the codec refuses a change, or that it decodes what it encoded and fields except `changed` keep their values.
fn check(codec: &Php, before: &Fields, after: &Fields, changed: &str) {
    let Ok(written) = codec.encode(after) else { return };
    let read = codec.decode(written.clone()).expect("an encoded record can be decoded");
    assert_eq!(codec.encode(&read).unwrap(), written);
    assert_eq!(read.entries().len(), after.entries().len());
    for (read, after) in read.entries().iter().zip(after.entries()) {
        assert_eq!(read.name, after.name);
        // how far references are expanded depends on the length of the record
        let is_limited = |text: &str| text.contains("\"reference\"") || text.contains("\"deep\"");
        if after.name != changed && !is_limited(&read.value) && !is_limited(&after.value) {
            assert_eq!(
                Some(&*read.value),
                before
                    .entries()
                    .iter()
                    .find(|field| field.span == after.span)
                    .map(|field| &*field.value)
            );
        }
    }
}
