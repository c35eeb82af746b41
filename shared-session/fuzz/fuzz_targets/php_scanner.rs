//! Any bytes as a record: no panic; what is taken goes back as it was; and a field set or removed leaves the others.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use shared_session::codec::Codec;
use shared_session::codec::php::{Handler, Php};
use shared_session::codec::Fields;

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

/// What was made of `before` is refused, or reads again as what it is; fields other than `but` keep their values.
fn check(codec: &Php, before: &Fields, after: &Fields, but: &str) {
    let Ok(written) = codec.encode(after) else { return };
    let read = codec.decode(written.clone()).expect("what was written reads");
    assert_eq!(codec.encode(&read).unwrap(), written);
    assert_eq!(read.entries().len(), after.entries().len());
    for (read, after) in read.entries().iter().zip(after.entries()) {
        assert_eq!(read.name, after.name);
        // How far references are spelled out depends on the record's length.
        let cut = |text: &str| text.contains("\"reference\"") || text.contains("\"deep\"");
        if after.name != but && !cut(&read.value) && !cut(&after.value) {
            assert_eq!(
                Some(read.value.as_str()),
                before
                    .entries()
                    .iter()
                    .find(|field| field.place == after.place)
                    .map(|field| field.value.as_str())
            );
        }
    }
}
