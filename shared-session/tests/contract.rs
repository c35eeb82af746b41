//! The contract suite on every backend that the crate brings, and on broken ones, which must fail it.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared_session::Format;
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::testing::redis_server::RedisServer;
use shared_session::testing::{TestBed, TestClock, contract};

struct Bed {
    backend: Arc<dyn Backend>,
    /// Where the records are, unless they are in this process.
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

    /// What the suite left behind ends by itself, records and indexes.
    fn no_key_lives_for_ever(&self) {
        let server = self.server.as_ref().unwrap();
        let keys: Vec<String> = server.run(&["KEYS", "*"]);
        assert!(keys.iter().any(|key| key.starts_with("session:index:")));
        for key in keys {
            assert!(server.run::<i64>(&["PTTL", &key]) >= 0, "{key} has no expiry");
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

/// Makes a test of every backend with a format.
macro_rules! holds_the_contract {
    ($($name:ident: $format:expr;)+) => {
        $(mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn in_memory() { super::contract(&super::Bed::in_memory($format)).await; }
            #[tokio::test(flavor = "multi_thread")]
            async fn in_redis() {
                let bed = super::Bed::in_redis($format);
                super::contract(&bed).await;
                bed.no_key_lives_for_ever();
            }
        })+
    };
}

holds_the_contract! {
    json: super::Format::Json;
    php: super::Format::Php;
    php_serialize: super::Format::PhpSerialize;
}
