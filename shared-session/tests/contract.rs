//! The contract suite on every backend and in every format that the crate brings.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared_session::Format;
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::testing::redis_server::RedisServer;
use shared_session::testing::{TestBed, TestClock, faults, registry, renewal, revocation};

struct Bed {
    backend: Arc<dyn Backend>,
    /// The server that holds the records, unless they are in this process.
    server: Option<RedisServer>,
    clock: TestClock,
    format: Format,
}

impl Bed {
    fn in_memory(format: Format) -> Self {
        let clock = TestClock::default();
        Self {
            backend: Arc::new(Memory::new(clock.clock())),
            server: None,
            clock,
            format,
        }
    }

    fn in_redis(format: Format) -> Self {
        let server = RedisServer::start();
        let backend = server.backend(Duration::from_secs(5));
        Self {
            backend: Arc::new(backend),
            server: Some(server),
            clock: TestClock::default(),
            format,
        }
    }
}

#[async_trait]
impl TestBed for Bed {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    fn format(&self) -> Format {
        self.format
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }

    async fn age(&self, by: Duration) {
        if let Some(server) = &self.server {
            server.age(by);
        }
    }
}

shared_session::contract_tests! {
    json_in_memory: Bed::in_memory(Format::Json);
    json_in_redis: Bed::in_redis(Format::Json);
    php_in_memory: Bed::in_memory(Format::Php);
    php_in_redis: Bed::in_redis(Format::Php);
    php_serialize_in_memory: Bed::in_memory(Format::PhpSerialize);
    php_serialize_in_redis: Bed::in_redis(Format::PhpSerialize);
}

/// Records and indexes expire by themselves, also those that failed and concurrent requests leave behind.
#[tokio::test(flavor = "multi_thread")]
async fn no_key_in_redis_lives_for_ever() {
    for format in [Format::Json, Format::Php, Format::PhpSerialize] {
        let bed = Bed::in_redis(format);
        renewal::one_of_many_concurrent_renewals_gives_out_an_id(&bed).await;
        registry::every_concurrent_sign_in_is_listed(&bed).await;
        registry::session_is_listed_for_its_present_user_only(&bed).await;
        revocation::one_of_many_concurrent_sign_ins_is_stored(&bed).await;
        revocation::failed_sign_in_leaves_no_session_unlisted(&bed).await;
        faults::failed_operation_is_an_error_and_can_be_retried(&bed).await;
        let server = bed.server.as_ref().unwrap();
        let keys: Vec<String> = server.run(&["KEYS", "*"]);
        assert!(keys.iter().any(|key| key.starts_with("session:index:")));
        for key in keys {
            // -2: it expired since
            assert_ne!(server.run::<i64>(&["PTTL", &key]), -1, "{key} has no expiry");
        }
    }
}
