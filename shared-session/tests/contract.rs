//! The contract suite on every backend that the crate brings, and on broken ones, which must fail it.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared_session::Format;
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::backend::redis::Redis;
use shared_session::testing::redis_server::RedisServer;
use shared_session::testing::{TestBed, TestClock, contract};

struct InMemory {
    backend: Arc<Memory>,
    clock: TestClock,
}

impl InMemory {
    fn new() -> Self {
        let clock = TestClock::default();
        Self {
            backend: Arc::new(Memory::new(clock.clock())),
            clock,
        }
    }
}

impl TestBed for InMemory {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    fn format(&self) -> Format {
        Format::Json
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }
}

struct InRedis {
    server: RedisServer,
    backend: Arc<Redis>,
    clock: TestClock,
}

impl InRedis {
    fn new() -> Self {
        let server = RedisServer::start();
        let backend = Redis::new(&server.url(), Duration::from_secs(5)).unwrap();
        Self {
            server,
            backend: Arc::new(backend),
            clock: TestClock::default(),
        }
    }
}

#[async_trait]
impl TestBed for InRedis {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    fn format(&self) -> Format {
        Format::Json
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }

    async fn age(&self, by: Duration) {
        self.server.age(by);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_holds_the_contract() {
    contract(&InMemory::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_holds_the_contract() {
    contract(&InRedis::new()).await;
}
