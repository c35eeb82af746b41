//! Which requests read from the cache, and what they see.

use std::sync::Arc;
use std::time::Duration;

use shared_session::backend::near_cache::NearCache;
use shared_session::http::{Change, Exchange, Wish};
use shared_session::{Error, SessionManager, Settings};
use shared_session_testkit::TestClock;
use shared_session_testkit::servers::RedisServer;
use tokio::time::sleep;

use super::{LIMIT, MINUTE, commands, eventually};
use crate::exchanges::{self, cookie_of, setting};
use crate::forwarder::Forwarder;
use crate::support::{Door, Stack, settings, through_every_door};

through_every_door! {
    in_redis = crate::near_cache::requests::cached_stack;
    {
        safe_request_costs_no_command_and_another_one_reads
        log_out_is_seen_at_once_in_the_same_process
        revocation_is_seen_at_once_in_the_same_process
    }
}

/// Starts two services in one process, with one cache.
fn cached_stack(door: Door) -> Stack {
    let redis = RedisServer::start();
    let cached = Arc::new(NearCache::new(redis.backend(LIMIT), MINUTE));
    let mut stack = Stack::over(door, cached, TestClock::default(), &settings());
    stack.redis = Some(redis);
    stack
}

/// Sends safe requests until one costs no command.
async fn remember(stack: &Stack, cookie: &str) {
    let redis = stack.redis.as_ref().unwrap();
    eventually(async || {
        let before = commands(redis);
        stack.fields(0, cookie).await;
        commands(redis) == before
    })
    .await;
}

async fn safe_request_costs_no_command_and_another_one_reads(stack: Stack) {
    let redis = stack.redis.as_ref().unwrap();
    let cookie = stack.new_session("insert:a:1").await;
    remember(&stack, &cookie).await;
    let before = commands(redis);
    for service in 0..20 {
        assert_eq!(stack.fields(service, &cookie).await.len(), 1);
    }
    assert_eq!(commands(redis), before);
    stack.send(0, "/do/nothing", Some(&cookie)).await;
    assert_eq!(commands(redis), before + 1);
}

async fn log_out_is_seen_at_once_in_the_same_process(stack: Stack) {
    for _ in 0..30 {
        let cookie = stack.new_session("insert:userid:7").await;
        remember(&stack, &cookie).await;
        let set = stack.send(0, "/do/insert:b:2", Some(&cookie)).await;
        assert_eq!(set.status, 200);
        assert_eq!(stack.fields(1, &cookie).await.len(), 2);
        remember(&stack, &cookie).await;
        assert_eq!(stack.send(0, "/do/purge", Some(&cookie)).await.status, 200);
        for service in 0..5 {
            assert_eq!(stack.fields(service, &cookie).await.len(), 0);
        }
    }
}

async fn revocation_is_seen_at_once_in_the_same_process(stack: Stack) {
    let registry = stack.sessions[0].registry();
    for _ in 0..30 {
        let cookie = stack.new_session("insert:userid:7").await;
        remember(&stack, &cookie).await;
        assert_eq!(registry.revoke_all("7").await.unwrap(), 1);
        for service in 0..5 {
            assert_eq!(stack.fields(service, &cookie).await.len(), 0);
        }
    }
}

/// The requests of a process.
struct Process(SessionManager);

impl Process {
    fn on(url: &str, cache: Option<Duration>) -> Self {
        let settings = Settings::default().with_store(url).unwrap().with_store_timeout(LIMIT);
        let settings = settings.and_then(|settings| settings.with_cache(cache));
        Self(SessionManager::new(&settings.unwrap()).unwrap())
    }

    async fn begin(&self, cookie: &str, is_safe: bool) -> Result<Exchange, Error> {
        let begun = exchanges::begin(&self.0, cookie, is_safe).await;
        begun.map_err(|failure| failure.error().clone())
    }

    /// Returns whether a session has fields.
    async fn has_fields(&self, cookie: &str, is_safe: bool) -> bool {
        self.begin(cookie, is_safe).await.unwrap().fields().next().is_some()
    }

    /// Sets the user of a session, and returns the new cookie.
    async fn sign_in(&self, cookie: &str, wish: Wish) -> String {
        let exchange = self.begin(cookie, false).await.unwrap();
        let outcome = exchange.finish(wish, setting(&[("userid", "7")]), None).await;
        cookie_of(outcome.unwrap()).unwrap()
    }

    async fn sign_out(&self, cookie: &str) {
        let exchange = self.begin(cookie, false).await.unwrap();
        drop(exchange.finish(Wish::Destroy, Change::default(), None).await.unwrap());
    }

    /// Sends safe requests until one costs no command.
    async fn remember(&self, cookie: &str, redis: &RedisServer) {
        eventually(async || {
            let before = commands(redis);
            self.begin(cookie, true).await.unwrap();
            commands(redis) == before
        })
        .await;
    }
}

/// A user signs in at one service and is sent to another one, which remembers the session with its former id.
#[tokio::test(flavor = "multi_thread")]
async fn new_id_is_known_where_the_former_session_is_remembered() {
    let redis = RedisServer::start();
    let (cached, other) = (Process::on(&redis.url(), Some(MINUTE)), Process::on(&redis.url(), None));
    let mut cookie = other.sign_in("", Wish::Keep).await;
    for _ in 0..100 {
        cached.remember(&cookie, &redis).await;
        cookie = other.sign_in(&cookie, Wish::Renew).await;
        assert!(cached.has_fields(&cookie, true).await);
    }
}

/// The news of a log-out comes late. Only a safe request may miss it.
#[tokio::test(flavor = "multi_thread")]
async fn request_that_is_not_safe_sees_a_log_out_whose_news_is_late() {
    let redis = RedisServer::start();
    let forwarder = Forwarder::start(redis.port());
    let url = format!("redis://127.0.0.1:{}/0", forwarder.port());
    let (cached, other) = (Process::on(&url, Some(MINUTE)), Process::on(&redis.url(), None));
    let cookie = other.sign_in("", Wish::Keep).await;
    cached.remember(&cookie, &redis).await;
    for cookie in ["", &cookie] {
        let current = cached.begin(cookie, true).await.unwrap().current();
        assert!(current.is_up_to_date().await.unwrap());
    }
    cached.remember(&cookie, &redis).await;
    forwarder.delay(Duration::from_millis(500));
    other.sign_out(&cookie).await;
    let remembered = cached.begin(&cookie, true).await.unwrap();
    assert!(remembered.fields().next().is_some());
    assert!(!remembered.current().is_up_to_date().await.unwrap());
    assert!(!cached.has_fields(&cookie, false).await);
    assert!(!cached.has_fields(&cookie, true).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_record_is_not_remembered() {
    let redis = RedisServer::start();
    let cached = Process::on(&redis.url(), Some(MINUTE));
    let cookie = cached.sign_in("", Wish::Keep).await;
    cached.remember(&cookie, &redis).await;
    let keys: Vec<String> = redis.run(&["KEYS", "session:*"]);
    let key = keys.iter().find(|key| !key.contains("index")).unwrap();
    let record: String = redis.run(&["GET", key]);
    let () = redis.run(&["SET", key, "no record", "PX", "1000000"]);
    eventually(async || cached.begin(&cookie, true).await.is_err()).await;
    for _ in 0..3 {
        let (before, begun) = (commands(&redis), cached.begin(&cookie, true).await);
        assert!(matches!(begun, Err(Error::Unreadable { .. })), "{begun:?}");
        assert!(commands(&redis) > before);
    }
    let () = redis.run(&["SET", key, &record, "PX", "1000000"]);
    sleep(Duration::from_millis(100)).await;
    assert!(cached.has_fields(&cookie, true).await);
}
