//! Starts servers, and visits them with browsers.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use service_kit::testing::{self, Running};
use service_kit::{Failure, Resources};
use shared_session_testkit::servers::RedisServer;
use user_service::hasher::{Argon2id, HashFunction, Hasher};
use user_service::{SERVICE, routes_with_hasher};

pub use service_kit::testing::{Response, send};

pub const PASSWORD: &str = "correct horse <b>&\"'";

/// One or more processes of the service.
pub struct Stack {
    servers: Vec<Running>,
    pub hashes: Arc<CountingArgon2id>,
    pub redis: Option<RedisServer>,
}

impl Stack {
    /// Starts one process that keeps everything in memory.
    pub fn memory() -> Self {
        Self::start(1, "memory:", None)
    }

    /// Starts two processes that share a Redis.
    pub fn redis() -> Self {
        let redis = durable_redis();
        Self::start(2, &redis.url(), Some(redis))
    }

    /// Starts a stack for each kind of store.
    pub fn every_store() -> [Self; 2] {
        [Self::memory(), Self::redis()]
    }

    fn start(processes: usize, store: &str, redis: Option<RedisServer>) -> Self {
        let hashes = Arc::new(CountingArgon2id::default());
        let hasher = Hasher::new(hashes.clone(), 2, Duration::from_secs(60));
        // a long timeout, so that tests pass on a busy machine
        let arguments = ["--session-store", store, "--session-store-timeout", "10s"];
        let servers = (0..processes).map(|_| start(&hasher, &arguments));
        Self {
            servers: servers.collect(),
            hashes,
            redis,
        }
    }

    /// Returns a new browser that visits the process with this number, modulo the number of processes.
    pub fn browser(&self, process: usize) -> Browser {
        Browser::at(self.server(process))
    }

    /// Returns the same browser, with the same cookies, at another process.
    pub fn at_process(&self, browser: &Browser, process: usize) -> Browser {
        Browser(browser.0.at(self.server(process)))
    }

    fn server(&self, process: usize) -> &Running {
        &self.servers[process % self.servers.len()]
    }

    /// Returns a browser whose user has registered at the first process, and signed out again.
    pub async fn registered(&self, id: &str) -> Browser {
        let browser = self.browser(0);
        let response = browser.register(id, &format!("The {id}"), PASSWORD).await;
        assert_eq!(response.status, 303, "{}", response.html);
        assert_eq!(browser.post("/user/logout", &[]).await.status, 303);
        browser
    }

    /// Returns the id of the account with this user ID, which Redis holds.
    pub fn account(&self, id: &str) -> String {
        account(self.redis.as_ref().unwrap(), id)
    }

    /// Returns a browser whose user has registered, and signed in at the first process.
    pub async fn signed_in(&self, id: &str) -> Browser {
        let browser = self.registered(id).await;
        assert_eq!(browser.sign_in(id, PASSWORD).await.status, 303);
        browser
    }
}

/// Returns the id of the account with this user ID.
pub fn account(redis: &RedisServer, id: &str) -> String {
    let record: String = redis.run(&["GET", &format!("user:account:{id}")]);
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    record["account"].as_str().unwrap().to_owned()
}

/// Starts a Redis that writes to disk before it replies. By default it may lose the last second if it is killed.
pub fn durable_redis() -> RedisServer {
    let redis = RedisServer::start();
    let () = redis.run(&["CONFIG", "SET", "appendfsync", "always"]);
    redis
}

/// Starts the service with this password hasher.
pub fn start(hasher: &Hasher, arguments: &[&str]) -> Running {
    let routes = |resources: &Resources| routes_with_hasher(resources, hasher.clone());
    Running::start(&SERVICE, routes, arguments)
}

/// Argon2id that counts its calls.
#[derive(Default)]
pub struct CountingArgon2id {
    done: AtomicUsize,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
}

impl CountingArgon2id {
    /// Returns the number of calls since the last `take`.
    pub fn take(&self) -> usize {
        self.done.swap(0, Ordering::SeqCst)
    }

    pub fn max_in_flight(&self) -> usize {
        self.max_in_flight.load(Ordering::SeqCst)
    }

    fn count<T>(&self, work: impl FnOnce() -> T) -> T {
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.max_in_flight.fetch_max(in_flight, Ordering::SeqCst);
        let result = work();
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.done.fetch_add(1, Ordering::SeqCst);
        result
    }
}

impl HashFunction for CountingArgon2id {
    fn hash(&self, password: &SecretString) -> Result<String, Failure> {
        self.count(|| Argon2id.hash(password))
    }

    fn verify(&self, password: &SecretString, hash: &str) -> Result<bool, Failure> {
        self.count(|| Argon2id.verify(password, hash))
    }

    fn is_current(&self, hash: &str) -> bool {
        Argon2id.is_current(hash)
    }
}

/// A browser that visits the service.
pub struct Browser(testing::Browser);

impl Deref for Browser {
    type Target = testing::Browser;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Browser {
    /// Returns a new browser that visits this server.
    pub fn at(server: &Running) -> Self {
        Self(testing::Browser::new(server))
    }

    pub async fn register(&self, id: &str, name: &str, password: &str) -> Response {
        let fields = [("id", id), ("name", name), ("password", password)];
        self.post("/user/register", &fields).await
    }

    pub async fn sign_in(&self, id: &str, password: &str) -> Response {
        self.post("/user/login", &[("id", id), ("password", password)]).await
    }

    pub async fn is_signed_in(&self) -> bool {
        let html = self.get("/user/").await.html;
        let (signed_in, signed_out) = (html.contains("Signed in as"), html.contains("href=\"/user/login\""));
        assert_ne!(signed_in, signed_out, "{html}");
        signed_in
    }
}
