//! The contract suite on the codec of actix-session's records.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use drop_in::ActixRecord;
use shared_session::Format;
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::codec::Codec;
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
