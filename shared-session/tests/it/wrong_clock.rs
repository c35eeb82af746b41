//! A program whose clock is wrong ends no session for the others, and hides none from a sign-out of all devices.

use std::sync::Arc;
use std::time::Duration;

use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::{CurrentSession, Registry, SessionManager, Settings};
use shared_session_testkit::TestClock;
use shared_session_testkit::servers::RedisServer;

use crate::support::{self, Door, Stack, through_every_door};

through_every_door! {
    over_every_store = std::convert::identity;
    {
        visit_to_a_program_whose_clock_is_ahead_ends_no_session
        sign_in_at_a_program_whose_clock_is_ahead_hides_no_session
        session_that_began_in_the_future_began_now
        log_out_at_a_program_whose_clock_is_ahead_ends_the_session
        sign_in_at_a_program_whose_clock_is_ahead_ends_no_session
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// Two services over one store. The clock of the second one is ahead.
struct Skewed {
    right: Stack,
    wrong: Stack,
    registry: Registry,
}

fn skewed(door: Door, backend: Arc<dyn Backend>, ahead: Duration) -> Skewed {
    let (right, wrong) = (TestClock::default(), TestClock::default());
    wrong.advance(ahead);
    let settings = support::settings();
    let manager = SessionManager::builder(&settings)
        .backend(backend.clone())
        .clock(right.clock())
        .build()
        .unwrap();
    Skewed {
        registry: manager.registry(),
        right: Stack::over(door, backend.clone(), right, &settings),
        wrong: Stack::over(door, backend, wrong, &settings),
    }
}

fn backends() -> (RedisServer, Vec<Arc<dyn Backend>>) {
    let redis = RedisServer::start();
    let in_redis: Arc<dyn Backend> = Arc::new(redis.backend(Duration::from_secs(10)));
    let memory: Arc<dyn Backend> = Arc::new(Memory::new(TestClock::default().clock()));
    (redis, vec![memory, in_redis])
}

async fn visit_to_a_program_whose_clock_is_ahead_ends_no_session(door: Door) {
    let (_redis, backends) = backends();
    for backend in backends {
        // longer than the lifetime
        let skewed = skewed(door, backend, Settings::default().lifetime() + HOUR);
        let cookie = skewed.right.new_session("insert:userid:7").await;
        assert!(skewed.wrong.fields(0, &cookie).await.is_empty());
        assert_eq!(skewed.right.fields(0, &cookie).await["userid"], "7");
        let page = skewed
            .registry
            .list("7", &CurrentSession::default(), 0, 10)
            .await
            .unwrap();
        assert_eq!(page.sessions.len(), 1);
    }
}

async fn sign_in_at_a_program_whose_clock_is_ahead_hides_no_session(door: Door) {
    let (_redis, backends) = backends();
    for backend in backends {
        for ahead in [HOUR, Settings::default().lifetime() + HOUR] {
            let skewed = skewed(door, backend.clone(), ahead);
            let mut cookies = Vec::new();
            for _ in 0..2 {
                cookies.push(skewed.right.new_session("insert:userid:7").await);
                cookies.push(skewed.wrong.new_session("insert:userid:7").await);
            }
            // a list by the wrong clock drops nothing, too
            skewed.wrong.send(0, "/sessions/7", None).await;
            assert_eq!(skewed.registry.revoke_all("7").await.unwrap(), 4, "{ahead:?} ahead");
            for cookie in cookies {
                assert!(skewed.right.fields(0, &cookie).await.is_empty());
                assert!(skewed.wrong.fields(0, &cookie).await.is_empty());
            }
        }
    }
}

async fn session_that_began_in_the_future_began_now(door: Door) {
    let (_redis, backends) = backends();
    for backend in backends {
        let skewed = skewed(door, backend, HOUR * 48);
        let cookie = skewed.wrong.new_session("insert:userid:7").await;
        assert_eq!(skewed.right.fields(0, &cookie).await["userid"], "7");
        let page = skewed
            .registry
            .list("7", &CurrentSession::default(), 0, 10)
            .await
            .unwrap();
        assert_eq!(page.sessions.len(), 1);
        let now = TestClock::default().clock().now();
        assert!(page.sessions[0].last_used <= std::time::SystemTime::UNIX_EPOCH + now);
    }
}

async fn log_out_at_a_program_whose_clock_is_ahead_ends_the_session(door: Door) {
    let (_redis, backends) = backends();
    for backend in backends {
        let skewed = skewed(door, backend, Settings::default().lifetime() + HOUR);
        let cookie = skewed.right.new_session("insert:userid:7").await;
        let log_out = skewed.wrong.send(0, "/do/purge", Some(&cookie)).await;
        assert_eq!(log_out.status, 200);
        assert!(skewed.right.fields(0, &cookie).await.is_empty());
    }
}

async fn sign_in_at_a_program_whose_clock_is_ahead_ends_no_session(door: Door) {
    let (_redis, backends) = backends();
    for backend in backends {
        let skewed = skewed(door, backend, Settings::default().lifetime() + HOUR);
        let cookie = skewed.right.new_session("insert:userid:7").await;
        let sign_in = skewed.wrong.send(0, "/do/renew,insert:userid:7", Some(&cookie)).await;
        assert_eq!(sign_in.status, 200);
        assert_eq!(skewed.right.fields(0, &cookie).await["userid"], "7");
    }
}
