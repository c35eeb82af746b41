//! Promises 8 and 9: two real processes of `examples/fields.rs` on a real Redis that fails in many ways.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use shared_session_testkit::servers::RedisServer;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::process::Service;

struct TestResponse {
    status: StatusCode,
    set_cookie: Option<String>,
    retry_after: bool,
    body: String,
}

struct Stack {
    redis: RedisServer,
    services: [Service; 2],
    client: Client,
}

impl Stack {
    fn start() -> Self {
        let redis = RedisServer::start();
        Self::on(redis)
    }

    fn on(redis: RedisServer) -> Self {
        let services = [Service::start(&redis.url(), &[]), Service::start(&redis.url(), &[])];
        Self {
            redis,
            services,
            client: Client::new(),
        }
    }

    fn send(
        &self,
        service: usize,
        method: Method,
        path: &str,
        id: Option<&str>,
    ) -> impl Future<Output = TestResponse> + use<> {
        let mut request = self
            .client
            .request(method, format!("http://{}{path}", self.services[service % 2].address));
        if let Some(id) = id {
            request = request.header("cookie", format!("sid={id}"));
        }
        async move {
            let response = request.send().await.unwrap();
            let header = |name: &str| {
                response
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().unwrap().to_owned())
            };
            TestResponse {
                status: response.status(),
                set_cookie: header("set-cookie"),
                retry_after: header("retry-after").is_some(),
                body: response.text().await.unwrap(),
            }
        }
    }

    /// Creates a session that holds `a`, and returns its id and the key of its record.
    async fn new_session(&self) -> (String, String) {
        let response = self.send(0, Method::PUT, "/a/1", None).await;
        let cookie = response.set_cookie.unwrap();
        let id = cookie
            .strip_prefix("sid=")
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let keys: Vec<String> = self.redis.run(&["KEYS", "session:*"]);
        (id, keys[0].clone())
    }

    /// Asserts that both services respond 503 to the session's requests and do not change the cookie.
    async fn assert_unavailable(&self, id: &str, methods: &[(Method, &str)]) {
        for service in 0..2 {
            for (method, path) in methods {
                let response = self.send(service, method.clone(), path, Some(id)).await;
                assert_eq!(
                    response.status,
                    StatusCode::SERVICE_UNAVAILABLE,
                    "{method} {path}: {}",
                    response.body
                );
                assert!(response.retry_after, "Retry-After is missing");
                assert_eq!(response.set_cookie, None, "the cookie was not kept");
                assert!(!response.body.to_lowercase().contains("redis"), "{}", response.body);
            }
            // a request without a cookie does not need the store
            let response = self.send(service, Method::GET, "/", None).await;
            assert_eq!((response.status, &*response.body), (StatusCode::OK, "{}"));
        }
    }

    /// Asserts that both services recover without a restart, and that the session is unchanged.
    async fn assert_recovered(&self, id: &str) {
        for service in 0..2 {
            let mut response = self.send(service, Method::GET, "/", Some(id)).await;
            for _ in 0..400 {
                if response.status == StatusCode::OK {
                    break;
                }
                assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
                sleep(Duration::from_millis(25)).await;
                response = self.send(service, Method::GET, "/", Some(id)).await;
            }
            assert_eq!(&*response.body, r#"{"a":"\"1\""}"#, "the session did not survive");
        }
        let change = self.send(1, Method::PUT, "/a/1", Some(id)).await;
        assert_eq!(change.status, StatusCode::OK);
    }
}

const READ: (Method, &str) = (Method::GET, "/");
const CHANGE: (Method, &str) = (Method::PUT, "/b/1");
const LOG_OUT: (Method, &str) = (Method::DELETE, "/");
const RENEW: (Method, &str) = (Method::POST, "/renew");

#[tokio::test(flavor = "multi_thread")]
async fn hung_redis_is_unavailable_and_recovers() {
    let stack = Stack::start();
    let (id, _) = stack.new_session().await;
    let () = stack.redis.run(&["CONFIG", "RESETSTAT"]);
    stack.redis.freeze();
    for _ in 0..100 {
        stack.assert_unavailable(&id, &[READ]).await;
    }
    stack.assert_unavailable(&id, &[READ, CHANGE, LOG_OUT, RENEW]).await;
    stack.redis.thaw();
    // in each service, three requests waited and opened the circuit breaker, and one probe at a time followed
    sleep(Duration::from_millis(100)).await;
    let attempts = stack.redis.calls(&["getex"]) + stack.redis.connections();
    assert!(
        attempts <= 40,
        "{attempts} attempts to reach a hung Redis for 208 requests"
    );
    stack.assert_recovered(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_redis_keeps_sessions() {
    let mut stack = Stack::start();
    let (id, key) = stack.new_session().await;
    for _ in 0..3 {
        let record: String = stack.redis.run(&["GET", &key]);
        stack.redis.kill();
        stack.assert_unavailable(&id, &[READ, CHANGE, LOG_OUT, RENEW]).await;
        stack.redis.restart(&[]);
        stack.assert_recovered(&id).await;
        assert_eq!(stack.redis.run::<String>(&["GET", &key]), record);
    }
    // no request notices a restart between two requests
    stack.redis.kill();
    stack.redis.restart(&[]);
    for service in 0..2 {
        let response = stack.send(service, Method::PUT, "/b/2", Some(&id)).await;
        assert_eq!(response.status, StatusCode::OK, "the service did not reconnect");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_start_without_redis() {
    let mut redis = RedisServer::start();
    redis.kill();
    let mut stack = Stack::on(redis);
    stack.assert_unavailable(&"a".repeat(48), &[READ]).await;
    let creation = stack.send(0, Method::PUT, "/a/1", None).await;
    assert_eq!(
        (creation.status, creation.set_cookie),
        (StatusCode::SERVICE_UNAVAILABLE, None)
    );
    stack.redis.restart(&[]);
    for _ in 0..400 {
        if stack.send(0, Method::PUT, "/x/1", None).await.status == StatusCode::OK {
            break;
        }
        sleep(Duration::from_millis(25)).await;
    }
    let () = stack.redis.run(&["FLUSHALL"]);
    let (id, _) = stack.new_session().await;
    stack.assert_recovered(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_without_memory_refuses_changes_only() {
    let stack = Stack::start();
    let (id, key) = stack.new_session().await;
    let record: String = stack.redis.run(&["GET", &key]);
    let () = stack.redis.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let () = stack.redis.run(&["CONFIG", "SET", "maxmemory", "1"]);
    stack.assert_unavailable(&id, &[CHANGE, RENEW]).await;
    assert_eq!(
        stack.send(0, Method::PUT, "/a/1", None).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    // a load needs no memory
    assert_eq!(stack.send(1, Method::GET, "/", Some(&id)).await.status, StatusCode::OK);
    assert_eq!(stack.redis.run::<String>(&["GET", &key]), record);
    let () = stack.redis.run(&["CONFIG", "SET", "maxmemory", "0"]);
    stack.assert_recovered(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_redis_is_unavailable() {
    let stack = Stack::start();
    let (id, key) = stack.new_session().await;
    let record: String = stack.redis.run(&["GET", &key]);
    let () = stack.redis.run(&["REPLICAOF", "127.0.0.1", "1"]);
    stack.assert_unavailable(&id, &[READ, CHANGE, LOG_OUT, RENEW]).await;
    assert_eq!(stack.redis.run::<String>(&["GET", &key]), record);
    let () = stack.redis.run(&["REPLICAOF", "NO", "ONE"]);
    stack.assert_recovered(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loading_redis_is_unavailable() {
    let mut stack = Stack::start();
    let (id, _) = stack.new_session().await;
    let fill = "for i = 1, 4000 do redis.call('SET', 'filler:' .. i, 'x') end";
    let () = stack.redis.run(&["EVAL", fill, "0"]);
    stack.redis.kill();
    // it replies LOADING while it reads its file, and the delay per key prolongs that
    stack.redis.spawn(&[
        "--key-load-delay",
        "1000",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    sleep(Duration::from_millis(500)).await;
    stack.assert_unavailable(&id, &[READ, CHANGE]).await;
    stack.assert_recovered(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_is_unavailable() {
    let mut stack = Stack::start();
    let (id, _) = stack.new_session().await;
    stack.redis.kill();
    stack.redis.spawn(&["--requirepass", "another"]);
    sleep(Duration::from_millis(300)).await;
    stack.assert_unavailable(&id, &[READ, CHANGE, LOG_OUT]).await;
    stack.redis.kill();
    stack.redis.restart(&[]);
    stack.assert_recovered(&id).await;
}

/// Asserts that every request of a session with an unreadable record is an error, and that the value stays unchanged.
async fn assert_unreadable(stack: &Stack, id: &str, key: &str) {
    let before: Vec<u8> = stack.redis.run(&["DUMP", key]);
    for service in 0..2 {
        for (method, path) in [READ, CHANGE, LOG_OUT, RENEW] {
            let response = stack.send(service, method, path, Some(id)).await;
            assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!((response.set_cookie, response.retry_after), (None, false));
        }
    }
    assert_eq!(
        stack.redis.run::<Vec<u8>>(&["DUMP", key]),
        before,
        "an unreadable record was changed"
    );
    assert!(stack.redis.run::<i64>(&["PTTL", key]) > 0);
    // other sessions are not affected
    assert_eq!(stack.send(0, Method::PUT, "/a/1", None).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn value_of_another_type_is_left_unchanged() {
    let stack = Stack::start();
    let (id, key) = stack.new_session().await;
    let record: String = stack.redis.run(&["GET", &key]);
    let () = stack.redis.run(&["DEL", &key]);
    let () = stack.redis.run(&["LPUSH", &key, "one", "two"]);
    let () = stack.redis.run(&["EXPIRE", &key, "1000"]);
    assert_unreadable(&stack, &id, &key).await;
    let () = stack.redis.run(&["SET", &key, &record, "EX", "1000"]);
    stack.assert_recovered(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_record_is_left_unchanged() {
    let stack = Stack::start();
    let (id, key) = stack.new_session().await;
    let record: String = stack.redis.run(&["GET", &key]);
    for value in [
        &record[..record.len() - 1],
        "a:1:{s:1:\"a\";i:1;}",
        "",
        "null",
        "[1]",
        "{\"a\":1,\"_session\":7}",
    ] {
        let () = stack.redis.run(&["SET", &key, value, "EX", "1000"]);
        assert_unreadable(&stack, &id, &key).await;
    }
    let () = stack.redis.run(&["SET", &key, &record, "EX", "1000"]);
    stack.assert_recovered(&id).await;
}

/// The possible values of a field: the last one that was confirmed, and later ones whose outcome is unknown.
#[derive(Default)]
struct Possible {
    confirmed: Option<u64>,
    unknown: Vec<u64>,
}

/// Sets fields that no other worker sets, one after the other, until `stop`.
async fn work(
    stack: Arc<Stack>,
    worker: usize,
    id: String,
    stop: Arc<AtomicBool>,
) -> (HashMap<String, Possible>, usize) {
    let mut fields: HashMap<String, Possible> = HashMap::new();
    let mut refused = 0;
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("w{worker}f{}", number % 10);
        let response = stack
            .send(number as usize, Method::PUT, &format!("/{name}/{number}"), Some(&id))
            .await;
        let known = fields.entry(name).or_default();
        match response.status {
            StatusCode::OK => {
                assert_eq!(response.set_cookie, None, "a new session was created");
                *known = Possible {
                    confirmed: Some(number),
                    unknown: Vec::new(),
                };
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                refused += 1;
                known.unknown.push(number);
            }
            other => panic!("{other}: {}", response.body),
        }
        sleep(Duration::from_millis(3)).await;
    }
    (fields, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed_changes_survive_ten_crashes_of_redis() {
    let mut stack = Stack::start();
    let (id, _) = stack.new_session().await;
    // this test kills the server while the workers use the rest
    let mut redis = std::mem::replace(&mut stack.redis, RedisServer::start());
    let stack = Arc::new(stack);
    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = JoinSet::new();
    for worker in 0..8 {
        workers.spawn(work(stack.clone(), worker, id.clone(), stop.clone()));
    }
    for _ in 0..10 {
        sleep(Duration::from_millis(300)).await;
        redis.kill();
        sleep(Duration::from_millis(100)).await;
        redis.restart(&[]);
    }
    sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    let workers = workers.join_all().await;
    let mut response = stack.send(0, Method::GET, "/", Some(&id)).await;
    for _ in 0..100 {
        if response.status == StatusCode::OK {
            break;
        }
        sleep(Duration::from_millis(50)).await;
        response = stack.send(0, Method::GET, "/", Some(&id)).await;
    }
    let stored: HashMap<String, String> = serde_json::from_str(&response.body).unwrap();
    let mut refused = 0;
    for (fields, refused_here) in workers {
        refused += refused_here;
        for (name, known) in fields {
            let value = stored
                .get(&name)
                .map(|value| value.trim_matches('"').parse::<u64>().unwrap());
            let possible = value == known.confirmed || value.is_some_and(|value| known.unknown.contains(&value));
            assert!(
                possible,
                "{name} was confirmed as {:?} and is {value:?}",
                known.confirmed
            );
        }
    }
    assert!(refused > 0, "no request failed, so the crashes were not tested");
}
