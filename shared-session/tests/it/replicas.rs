//! `SESSION_STORE_REPLICAS`: a change counts as stored once replicas have it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared_session::backend::redis::{Connection, Redis};
use shared_session::backend::{Backend, BackendError, Outcome};
use shared_session::{Settings, redis};
use shared_session_testkit::servers::RedisServer;

/// Long, so that a busy machine fails no change that must succeed.
const PATIENT: Duration = Duration::from_secs(20);
const BRIEF: Duration = Duration::from_millis(500);
const TTL: Duration = Duration::from_secs(60);

/// A server with one replica.
struct Pair {
    primary: RedisServer,
    replica: RedisServer,
}

impl Pair {
    fn start() -> Self {
        let primary = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
        // without a file, so that a busy disk delays no confirmation
        let of = format!("127.0.0.1 {}", primary.port());
        let replica = RedisServer::start_with(&["--replicaof", &of, "--appendonly", "no"]);
        while !primary.replicates_to(1) {}
        Self { primary, replica }
    }

    fn open(&self, replicas: u32, timeout: Duration) -> Connection {
        let settings = Settings::default().with_store(&self.primary.url()).unwrap();
        let settings = settings.with_store_replicas(replicas).with_store_timeout(timeout);
        Connection::open(&settings.unwrap()).unwrap()
    }
}

#[tokio::test]
async fn confirmed_change_is_on_the_replica() {
    let pair = Pair::start();
    let connection = pair.open(1, PATIENT);
    for value in 0..100 {
        let () = connection.write(redis::cmd("SET").arg("a").arg(value)).await.unwrap();
        assert_eq!(pair.replica.run::<u32>(&["GET", "a"]), value);
    }
}

#[tokio::test]
async fn change_without_a_replica_is_unconfirmed_and_reads_go_on() {
    let pair = Pair::start();
    let patient = Redis::new(pair.open(1, PATIENT));
    assert!(patient.create("a", b"1", TTL).await.unwrap());
    let backend = Redis::new(pair.open(1, BRIEF));
    pair.replica.freeze();
    let start = Instant::now();
    let refused = backend.replace("a", b"1", b"2", TTL).await.unwrap_err();
    assert!(matches!(refused, BackendError::Unconfirmed { .. }), "{refused:?}");
    assert!(
        refused
            .to_string()
            .contains("fewer replicas than SESSION_STORE_REPLICAS"),
        "{refused}"
    );
    assert!(start.elapsed() < Duration::from_millis(450), "{:?}", start.elapsed());
    // it is applied all the same, and may be read
    assert_eq!(backend.load("a", TTL).await.unwrap().as_deref(), Some(&b"2"[..]));
    // another connection's operation that changes nothing may rest on that change
    let other = Redis::new(pair.open(1, BRIEF));
    let gone = other.remove("missing", b"").await.unwrap_err();
    assert!(matches!(gone, BackendError::Unconfirmed { .. }), "{gone:?}");
    pair.replica.thaw();
    assert!(patient.create("b", b"1", TTL).await.unwrap());
    // there are fewer replicas than are asked for
    let backend = Redis::new(pair.open(2, BRIEF));
    let refused = backend.create("c", b"1", TTL).await.unwrap_err();
    assert!(matches!(refused, BackendError::Unconfirmed { .. }), "{refused:?}");
}

#[tokio::test]
async fn concurrent_changes_without_a_replica_all_fail_in_time_and_keep_their_connection() {
    let pair = Pair::start();
    let backend = Arc::new(Redis::new(pair.open(1, BRIEF)));
    let _ = backend.create("a", b"1", TTL).await;
    let connections = pair.primary.connections();
    pair.replica.freeze();
    let start = Instant::now();
    let changes: Vec<_> = (0..50)
        .map(|number| {
            let backend = backend.clone();
            tokio::spawn(async move { backend.create(&format!("b{number}"), b"1", TTL).await })
        })
        .collect();
    for change in changes {
        let refused = change.await.unwrap().unwrap_err();
        assert!(matches!(refused, BackendError::Unconfirmed { .. }), "{refused:?}");
    }
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    // one more: the question itself
    assert_eq!(pair.primary.connections(), connections + 1);
    pair.replica.thaw();
}

#[tokio::test]
async fn concurrent_changes_share_a_confirmation() {
    let pair = Pair::start();
    let connection = Arc::new(pair.open(1, PATIENT));
    let changes: Vec<_> = (0..1000)
        .map(|number| {
            let connection = connection.clone();
            tokio::spawn(async move {
                let key = format!("a{number}");
                let () = connection.write(redis::cmd("SET").arg(&key).arg(1)).await.unwrap();
            })
        })
        .collect();
    for change in changes {
        change.await.unwrap();
    }
    assert_eq!(pair.replica.run::<Vec<String>>(&["KEYS", "a*"]).len(), 1000);
    let waits = pair.primary.calls(&["wait"]);
    assert!(waits < 500, "{waits} confirmations");
}

#[tokio::test]
async fn each_thread_has_one_more_connection_for_changes() {
    let pair = Pair::start();
    let before = pair.primary.connections();
    let connection = pair.open(1, PATIENT);
    let () = connection.write(redis::cmd("SET").arg("a").arg(1)).await.unwrap();
    let () = connection.run(redis::cmd("GET").arg("a")).await.unwrap();
    // one more: the question itself
    assert_eq!(pair.primary.connections(), before + 3);
}

#[tokio::test]
async fn restarted_primary_costs_no_change_that_follows_a_read() {
    let mut pair = Pair::start();
    // else a busy disk delays what is written, and the record ends with the process
    let () = pair.primary.run(&["CONFIG", "SET", "appendfsync", "always"]);
    let backend = Redis::new(pair.open(1, PATIENT));
    assert!(backend.create("a", b"1", TTL).await.unwrap());
    for round in 0..3_u8 {
        // both connections are in use
        let record = backend.load("a", TTL).await.unwrap().unwrap();
        let next = [b'2' + round];
        let replaced = backend.replace("a", &record, &next, TTL).await.unwrap();
        assert!(matches!(replaced, Outcome::Applied));
        pair.primary.kill();
        let options = ["--repl-diskless-sync-delay", "0", "--appendfsync", "always"];
        pair.primary.restart(&options);
    }
}

#[test]
fn a_cluster_is_refused() {
    let settings = Settings::default()
        .with_store("redis-cluster://localhost:7000")
        .unwrap();
    let error = Connection::open(&settings.with_store_replicas(1))
        .unwrap_err()
        .to_string();
    assert!(error.contains("(SESSION_STORE_REPLICAS)"), "{error}");
}
