//! Stalls that are no outage: of this process, which reads late what arrived in time, and of a Redis that replies in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use shared_session_testkit::servers::RedisServer;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::forwarder::Forwarder;
use crate::process::Service;

/// Users who send requests all the time, and what became of these.
struct Load {
    users: JoinSet<()>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
}

impl Load {
    /// Starts users of the service. Each reads and changes one session that all share, and signs in again at times.
    async fn start(service: &Service, users: usize) -> Self {
        let address = format!("http://{}", service.address);
        let mut load = Self {
            users: JoinSet::new(),
            stop: Arc::default(),
            done: Arc::default(),
            failed: Arc::default(),
        };
        let shared = sign_in(&Client::new(), &address).await.unwrap();
        for user in 0..users {
            let (address, shared) = (address.clone(), shared.clone());
            let (stop, done, failed) = (load.stop.clone(), load.done.clone(), load.failed.clone());
            load.users.spawn(async move {
                let client = Client::new();
                for number in 0_usize.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let status = match number % 3 {
                        0 => sign_in(&client, &address).await.err(),
                        1 => Some(send(client.get(format!("{address}/")), &shared).await),
                        _ => Some(send(client.put(format!("{address}/f{user}/{number}")), &shared).await),
                    };
                    done.fetch_add(1, Ordering::Relaxed);
                    if status.is_some_and(|status| status != StatusCode::OK) {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        load
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Ends the load. Returns how many requests failed.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.users.join_all().await;
        self.failed.load(Ordering::Relaxed)
    }
}

/// Signs in to a new session. Returns its cookie, or the status of the response without one.
async fn sign_in(client: &Client, address: &str) -> Result<String, StatusCode> {
    let response = client.put(format!("{address}/userid/kky")).send().await.unwrap();
    let Some(cookie) = response.headers().get("set-cookie") else {
        return Err(response.status());
    };
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
    Ok(cookie.to_owned())
}

async fn send(request: reqwest::RequestBuilder, cookie: &str) -> StatusCode {
    request.header("cookie", cookie).send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn stall_of_the_process_fails_no_request() {
    let redis = RedisServer::start();
    let forwarder = Forwarder::start(redis.port());
    // so that every request has an operation in flight most of the time
    forwarder.delay(Duration::from_millis(10));
    let url = format!("redis://127.0.0.1:{}/0", forwarder.port());
    let service = Service::start(&url, &[]);
    let load = Load::start(&service, 20).await;
    for stall in [1000, 1000, 600, 1500, 1000] {
        let before = load.done();
        while load.done() < before + 40 {
            sleep(Duration::from_millis(10)).await;
        }
        tokio::task::block_in_place(|| service.stall(Duration::from_millis(stall)));
    }
    let done = load.done();
    sleep(Duration::from_millis(500)).await;
    assert!(load.done() > done, "the service did not go on");
    assert_eq!(load.end().await, 0, "requests failed");
    assert!(
        forwarder.connections() <= 3,
        "a stall was taken for a broken connection"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stall_of_the_process_while_it_connects_fails_no_request() {
    let redis = RedisServer::start();
    let forwarder = Forwarder::start(redis.port());
    forwarder.delay(Duration::from_millis(10));
    let url = format!("redis://127.0.0.1:{}/0", forwarder.port());
    for wait in [5, 10, 15, 25] {
        // shorter than the stall, and long enough for a busy machine
        let service = Service::start(&url, &[("SESSION_STORE_TIMEOUT", "1500ms")]);
        let address = format!("http://{}", service.address);
        let first = tokio::spawn(async move { sign_in(&Client::new(), &address).await });
        sleep(Duration::from_millis(wait)).await;
        tokio::task::block_in_place(|| service.stall(Duration::from_secs(2)));
        assert_eq!(first.await.unwrap().err(), None, "a stall after {wait} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stall_of_redis_shorter_than_the_timeout_fails_no_request() {
    let redis = RedisServer::start();
    let forwarder = Forwarder::start(redis.port());
    let url = format!("redis://127.0.0.1:{}/0", forwarder.port());
    // long, because a busy machine prolongs the stall
    let service = Service::start(&url, &[("SESSION_STORE_TIMEOUT", "5s")]);
    let load = Load::start(&service, 20).await;
    for _ in 0..3 {
        let before = load.done();
        while load.done() < before + 40 {
            sleep(Duration::from_millis(10)).await;
        }
        redis.freeze();
        sleep(Duration::from_secs(1)).await;
        redis.thaw();
    }
    let done = load.done();
    sleep(Duration::from_millis(500)).await;
    assert!(load.done() > done, "the service did not go on");
    assert_eq!(load.end().await, 0, "requests failed");
    assert!(forwarder.connections() <= 2, "a connection was replaced");
}
