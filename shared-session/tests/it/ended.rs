//! [`CurrentSession::ended`]: the end of a session, for responses that go on for long.

use std::time::Duration;

use shared_session::http::{Change, Exchange, Wish};
use shared_session::{CurrentSession, SessionManager, Settings};
use shared_session_testkit::servers::RedisServer;
use tokio::time::{Instant, sleep, timeout};

use crate::exchanges::{self, cookie_of, setting};

/// How long a test waits for what should happen.
const LIMIT: Duration = Duration::from_secs(20);

/// A process that waits, and another one that changes the sessions.
struct Processes {
    redis: RedisServer,
    waiting: SessionManager,
    other: SessionManager,
}

fn settings(redis: &RedisServer) -> Settings {
    let settings = Settings::default().with_store(&redis.url()).unwrap();
    settings.with_store_timeout(LIMIT).unwrap()
}

async fn begin(sessions: &SessionManager, cookie: &str) -> Exchange {
    exchanges::begin(sessions, cookie, true).await.unwrap()
}

impl Processes {
    async fn start(cache: Option<Duration>) -> Self {
        let redis = RedisServer::start();
        let waiting = settings(&redis).with_cache(cache).unwrap();
        let processes = Self {
            waiting: SessionManager::new(&waiting).unwrap(),
            other: SessionManager::new(&settings(&redis)).unwrap(),
            redis,
        };
        if cache.is_some() {
            // the first use begins to connect
            begin(&processes.waiting, &processes.sign_in().await).await;
            let began = Instant::now();
            while processes.tracking_connections() == 0 {
                assert!(began.elapsed() < LIMIT, "the cache stays off");
                sleep(Duration::from_millis(1)).await;
            }
        }
        processes
    }

    fn tracking_connections(&self) -> u64 {
        let clients: String = self.redis.run(&["INFO", "clients"]);
        let count = clients.lines().find_map(|line| line.strip_prefix("tracking_clients:"));
        count.unwrap().trim().parse().unwrap()
    }

    /// Makes a request of the other process, and returns the cookie that its response sets, or the one that it had.
    async fn request(&self, cookie: &str, wish: Wish, fields: &[(&str, &str)]) -> String {
        let finished = begin(&self.other, cookie)
            .await
            .finish(wish, setting(fields), None)
            .await;
        cookie_of(finished.unwrap()).unwrap_or_else(|| cookie.to_owned())
    }

    async fn sign_in(&self) -> String {
        self.request("", Wish::Keep, &[("userid", "7")]).await
    }

    /// Begins to wait for the end of a session, until Redis was asked about it.
    async fn wait(&self, cookie: &str) -> tokio::task::JoinHandle<()> {
        let current: CurrentSession = begin(&self.waiting, cookie).await.current();
        let before = self.redis.calls(&["evalsha", "eval"]);
        let waiting = tokio::spawn(current.ended());
        while self.redis.calls(&["evalsha", "eval"]) == before {
            sleep(Duration::from_millis(1)).await;
        }
        waiting
    }
}

const CACHE: Option<Duration> = Some(Duration::from_secs(60));

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_a_session_is_told() {
    let processes = Processes::start(CACHE).await;
    for end in ["log-out", "revocation", "expiry", "another user", "no user"] {
        let cookie = processes.sign_in().await;
        let waiting = processes.wait(&cookie).await;
        // neither a change nor a renewal is its end
        processes.request(&cookie, Wish::Keep, &[("a", "1")]).await;
        let cookie = processes.request(&cookie, Wish::Renew, &[("b", "2")]).await;
        sleep(Duration::from_millis(200)).await;
        assert!(!waiting.is_finished(), "{end}");
        match end {
            "log-out" => drop(processes.request(&cookie, Wish::Destroy, &[]).await),
            "revocation" => assert!(processes.other.registry().revoke_all("7").await.unwrap() > 0),
            "expiry" => {
                let keys: Vec<String> = processes.redis.run(&["KEYS", "session:*"]);
                for key in keys {
                    let _: u64 = processes.redis.run(&["PEXPIRE", &key, "50"]);
                }
            }
            "another user" => drop(processes.request(&cookie, Wish::Renew, &[("userid", "8")]).await),
            _ => {
                let change = Change::default().without_field("userid");
                let exchange = begin(&processes.other, &cookie).await;
                drop(exchange.finish(Wish::Keep, change, None).await.unwrap());
            }
        }
        timeout(LIMIT, waiting).await.expect(end).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn end_is_noticed_without_a_cache() {
    let processes = Processes::start(None).await;
    let cookie = processes.sign_in().await;
    let waiting = processes.wait(&cookie).await;
    processes.request(&cookie, Wish::Destroy, &[]).await;
    timeout(LIMIT, waiting).await.unwrap().unwrap();
}

// one thread, so that the read of a request replaces the connection that its change needs
#[tokio::test]
async fn outage_ends_no_session() {
    for cache in [CACHE, None] {
        let mut processes = Processes::start(cache).await;
        let cookie = processes.sign_in().await;
        let waiting = processes.wait(&cookie).await;
        processes.redis.kill();
        sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        processes.redis.restart(&[]);
        processes.request(&cookie, Wish::Destroy, &[]).await;
        timeout(LIMIT, waiting).await.unwrap().unwrap();
    }
}

/// With a cache, a wait costs commands when the session changes, and no others.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_an_end_costs_no_commands() {
    let processes = Processes::start(CACHE).await;
    let waiting = processes.wait(&processes.sign_in().await).await;
    sleep(Duration::from_millis(500)).await;
    let names = ["get", "evalsha", "eval", "getex"];
    let before = processes.redis.calls(&names);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(processes.redis.calls(&names), before);
    waiting.abort();
}

#[tokio::test]
async fn request_without_a_session_waits_for_ever() {
    let sessions = SessionManager::new(&Settings::default()).unwrap();
    let current = begin(&sessions, "").await.current();
    assert!(timeout(Duration::from_millis(300), current.ended()).await.is_err());
    let outside = CurrentSession::default();
    assert!(timeout(Duration::from_millis(300), outside.ended()).await.is_err());
}
