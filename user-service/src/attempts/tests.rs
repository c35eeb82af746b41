//! The limits, on memory and on a real Redis, at times that the tests choose.

#![allow(clippy::unwrap_used)]

use service_kit::testing::database;
use shared_session_testkit::servers::RedisServer;
use tokio::task::JoinSet;

use super::*;

const START: Duration = Duration::from_secs(1_763_830_000);
const STRANGER: &Source = &Source::SignIn(None);

fn anna() -> AccountId {
    AccountId::parse("anna").unwrap()
}

/// Runs a check on memory and on a real Redis.
async fn on_every_store(check: impl AsyncFn(Attempts)) {
    check(Attempts::new(&Database::Memory)).await;
    let redis = RedisServer::start();
    let options = ["--session-store", &redis.url(), "--session-store-timeout", "30s"];
    check(Attempts::new(&database(&options))).await;
}

/// Begins an attempt, which must be granted.
async fn begin(attempts: &Attempts, source: &Source, now: Duration) -> Attempt {
    match attempts.begin_at(&anna(), true, source, now).await.unwrap() {
        Permission::Granted(attempt) => attempt,
        other => panic!("{other:?}"),
    }
}

async fn wait(attempts: &Attempts, source: &Source, now: Duration) -> Duration {
    match attempts.begin_at(&anna(), true, source, now).await.unwrap() {
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
                assert_eq!(wait(&attempts, STRANGER, now).await, expected, "{wrong}");
                now += expected;
            }
            begin(&attempts, STRANGER, now).await;
        }
        for _ in 0..2 {
            now += Duration::from_secs(1_000_000);
            let blocked = attempts.begin_at(&anna(), true, STRANGER, now).await.unwrap();
            assert!(matches!(blocked, Permission::Blocked));
        }
        attempts.forget(&anna()).await.unwrap();
        begin(&attempts, STRANGER, now).await;
    })
    .await;
}

#[tokio::test]
async fn correct_password_and_unverified_password_do_not_count() {
    on_every_store(async |attempts| {
        for _ in 0..20 {
            let attempt = begin(&attempts, STRANGER, START).await;
            attempts.cancelled(&attempt).await.unwrap();
        }
        for _ in 0..3 {
            for _ in 0..4 {
                begin(&attempts, STRANGER, START).await;
            }
            let attempt = begin(&attempts, STRANGER, START).await;
            attempts.succeeded(&attempt).await.unwrap();
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
            set.spawn(async move {
                let permission = attempts.begin_at(&anna(), true, STRANGER, START).await.unwrap();
                matches!(permission, Permission::Granted(_))
            });
        }
        let granted = set.join_all().await.into_iter().filter(|granted| *granted).count();
        assert_eq!(granted, 5);
    })
    .await;
}

#[tokio::test]
async fn strangers_do_not_lock_out_a_known_device_or_a_session() {
    on_every_store(async |attempts| {
        let (known, unknown) = (Token::generate().unwrap(), Token::generate().unwrap());
        let handle: Handle = ("x".repeat(42) + "A").parse().unwrap();
        attempts.remember(&anna(), &known).await.unwrap();
        for _ in 0..5 {
            begin(&attempts, STRANGER, START).await;
        }
        // a token that the user has not signed in with is a stranger's
        for source in [STRANGER, &Source::SignIn(Some(unknown)), &Source::Session(None)] {
            wait(&attempts, source, START).await;
        }
        for source in [&Source::SignIn(Some(known)), &Source::Session(Some(handle))] {
            for _ in 0..4 {
                begin(&attempts, source, START).await;
            }
            let attempt = begin(&attempts, source, START).await;
            wait(&attempts, source, START).await;
            attempts.succeeded(&attempt).await.unwrap();
            begin(&attempts, source, START).await;
        }
        // a sign-in on a known device does not give strangers more attempts
        wait(&attempts, STRANGER, START).await;
    })
    .await;
}

#[tokio::test]
async fn counts_of_ids_without_an_account_expire() {
    let redis = RedisServer::start();
    let attempts = Attempts::new(&database(&["--session-store", &redis.url()]));
    for (is_account, expected) in [(true, -1..=-1), (false, 7100..=7200)] {
        attempts.begin(&anna(), is_account, STRANGER).await.unwrap();
        let ttl: i64 = redis.run(&["TTL", "user:attempts:anna"]);
        assert!(expected.contains(&ttl), "{ttl}");
        attempts.forget(&anna()).await.unwrap();
    }
}

#[tokio::test]
async fn clock_that_was_ahead_does_not_lock_an_account() {
    on_every_store(async |attempts| {
        let ahead = START + Duration::from_secs(9 * 3600);
        for _ in 0..5 {
            begin(&attempts, STRANGER, ahead).await;
        }
        let second = Duration::from_secs(1);
        assert_eq!(wait(&attempts, STRANGER, START).await, second);
        let half = second / 2;
        assert_eq!(wait(&attempts, STRANGER, START + half).await, half);
        let attempt = begin(&attempts, STRANGER, START + second).await;
        attempts.succeeded(&attempt).await.unwrap();
    })
    .await;
}
