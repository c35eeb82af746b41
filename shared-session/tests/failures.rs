//! Promise 9, and 8, on a real Redis that fails in every way it can, through two real processes (`examples/fields.rs`).

#![allow(clippy::unwrap_used)]

mod process;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use process::Service;
use reqwest::{Client, Method, StatusCode};
use shared_session::testing::redis_server::RedisServer;
use tokio::task::JoinSet;
use tokio::time::sleep;

struct Answer {
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
    ) -> impl Future<Output = Answer> + use<> {
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
            Answer {
                status: response.status(),
                set_cookie: header("set-cookie"),
                retry_after: header("retry-after").is_some(),
                body: response.text().await.unwrap(),
            }
        }
    }

    /// A visitor whose session holds `a`: its id, and the key of its record.
    async fn visitor(&self) -> (String, String) {
        let answer = self.send(0, Method::PUT, "/a/1", None).await;
        let cookie = answer.set_cookie.unwrap();
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

    /// Both services refuse the session's requests for now, and leave the cookie alone.
    async fn is_away(&self, id: &str, methods: &[(Method, &str)]) {
        for service in 0..2 {
            for (method, path) in methods {
                let answer = self.send(service, method.clone(), path, Some(id)).await;
                assert_eq!(
                    answer.status,
                    StatusCode::SERVICE_UNAVAILABLE,
                    "{method} {path}: {}",
                    answer.body
                );
                assert!(answer.retry_after, "when to come back is not said");
                assert_eq!(answer.set_cookie, None, "the cookie was not kept");
                assert!(!answer.body.to_lowercase().contains("redis"), "{}", answer.body);
            }
            // a visit without a cookie needs no store
            let visit = self.send(service, Method::GET, "/", None).await;
            assert_eq!((visit.status, &*visit.body), (StatusCode::OK, "{}"));
        }
    }

    /// Both services recover by themselves, and the session is as it was.
    async fn recovers(&self, id: &str) {
        for service in 0..2 {
            let mut answer = self.send(service, Method::GET, "/", Some(id)).await;
            for _ in 0..400 {
                if answer.status == StatusCode::OK {
                    break;
                }
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
                sleep(Duration::from_millis(25)).await;
                answer = self.send(service, Method::GET, "/", Some(id)).await;
            }
            assert_eq!(&*answer.body, r#"{"a":"\"1\""}"#, "the session did not survive");
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
async fn hung() {
    let stack = Stack::start();
    let (id, _) = stack.visitor().await;
    let () = stack.redis.run(&["CONFIG", "RESETSTAT"]);
    stack.redis.freeze();
    for _ in 0..100 {
        stack.is_away(&id, &[READ]).await;
    }
    stack.is_away(&id, &[READ, CHANGE, LOG_OUT, RENEW]).await;
    stack.redis.thaw();
    // the first three requests of each service were worth the deadline; of the others none asked, and no probe was
    // sent before the one before it had failed
    sleep(Duration::from_millis(100)).await;
    let attempts = stack.redis.calls(&["getex"]) + stack.redis.connections();
    assert!(
        attempts <= 40,
        "{attempts} attempts to reach a hung Redis for 208 requests"
    );
    stack.recovers(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_restarted() {
    let mut stack = Stack::start();
    let (id, key) = stack.visitor().await;
    for _ in 0..3 {
        let record: String = stack.redis.run(&["GET", &key]);
        stack.redis.kill();
        stack.is_away(&id, &[READ, CHANGE, LOG_OUT, RENEW]).await;
        stack.redis.restart(&[]);
        stack.recovers(&id).await;
        assert_eq!(stack.redis.run::<String>(&["GET", &key]), record);
    }
    // one that comes back between two requests is not even noticed
    stack.redis.kill();
    stack.redis.restart(&[]);
    for service in 0..2 {
        let answer = stack.send(service, Method::PUT, "/b/2", Some(&id)).await;
        assert_eq!(answer.status, StatusCode::OK, "a closed connection was not made anew");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn away_at_the_start() {
    let mut redis = RedisServer::start();
    redis.kill();
    let mut stack = Stack::on(redis);
    stack.is_away(&"a".repeat(48), &[READ]).await;
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
    let (id, _) = stack.visitor().await;
    stack.recovers(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_memory() {
    let stack = Stack::start();
    let (id, key) = stack.visitor().await;
    let record: String = stack.redis.run(&["GET", &key]);
    let () = stack.redis.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let () = stack.redis.run(&["CONFIG", "SET", "maxmemory", "1"]);
    stack.is_away(&id, &[CHANGE, RENEW]).await;
    assert_eq!(
        stack.send(0, Method::PUT, "/a/1", None).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    // reading needs no memory
    assert_eq!(stack.send(1, Method::GET, "/", Some(&id)).await.status, StatusCode::OK);
    assert_eq!(stack.redis.run::<String>(&["GET", &key]), record);
    let () = stack.redis.run(&["CONFIG", "SET", "maxmemory", "0"]);
    stack.recovers(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only() {
    let stack = Stack::start();
    let (id, key) = stack.visitor().await;
    let record: String = stack.redis.run(&["GET", &key]);
    let () = stack.redis.run(&["REPLICAOF", "127.0.0.1", "1"]);
    stack.is_away(&id, &[READ, CHANGE, LOG_OUT, RENEW]).await;
    assert_eq!(stack.redis.run::<String>(&["GET", &key]), record);
    let () = stack.redis.run(&["REPLICAOF", "NO", "ONE"]);
    stack.recovers(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loading() {
    let mut stack = Stack::start();
    let (id, _) = stack.visitor().await;
    let fill = "for i = 1, 4000 do redis.call('SET', 'filler:' .. i, 'x') end";
    let () = stack.redis.run(&["EVAL", fill, "0"]);
    stack.redis.kill();
    // it answers LOADING while it reads its file, which the delay per key makes last
    stack.redis.spawn(&[
        "--key-load-delay",
        "1000",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    sleep(Duration::from_millis(500)).await;
    stack.is_away(&id, &[READ, CHANGE]).await;
    stack.recovers(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password() {
    let mut stack = Stack::start();
    let (id, _) = stack.visitor().await;
    stack.redis.kill();
    stack.redis.spawn(&["--requirepass", "another"]);
    sleep(Duration::from_millis(300)).await;
    stack.is_away(&id, &[READ, CHANGE, LOG_OUT]).await;
    stack.redis.kill();
    stack.redis.restart(&[]);
    stack.recovers(&id).await;
}

/// A value that is no session: an error for the one visitor, whatever they do, and the bytes stay.
async fn stays(stack: &Stack, id: &str, key: &str) {
    let before: Vec<u8> = stack.redis.run(&["DUMP", key]);
    for service in 0..2 {
        for (method, path) in [READ, CHANGE, LOG_OUT, RENEW] {
            let answer = stack.send(service, method, path, Some(id)).await;
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!((answer.set_cookie, answer.retry_after), (None, false));
        }
    }
    assert_eq!(
        stack.redis.run::<Vec<u8>>(&["DUMP", key]),
        before,
        "what could not be read was overwritten"
    );
    assert!(stack.redis.run::<i64>(&["PTTL", key]) > 0);
    // others are served
    assert_eq!(stack.send(0, Method::PUT, "/a/1", None).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_type_at_the_key() {
    let stack = Stack::start();
    let (id, key) = stack.visitor().await;
    let record: String = stack.redis.run(&["GET", &key]);
    let () = stack.redis.run(&["DEL", &key]);
    let () = stack.redis.run(&["LPUSH", &key, "one", "two"]);
    let () = stack.redis.run(&["EXPIRE", &key, "1000"]);
    stays(&stack, &id, &key).await;
    let () = stack.redis.run(&["SET", &key, &record, "EX", "1000"]);
    stack.recovers(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_or_foreign_value_at_the_key() {
    let stack = Stack::start();
    let (id, key) = stack.visitor().await;
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
        stays(&stack, &id, &key).await;
    }
    let () = stack.redis.run(&["SET", &key, &record, "EX", "1000"]);
    stack.recovers(&id).await;
}

/// What a worker knows of a field: the last value answered as done, and those since whose fate it was not told.
#[derive(Default)]
struct Known {
    done: Option<u64>,
    unknown: Vec<u64>,
}

/// Sets fields of its own, one after the other, until it is told to stop.
async fn work(stack: Arc<Stack>, worker: usize, id: String, stop: Arc<AtomicBool>) -> (HashMap<String, Known>, usize) {
    let mut fields: HashMap<String, Known> = HashMap::new();
    let mut refused = 0;
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("w{worker}f{}", number % 10);
        let answer = stack
            .send(number as usize, Method::PUT, &format!("/{name}/{number}"), Some(&id))
            .await;
        let known = fields.entry(name).or_default();
        match answer.status {
            StatusCode::OK => {
                assert_eq!(answer.set_cookie, None, "a session was begun anew");
                *known = Known {
                    done: Some(number),
                    unknown: Vec::new(),
                };
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                refused += 1;
                known.unknown.push(number);
            }
            other => panic!("{other}: {}", answer.body),
        }
        sleep(Duration::from_millis(3)).await;
    }
    (fields, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn steady_load_while_redis_dies_ten_times() {
    let mut stack = Stack::start();
    let (id, _) = stack.visitor().await;
    // the server is this test's to kill, the rest is the workers'
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
    let mut answer = stack.send(0, Method::GET, "/", Some(&id)).await;
    for _ in 0..100 {
        if answer.status == StatusCode::OK {
            break;
        }
        sleep(Duration::from_millis(50)).await;
        answer = stack.send(0, Method::GET, "/", Some(&id)).await;
    }
    let stored: HashMap<String, String> = serde_json::from_str(&answer.body).unwrap();
    let mut refused = 0;
    for (fields, refused_here) in workers {
        refused += refused_here;
        for (name, known) in fields {
            let value = stored
                .get(&name)
                .map(|value| value.trim_matches('"').parse::<u64>().unwrap());
            let possible = value == known.done || value.is_some_and(|value| known.unknown.contains(&value));
            assert!(possible, "{name} was answered as {:?} and is {value:?}", known.done);
        }
    }
    assert!(refused > 0, "Redis was never missed: the test has tested nothing");
}
