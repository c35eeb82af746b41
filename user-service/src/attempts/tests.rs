//! The limits, on memory and on a real Redis, at times that the tests choose.

#![allow(clippy::unwrap_used)]

use service_kit::database::Database;
use service_kit::testing::database;
use shared_session_testkit::servers::RedisServer;
use tokio::task::JoinSet;

use super::*;
use crate::texts;

const START: Duration = Duration::from_secs(1_763_830_000);

fn anna() -> Key {
    Key::of_account("account-of-anna")
}

/// Runs a check on memory and on a real Redis.
async fn on_every_store(check: impl AsyncFn(Attempts)) {
    check(Attempts::new(texts::open(&Database::Memory))).await;
    let redis = RedisServer::start();
    let options = ["--session-store", &redis.url(), "--session-store-timeout", "30s"];
    check(Attempts::new(texts::open(&database(&options)))).await;
}

/// Begins an attempt, which must be granted.
async fn begin(attempts: &Attempts, key: &Key, now: Duration) {
    assert_eq!(attempts.begin_at(key, now).await.unwrap(), Permission::Granted);
}

async fn wait(attempts: &Attempts, key: &Key, now: Duration) -> Duration {
    match attempts.begin_at(key, now).await.unwrap() {
        Permission::Wait(wait) => wait,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn delays_grow_until_there_are_a_hundred_wrong_passwords() {
    on_every_store(async |attempts| {
        let mut now = START;
        for wrong in 0..100 {
            if wrong >= 5 {
                let expected = Duration::from_secs(1 << (wrong - 5).min(32)).min(Duration::from_secs(3600));
                assert_eq!(wait(&attempts, &anna(), now).await, expected, "{wrong}");
                now += expected;
            }
            begin(&attempts, &anna(), now).await;
        }
        for _ in 0..2 {
            now += Duration::from_secs(1_000_000);
            assert_eq!(attempts.begin_at(&anna(), now).await.unwrap(), Permission::Blocked);
        }
        attempts.forget(&anna()).await.unwrap();
        begin(&attempts, &anna(), now).await;
    })
    .await;
}

#[tokio::test]
async fn correct_password_and_unverified_password_do_not_count() {
    on_every_store(async |attempts| {
        for _ in 0..20 {
            begin(&attempts, &anna(), START).await;
            attempts.cancelled(&anna()).await.unwrap();
        }
        for _ in 0..3 {
            for _ in 0..5 {
                begin(&attempts, &anna(), START).await;
            }
            attempts.forget(&anna()).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn concurrent_attempts_do_not_exceed_the_free_ones() {
    on_every_store(async |attempts| {
        let mut set = JoinSet::new();
        for _ in 0..100 {
            let attempts = attempts.clone();
            set.spawn(async move { attempts.begin_at(&anna(), START).await.unwrap() == Permission::Granted });
        }
        let granted = set.join_all().await.into_iter().filter(|granted| *granted).count();
        assert_eq!(granted, 5);
    })
    .await;
}

#[tokio::test]
async fn strangers_do_not_lock_out_a_session() {
    on_every_store(async |attempts| {
        let handle: Handle = ("x".repeat(42) + "A").parse().unwrap();
        let session = Key::of_session("account-of-anna", Some(&handle));
        for _ in 0..5 {
            begin(&attempts, &anna(), START).await;
        }
        wait(&attempts, &anna(), START).await;
        for _ in 0..5 {
            begin(&attempts, &session, START).await;
        }
        wait(&attempts, &session, START).await;
        // a correct password in the session does not give strangers more attempts
        attempts.forget(&session).await.unwrap();
        begin(&attempts, &session, START).await;
        wait(&attempts, &anna(), START).await;
    })
    .await;
}

/// Otherwise the response would tell some time later whether there is an account.
#[tokio::test]
async fn counts_are_kept_as_long_with_an_account_as_without_one() {
    let redis = RedisServer::start();
    let attempts = Attempts::new(texts::open(&database(&["--session-store", &redis.url()])));
    let year = 365 * 24 * 3600;
    for key in [anna(), Key::of_sign_in(&UserId::parse("nobody").unwrap(), None)] {
        attempts.begin(&key).await.unwrap();
        let ttl: i64 = redis.run(&["TTL", &key.0]);
        assert!((year - 100..=year).contains(&ttl), "{ttl}");
        assert!(!key.0.contains("nobody"), "it may be a password in the wrong field");
    }
}

#[tokio::test]
async fn clock_that_was_ahead_does_not_lock_an_account() {
    on_every_store(async |attempts| {
        let ahead = START + Duration::from_secs(9 * 3600);
        for _ in 0..5 {
            begin(&attempts, &anna(), ahead).await;
        }
        let second = Duration::from_secs(1);
        assert_eq!(wait(&attempts, &anna(), START).await, second);
        let half = second / 2;
        assert_eq!(wait(&attempts, &anna(), START + half).await, half);
        begin(&attempts, &anna(), START + second).await;
    })
    .await;
}
