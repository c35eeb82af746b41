//! The contract suite on the codec of actix-session's records, and both shapes of them.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use drop_in::ActixRecord;
use shared_session::Format;
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::codec::{Codec, CodecError};
use shared_session_testkit::{TestBed, TestClock};

struct Bed {
    backend: Arc<dyn Backend>,
    clock: TestClock,
}

impl Bed {
    fn new() -> Self {
        let clock = TestClock::default();
        let backend = Arc::new(Memory::new(clock.clock()));
        Self { backend, clock }
    }
}

#[async_trait]
impl TestBed for Bed {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    fn format(&self) -> Format {
        Format::Php
    }

    fn codec(&self) -> Arc<dyn Codec> {
        Arc::new(ActixRecord)
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }
}

shared_session_testkit::contract_tests! {
    actix_record: Bed::new();
}

/// The order of the fields has no meaning, because actix-session keeps them in a `HashMap`.
#[test]
fn untouched_fields_of_actix_session_keep_their_bytes() {
    let record = Bytes::from_static(br#"{"price":"1.50","name":"\"a \\\"b\\\"\"","count":"1"}"#);
    let mut fields = ActixRecord.decode(record.clone()).unwrap();
    assert_eq!(ActixRecord.encode(&fields).unwrap(), record);
    fields.set("count", "2");
    let changed = ActixRecord.encode(&fields).unwrap();
    assert_eq!(changed, br#"{"count":"2","name":"\"a \\\"b\\\"\"","price":"1.50"}"#[..]);
}

/// The shape that actix-session writes after 0.11.
#[test]
fn records_with_a_version_are_read_and_written_without() {
    let record =
        br#"{"v":1,"state":{"text":"a \"b\"","list":[1, 2.50],"number":1e400,"nothing":null,"state":{},"v":"1"}}"#;
    let record = Bytes::from_static(record);
    let mut fields = ActixRecord.decode(record.clone()).unwrap();
    for (name, value) in [
        ("text", r#""a \"b\"""#),
        ("list", "[1, 2.50]"),
        ("number", "1e400"),
        ("nothing", "null"),
        ("state", "{}"),
        ("v", r#""1""#),
    ] {
        assert_eq!(fields.get(name), Some(value));
    }
    assert_eq!(fields.entries().len(), 6);
    assert_eq!(ActixRecord.encode(&fields).unwrap(), record);
    for name in ["list", "number", "state", "v"] {
        fields.remove(name);
    }
    let changed = ActixRecord.encode(&fields).unwrap();
    assert_eq!(changed, br#"{"nothing":"null","text":"\"a \\\"b\\\"\""}"#[..]);
    let empty = ActixRecord
        .decode(Bytes::from_static(br#"{"v":1,"state":{}}"#))
        .unwrap();
    assert!(empty.entries().is_empty());
}

#[test]
fn version_is_a_number_beside_an_object() {
    let fields = |record: &'static str| ActixRecord.decode(Bytes::from_static(record.as_bytes()));
    // fields of these names, in a record without a version
    let named = fields(r#"{"v":"1","state":"{\"a\":1}"}"#).unwrap();
    assert_eq!((named.get("v"), named.get("state")), (Some("1"), Some(r#"{"a":1}"#)));
    for record in [
        r#"{"v":2,"state":{}}"#,
        r#"{"v":1.5,"state":{"a":1}}"#,
        r#"{"v":-1,"state":{}}"#,
        r#"{"v":1,"state":"{}"}"#,
        r#"{"v":"1","state":{}}"#,
        r#"{"state":{}}"#,
        r#"{"v":1}"#,
    ] {
        assert!(matches!(fields(record), Err(CodecError::Unreadable(_))), "{record}");
    }
}
