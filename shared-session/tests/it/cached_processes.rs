//! [`CachedProcesses`]: processes with a cache, for tests that demand of every load that it sees all earlier changes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use shared_session::backend::near_cache::NearCache;
use shared_session::backend::{Backend, BackendError, Outcome};
use shared_session_testkit::servers::RedisServer;

use crate::near_cache::{MINUTE, TTL, remember};

/// Two processes that share a server, and take turns. Each load may come from the cache of its process.
///
/// A change ends when both have been told of it. Until then, a load may see the former record.
pub struct CachedProcesses {
    processes: [NearCache; 2],
    /// How often one was called.
    calls: AtomicUsize,
    /// How often somebody waited for news.
    waits: AtomicUsize,
}

impl CachedProcesses {
    pub fn new(server: &RedisServer) -> Self {
        let process = || NearCache::new(server.backend(Duration::from_secs(5)), MINUTE);
        Self {
            processes: [process(), process()],
            calls: AtomicUsize::new(0),
            waits: AtomicUsize::new(0),
        }
    }

    /// Waits until each process has been told of all changes before. Redis tells of them before it replies to a later read on the same
    /// connection, and only a record that was read there is remembered.
    pub async fn wait_for_news(&self) {
        let number = self.waits.fetch_add(1, Ordering::Relaxed);
        let key = format!("news:{number}");
        for process in &self.processes {
            process.create(&key, b"", TTL).await.unwrap();
            remember(process, &key).await;
        }
    }

    /// Returns the process whose turn it is.
    fn next(&self) -> &NearCache {
        &self.processes[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }

    async fn told<T>(&self, change: impl Future<Output = T>) -> T {
        let outcome = change.await;
        self.wait_for_news().await;
        outcome
    }
}

#[async_trait]
impl Backend for CachedProcesses {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        let process = self.next();
        if ttl.is_zero() {
            // that is how a record is removed
            return self.told(process.load(key, ttl)).await;
        }
        match process.remembered(key, ttl) {
            Some(record) => Ok(Some(record)),
            None => process.load_and_remember(key, ttl).await,
        }
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        self.next().peek(key).await
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        self.told(self.next().create(key, record, ttl)).await
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        self.told(self.next().replace(key, expected, record, ttl)).await
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        self.told(self.next().remove(key, expected)).await
    }

    async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError> {
        self.next().index_add(key, member, left).await
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        self.next().index_remove(key, member).await
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        self.next().index_members(key, offset, limit).await
    }

    async fn check(&self, key: &str) -> Result<(), BackendError> {
        self.next().check(key).await
    }

    async fn confirm(&self, key: &str) -> Result<(), BackendError> {
        self.next().confirm(key).await
    }

    fn shard(&self, key: &str) -> u64 {
        self.next().shard(key)
    }

    fn system_name(&self) -> &'static str {
        self.next().system_name()
    }
}

/// Otherwise the suite would not test the cache.
#[tokio::test(flavor = "multi_thread")]
async fn loads_come_from_the_cache_and_see_every_change() {
    let server = RedisServer::start();
    let processes = CachedProcesses::new(&server);
    let reads = || server.calls(&["eval", "evalsha", "get", "getex"]);
    let load_in_both = async || {
        let first = processes.load("session:a", TTL).await.unwrap().unwrap();
        assert_eq!(processes.load("session:a", TTL).await.unwrap().unwrap(), first);
        first
    };
    let mut record = Bytes::from_static(b"0");
    assert!(processes.create("session:a", &record, TTL).await.unwrap());
    for number in 1..100_u32 {
        assert_eq!(load_in_both().await, record);
        let before = reads();
        assert_eq!(load_in_both().await, record);
        assert_eq!(reads(), before, "a load did not come from the cache");
        let next = Bytes::from(number.to_string());
        let replaced = processes.replace("session:a", &record, &next, TTL).await.unwrap();
        assert_eq!(replaced, Outcome::Applied);
        record = next;
    }
}
