//! Concurrent reads and changes: each read must be as new as promised.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use shared_session::backend::near_cache::NearCache;
use shared_session::backend::redis::{Connection, Redis};
use shared_session::backend::{Backend, Outcome};
use shared_session_testkit::servers::RedisServer;
use tokio::time::{Instant, sleep};

use super::{LIMIT, MINUTE, TTL, kill_tracking, read, remember};
use crate::forwarder::{Direction, Forwarder};

/// What the cache is promised to be behind at most.
const BOUND: Duration = Duration::from_millis(400);

/// Lets one process change a record all the time, while another one reads it over a network that fails. Returns how many reads
/// were older than promised, and how many cost no command.
async fn reads_beyond_the_bound(bound: Duration) -> (u64, u64) {
    let server = RedisServer::start();
    let forwarder = Forwarder::start(server.port());
    let settings = forwarder.settings().with_store_timeout(BOUND / 2).unwrap();
    let redis = Redis::new(Connection::open(&settings).unwrap());
    let cached = Arc::new(NearCache::new(redis, bound));
    let other = server.backend(LIMIT);
    other.create("k", b"0", TTL).await.unwrap();
    remember(&cached, "k").await;

    // the last version that was confirmed longer ago than the bound
    let (must_show, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let readers = (0..3).map(|_| {
        let (cached, must_show, is_over) = (cached.clone(), must_show.clone(), is_over.clone());
        tokio::spawn(async move {
            let (mut late, mut remembered) = (0, 0);
            while !is_over.load(Ordering::SeqCst) {
                let expected = must_show.load(Ordering::SeqCst);
                if let Some(record) = cached.remembered("k", TTL) {
                    let version: u64 = std::str::from_utf8(&record).unwrap().parse().unwrap();
                    late += u64::from(version < expected);
                    remembered += 1;
                } else {
                    // an error means that the network fails
                    let _ = cached.load_and_remember("k", TTL).await;
                }
                tokio::task::yield_now().await;
            }
            (late, remembered)
        })
    });
    let readers: Vec<_> = readers.collect();
    let mut confirmed = Vec::new();
    let (began, mut breaks) = (Instant::now(), 0);
    for version in 1_u64.. {
        let (before, after) = ((version - 1).to_string(), version.to_string());
        let replaced = other.replace("k", before.as_bytes(), after.as_bytes(), TTL).await;
        assert_eq!(replaced.unwrap(), Outcome::Applied);
        confirmed.push(Instant::now());
        let old_enough = confirmed.iter().take_while(|time| time.elapsed() >= BOUND).count();
        must_show.store(old_enough as u64, Ordering::SeqCst);
        let passed = began.elapsed();
        if passed > Duration::from_secs(6) {
            break;
        }
        // each second and a half the cache hears nothing any more, in one way or another
        if passed > Duration::from_millis(1500) * (breaks + 1) {
            // until the record is remembered
            sleep(Duration::from_millis(50)).await;
            match breaks % 3 {
                0 => forwarder.break_silently(Direction::FromRedis),
                1 => forwarder.break_silently(Direction::ToRedis),
                _ => kill_tracking(&server),
            }
            breaks += 1;
        }
        sleep(Duration::from_millis(3)).await;
    }
    is_over.store(true, Ordering::SeqCst);
    let mut total = (0, 0);
    for reader in readers {
        let (late, remembered) = reader.await.unwrap();
        total = (total.0 + late, total.1 + remembered);
    }
    total
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_read_is_older_than_the_bound() {
    let (late, remembered) = reads_beyond_the_bound(BOUND).await;
    assert_eq!(late, 0, "of {remembered} reads");
    assert!(remembered > 1000, "only {remembered} reads cost no command");
}

/// The same with a lease that lasts too long.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_without_a_lease_are_older_than_the_bound() {
    assert!(reads_beyond_the_bound(MINUTE).await.0 > 0);
}

/// Reads a record by other tasks all the time, while `change` changes it. Returns how many changes the process did not see at
/// once, until there is one.
async fn changes_not_seen_at_once(cached: &Arc<NearCache>, change: &dyn Backend, count: u64) -> u64 {
    change.create("k", b"0", TTL).await.unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let readers = (0..3).map(|_| {
        let (cached, is_over) = (cached.clone(), is_over.clone());
        tokio::spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                read(&*cached, "k").await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let mut unseen = 0;
    for version in 1..=count {
        let (before, after) = ((version - 1).to_string(), version.to_string());
        let replaced = change.replace("k", before.as_bytes(), after.as_bytes(), TTL).await;
        assert_eq!(replaced.unwrap(), Outcome::Applied);
        // not only at once: an earlier read must not come back
        for _ in 0..3 {
            let shown = read(&**cached, "k").await.unwrap().unwrap();
            unseen += u64::from(shown != after);
        }
        if unseen > 0 {
            break;
        }
    }
    if unseen == 0 {
        let last = count.to_string();
        assert_eq!(change.remove("k", last.as_bytes()).await.unwrap(), Outcome::Applied);
        for _ in 0..100 {
            unseen += u64::from(read(&**cached, "k").await.unwrap().is_some());
        }
    }
    is_over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    unseen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn own_changes_are_seen_at_once() {
    let server = RedisServer::start();
    let cached = Arc::new(NearCache::new(server.backend(LIMIT), MINUTE));
    let own = cached.clone();
    assert_eq!(changes_not_seen_at_once(&cached, &*own, 3000).await, 0);
}

/// The same with a cache that does not know of the process's own changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_by_another_process_are_not_seen_at_once() {
    let server = RedisServer::start();
    let cached = Arc::new(NearCache::new(server.backend(LIMIT), MINUTE));
    let other = server.backend(LIMIT);
    assert!(changes_not_seen_at_once(&cached, &other, 100_000).await > 0);
}
