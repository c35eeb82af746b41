//! The cache of the records that a process read from Redis.

mod history;
mod metrics;
mod outage;
mod requests;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use shared_session::backend::near_cache::NearCache;
use shared_session::backend::redis::{Connection, Redis};
use shared_session::backend::{Backend, BackendError, Outcome};
use shared_session::{Settings, SettingsError};
use shared_session_testkit::servers::RedisServer;
use tokio::time::{Instant, sleep};

pub const TTL: Duration = Duration::from_secs(1000);

/// How long a test waits for what usually takes a millisecond.
const LIMIT: Duration = Duration::from_secs(20);

/// So long that what is remembered ends by news only.
pub const MINUTE: Duration = Duration::from_secs(60);

/// A process with a cache, and another one without.
struct Processes {
    server: RedisServer,
    cached: NearCache,
    other: Redis,
}

impl Processes {
    async fn start(bound: Duration) -> Self {
        Self::on(RedisServer::start(), bound).await
    }

    /// Starts both, and waits until the cache is on.
    async fn on(server: RedisServer, bound: Duration) -> Self {
        let processes = Self {
            cached: NearCache::new(server.backend(LIMIT), bound),
            other: server.backend(LIMIT),
            server,
        };
        processes.create("first", "1").await;
        remember(&processes.cached, "first").await;
        processes
    }

    async fn create(&self, key: &str, record: &str) {
        assert!(self.other.create(key, record.as_bytes(), TTL).await.unwrap());
    }

    /// Replaces a record by the other process.
    async fn replace(&self, key: &str, expected: &str, record: &str) {
        let replaced = self
            .other
            .replace(key, expected.as_bytes(), record.as_bytes(), TTL)
            .await;
        assert_eq!(replaced.unwrap(), Outcome::Applied);
    }

    fn is_remembered(&self, key: &str) -> bool {
        self.cached.remembered(key, TTL).is_some()
    }

    async fn wait_until_forgotten(&self, key: &str) {
        eventually(async || !self.is_remembered(key)).await;
    }
}

/// Reads a record, again and again, until it is remembered.
pub async fn remember(cached: &NearCache, key: &str) {
    let began = Instant::now();
    loop {
        // an error means that Redis is not reachable yet
        let _ = cached.load_and_remember(key, TTL).await;
        if cached.remembered(key, TTL).is_some() {
            return;
        }
        assert!(began.elapsed() < LIMIT, "the cache is off");
        sleep(Duration::from_millis(1)).await;
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
async fn read(backend: &impl Backend, key: &str) -> Result<Option<Bytes>, BackendError> {
    match backend.remembered(key, TTL) {
        Some(record) => Ok(Some(record)),
        None => backend.load_and_remember(key, TTL).await,
    }
}

/// Ends the connections that tell what changes.
fn kill_tracking(server: &RedisServer) {
    let clients: String = server.run(&["CLIENT", "LIST"]);
    for client in clients.lines() {
        let value = |name| client.split(' ').find_map(|part: &str| part.strip_prefix(name));
        if value("flags=").unwrap().contains('t') {
            let _: u64 = server.run(&["CLIENT", "KILL", "ID", value("id=").unwrap()]);
        }
    }
}

/// Returns how many commands Redis ran to read records.
fn commands(server: &RedisServer) -> u64 {
    server.calls(&["evalsha", "eval", "getex"])
}

#[tokio::test]
async fn steady_read_costs_no_command() {
    let processes = Processes::start(MINUTE).await;
    let before = commands(&processes.server);
    for _ in 0..1000 {
        assert_eq!(read(&processes.cached, "first").await.unwrap().unwrap(), "1");
    }
    assert_eq!(commands(&processes.server), before);
}

#[tokio::test]
async fn two_processes_that_read_in_turn_both_remember() {
    let processes = Processes::start(MINUTE).await;
    let second = NearCache::new(processes.server.backend(LIMIT), MINUTE);
    remember(&second, "first").await;
    remember(&processes.cached, "first").await;
    let before = commands(&processes.server);
    for _ in 0..100 {
        read(&processes.cached, "first").await.unwrap();
        read(&second, "first").await.unwrap();
    }
    assert_eq!(commands(&processes.server), before);
}

#[tokio::test]
async fn every_kind_of_change_ends_what_is_remembered() {
    let processes = Processes::start(MINUTE).await;
    let server = &processes.server;
    let changes: [&[&str]; 8] = [
        &["SET", "k", "2"],
        &["DEL", "k"],
        &["UNLINK", "k"],
        &["PEXPIRE", "k", "60000"],
        &["PEXPIRE", "k", "1"],
        &["RENAME", "k", "l"],
        &["FLUSHALL"],
        &["FLUSHDB"],
    ];
    for change in changes {
        let () = server.run(&["SET", "k", "1", "PX", "1000000"]);
        remember(&processes.cached, "k").await;
        let _: redis::Value = server.run(change);
        processes.wait_until_forgotten("k").await;
        let now = read(&processes.cached, "k").await.unwrap();
        let present: Option<Bytes> = server.run(&["GET", "k"]);
        assert_eq!(now, present, "{change:?}");
    }
}

/// Redis then forgets what it told, and tells that it did.
#[tokio::test]
async fn overflow_of_the_tracking_table_loses_no_change() {
    let processes = Processes::start(MINUTE).await;
    let () = processes
        .server
        .run(&["CONFIG", "SET", "tracking-table-max-keys", "10"]);
    let keys: Vec<String> = (0..50).map(|number| format!("k{number}")).collect();
    for key in &keys {
        processes.create(key, "1").await;
    }
    join_all(keys.iter().map(|key| read(&processes.cached, key))).await;
    for key in &keys {
        processes.replace(key, "1", "2").await;
    }
    for key in &keys {
        eventually(async || read(&processes.cached, key).await.unwrap().unwrap() == "2").await;
    }
}

#[tokio::test]
async fn missing_record_is_not_remembered() {
    let processes = Processes::start(MINUTE).await;
    for _ in 0..3 {
        assert_eq!(read(&processes.cached, "none").await.unwrap(), None);
    }
    assert!(!processes.is_remembered("none"));
    let before = commands(&processes.server);
    assert_eq!(read(&processes.cached, "none").await.unwrap(), None);
    assert_eq!(commands(&processes.server), before + 1);
}

#[tokio::test]
async fn record_with_another_idle_time_is_read_again() {
    let processes = Processes::start(MINUTE).await;
    assert_eq!(processes.cached.remembered("first", TTL * 2), None);
    assert_eq!(
        processes
            .cached
            .load_and_remember("first", TTL * 2)
            .await
            .unwrap()
            .unwrap(),
        "1"
    );
    let left: u128 = processes.server.run(&["PTTL", "first"]);
    assert!(left > (TTL * 19 / 10).as_millis(), "{left} ms left");
}

/// The expiry is never more than a twentieth early, and Redis is asked at most once in that time.
#[tokio::test]
async fn reads_keep_a_record_alive_with_few_commands() {
    let processes = Processes::start(MINUTE).await;
    let (ttl, key) = (Duration::from_secs(4), "short");
    assert!(processes.other.create(key, b"1", ttl).await.unwrap());
    let before = commands(&processes.server);
    let began = Instant::now();
    while began.elapsed() < ttl * 3 / 2 {
        let found = match processes.cached.remembered(key, ttl) {
            Some(record) => Some(record),
            None => processes.cached.load_and_remember(key, ttl).await.unwrap(),
        };
        assert_eq!(found.unwrap(), "1");
        let left: i64 = processes.server.run(&["PTTL", key]);
        assert!(left > 3700, "{left} ms left of {ttl:?}");
        sleep(Duration::from_millis(5)).await;
    }
    // an extension, which Redis tells, and a read
    let most = 2 * (began.elapsed().as_millis() / (ttl / 20).as_millis() + 2);
    let sent = u128::from(commands(&processes.server) - before);
    assert!((30..=most).contains(&sent), "{sent} commands, not {most}");
}

#[tokio::test]
async fn record_that_expired_is_not_remembered() {
    let processes = Processes::start(MINUTE).await;
    let (ttl, key) = (Duration::from_millis(300), "short");
    assert!(processes.other.create(key, b"1", ttl).await.unwrap());
    eventually(async || {
        let found = processes.cached.load_and_remember(key, ttl).await.unwrap();
        found.is_none() || processes.cached.remembered(key, ttl).is_some()
    })
    .await;
    // it need not be told: the record was remembered for a twentieth of its time
    sleep(ttl / 20).await;
    assert_eq!(processes.cached.remembered(key, ttl), None);
}

#[tokio::test]
async fn waiting_for_a_change_ends_with_the_next_one() {
    let processes = Processes::start(MINUTE).await;
    let cached = &processes.cached;
    // a record that differs already
    cached.changed("first", b"0").await;
    let waiting = cached.changed("first", b"1");
    let replacing = async {
        eventually(async || processes.server.calls(&["get"]) > 1).await;
        processes.replace("first", "1", "2").await;
    };
    let ((), ()) = tokio::time::timeout(LIMIT, async { tokio::join!(waiting, replacing) })
        .await
        .unwrap();
}

#[tokio::test]
async fn cluster_refuses_the_option() {
    let settings = Settings::default().with_store("redis-cluster://127.0.0.1:1").unwrap();
    let settings = settings.with_cache(Some(MINUTE)).unwrap();
    let refused: SettingsError = Connection::open(&settings).unwrap_err();
    let expected = "--session-cache (SESSION_CACHE): not supported with a cluster; remove it";
    assert_eq!(refused.to_string(), expected);
}
