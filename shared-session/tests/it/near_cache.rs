//! The cache of the records that a process read from Redis.

use std::time::Duration;

use bytes::Bytes;
use shared_session::backend::near_cache::NearCache;
use shared_session::backend::redis::Redis;
use shared_session::backend::{Backend, Outcome};
use shared_session_testkit::servers::RedisServer;
use tokio::time::{Instant, sleep};

const TTL: Duration = Duration::from_secs(1000);

/// How long a test waits for what usually takes a millisecond.
const LIMIT: Duration = Duration::from_secs(10);

/// A process with a cache, and another one without.
struct Processes {
    server: RedisServer,
    cached: NearCache,
    other: Redis,
}

impl Processes {
    /// Starts both, and waits until the cache is on.
    async fn start(bound: Duration) -> Self {
        let server = RedisServer::start();
        let processes = Self {
            cached: NearCache::new(server.backend(LIMIT), bound),
            other: server.backend(LIMIT),
            server,
        };
        processes.create("first", "1").await;
        processes.wait_until_remembered("first").await;
        processes
    }

    async fn create(&self, key: &str, record: &str) {
        assert!(self.other.create(key, record.as_bytes(), TTL).await.unwrap());
    }

    /// Replaces a record from the other process.
    async fn replace(&self, key: &str, expected: &str, record: &str) {
        let replaced = self
            .other
            .replace(key, expected.as_bytes(), record.as_bytes(), TTL)
            .await;
        assert_eq!(replaced.unwrap(), Outcome::Applied);
    }

    /// Returns how many commands Redis ran, without those that keep the lease.
    fn commands(&self) -> u64 {
        self.server.calls(&["evalsha", "eval", "get", "getex", "set"])
    }

    async fn wait_until_remembered(&self, key: &str) {
        eventually(async || {
            self.cached.load_and_remember(key, TTL).await.unwrap();
            self.cached.remembered(key, TTL).is_some()
        })
        .await;
    }

    async fn wait_until_forgotten(&self, key: &str) {
        eventually(async || self.cached.remembered(key, TTL).is_none()).await;
    }
}

async fn eventually(is_true: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_true().await {
        assert!(began.elapsed() < LIMIT, "it does not happen");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Reads a record as a safe request does.
async fn read(backend: &impl Backend, key: &str) -> Option<Bytes> {
    match backend.remembered(key, TTL) {
        Some(record) => Some(record),
        None => backend.load_and_remember(key, TTL).await.unwrap(),
    }
}

#[tokio::test]
async fn steady_read_costs_no_command() {
    let processes = Processes::start(Duration::from_secs(60)).await;
    let before = processes.commands();
    for _ in 0..1000 {
        assert_eq!(read(&processes.cached, "first").await.unwrap(), "1");
    }
    assert_eq!(processes.commands(), before);
}

#[tokio::test]
async fn change_by_another_process_ends_what_is_remembered() {
    let processes = Processes::start(Duration::from_secs(60)).await;
    processes.replace("first", "1", "2").await;
    processes.wait_until_forgotten("first").await;
    assert_eq!(read(&processes.cached, "first").await.unwrap(), "2");
}
