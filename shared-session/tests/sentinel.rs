//! Sentinel: the primary is found, and found again after a fail-over.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use shared_session::backend::redis::{Connection, RedisFailure};
use shared_session::testing::redis_sentinel::RedisSentinel;
use shared_session::{Settings, redis};

fn open(url: &str) -> Connection {
    Connection::open(&Settings::default().with_store(url).unwrap()).unwrap()
}

async fn set(connection: &Connection, value: &str) -> Result<(), RedisFailure> {
    connection.write(redis::cmd("SET").arg("a").arg(value)).await
}

async fn get(connection: &Connection) -> Result<Option<String>, RedisFailure> {
    connection.run(redis::cmd("GET").arg("a")).await
}

/// Repeats an operation until it succeeds, and returns how long that took.
async fn until_ok(mut operation: impl AsyncFnMut() -> Result<(), RedisFailure>) -> Duration {
    let start = Instant::now();
    while let Err(failure) = operation().await {
        assert!(start.elapsed() < Duration::from_secs(30), "{failure}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn primary_is_found_again_after_every_kind_of_fail_over() {
    let start = Instant::now();
    let mut redis = RedisSentinel::start();
    eprintln!("started in {:?}", start.elapsed());
    let connection = open(&redis.url());
    set(&connection, "1").await.unwrap();
    assert_eq!(get(&connection).await.unwrap().as_deref(), Some("1"));

    // demoted
    redis.fail_over();
    let primary = redis.wait_for_another_primary(0);
    let back = until_ok(async || set(&connection, "2").await).await;
    assert!(back < Duration::from_secs(2), "{back:?}");
    let stored: String = redis.server(primary).run(&["GET", "a"]);
    assert_eq!(stored, "2");
    redis.wait_until_complete();
    eprintln!("demoted {:?}", start.elapsed());

    // hung, without a request that notices it
    redis.server(primary).freeze();
    let next = redis.wait_for_another_primary(primary);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = Instant::now();
    set(&connection, "3").await.unwrap();
    assert!(asked.elapsed() < Duration::from_millis(200), "{:?}", asked.elapsed());
    redis.server(primary).thaw();
    redis.wait_until_complete();
    eprintln!("hung {:?}", start.elapsed());

    // killed, and one Sentinel with it
    redis.server_mut(next).kill();
    redis.kill_sentinel(0);
    redis.wait_for_another_primary(next);
    let back = until_ok(async || set(&connection, "4").await).await;
    assert!(back < Duration::from_secs(2), "{back:?}");
    assert_eq!(get(&connection).await.unwrap().as_deref(), Some("4"));
    eprintln!("killed {:?}", start.elapsed());
}
