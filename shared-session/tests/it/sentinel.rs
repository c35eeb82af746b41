//! Sentinel: the primary is found, and found again after a fail-over.

use std::time::{Duration, Instant};

use reqwest::Client;

use shared_session::backend::Backend;
use shared_session::backend::near_cache::NearCache;
use shared_session::backend::redis::{Connection, RedisFailure};
use tokio::time::sleep;

use crate::process::Service;
use shared_session::{Settings, redis};
#[cfg(feature = "tls")]
use shared_session_testkit::servers::{Certificates, RedisSentinel};

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
    let mut redis = RedisSentinel::start();
    let connection = open(&redis.url());
    set(&connection, "1").await.unwrap();
    assert_eq!(get(&connection).await.unwrap().as_deref(), Some("1"));

    // demoted: it goes on as a primary for some seconds, until the Sentinels make it a replica
    redis.fail_over();
    let primary = redis.wait_for_another_primary(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    set(&connection, "2").await.unwrap();
    let stored: String = redis.server(primary).run(&["GET", "a"]);
    assert_eq!(stored, "2");
    redis.wait_until_complete();

    // hung, without a request that notices it
    redis.server(primary).freeze();
    let next = redis.wait_for_another_primary(primary);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = Instant::now();
    set(&connection, "3").await.unwrap();
    assert!(asked.elapsed() < Duration::from_millis(200), "{:?}", asked.elapsed());
    redis.server(primary).thaw();
    redis.wait_until_complete();

    // killed, and one Sentinel with it
    redis.server_mut(next).kill();
    redis.kill_sentinel(0);
    redis.wait_for_another_primary(next);
    let back = until_ok(async || set(&connection, "4").await).await;
    assert!(back < Duration::from_secs(2), "{back:?}");
    assert_eq!(get(&connection).await.unwrap().as_deref(), Some("4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn majority_of_the_sentinels_decides() {
    let mut redis = RedisSentinel::start();
    let connection = open(&redis.url());
    set(&connection, "1").await.unwrap();

    // one Sentinel is isolated: it still names the former primary, which is alive
    redis.freeze_sentinel(0);
    let () = redis.ask(1, &["SENTINEL", "FAILOVER", "mymaster"]).unwrap();
    let primary = redis.wait_for_another_primary(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for connection in [&connection, &open(&redis.url())] {
        until_ok(async || set(connection, "2").await).await;
        assert_eq!(redis.server(primary).run::<String>(&["GET", "a"]), "2");
    }

    // a dead Sentinel and a hung one cost a new connection less than the time of a request
    redis.kill_sentinel(1);
    redis.thaw_sentinel(0);
    redis.freeze_sentinel(2);
    let start = Instant::now();
    let connection = open(&redis.url());
    let _ = get(&connection).await;
    assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
    redis.thaw_sentinel(2);
}

const TTL: Duration = Duration::from_secs(1000);

/// Waits until a cache remembers this record.
async fn wait_until_remembered(cache: &NearCache, key: &str, record: &str) {
    let began = Instant::now();
    while cache.remembered(key, TTL).is_none_or(|remembered| remembered != record) {
        assert!(began.elapsed() < Duration::from_secs(30), "the cache stays off");
        let _ = cache.load_and_remember(key, TTL).await;
        sleep(Duration::from_millis(1)).await;
    }
}

/// A demoted primary goes on for some seconds, and tells of no change that the new one stores.
#[tokio::test(flavor = "multi_thread")]
async fn cache_believes_no_demoted_primary_for_longer_than_it_may_be_behind() {
    const BOUND: Duration = Duration::from_millis(200);
    let redis = RedisSentinel::start();
    let cache = NearCache::new(redis.backend(Duration::from_secs(5), 0), BOUND);
    assert!(cache.create("a", b"before", TTL).await.unwrap());
    wait_until_remembered(&cache, "a", "before").await;
    redis.fail_over();
    let primary = redis.wait_for_another_primary(0);
    let () = redis.server(primary).run(&["SET", "a", "after", "PX", "1000000"]);
    let changed = Instant::now();
    while changed.elapsed() < Duration::from_secs(3) {
        let began = Instant::now();
        let record = match cache.remembered("a", TTL) {
            Some(record) => Some(record),
            None => cache.load_and_remember("a", TTL).await.ok().flatten(),
        };
        if let Some(record) = record {
            assert!(
                record == "after" || began < changed + BOUND,
                "a former record is believed"
            );
        }
        sleep(Duration::from_millis(1)).await;
    }
    wait_until_remembered(&cache, "a", "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cache_is_off_without_a_majority_of_the_sentinels() {
    let redis = RedisSentinel::start();
    let cache = NearCache::new(redis.backend(Duration::from_secs(5), 0), Duration::from_secs(60));
    assert!(cache.create("a", b"1", TTL).await.unwrap());
    wait_until_remembered(&cache, "a", "1").await;
    redis.freeze_sentinel(1);
    redis.freeze_sentinel(2);
    let began = Instant::now();
    while cache.remembered("a", TTL).is_some() {
        assert!(began.elapsed() < Duration::from_secs(50), "the cache stays on");
        sleep(Duration::from_millis(10)).await;
    }
    assert!(cache.load_and_remember("a", TTL).await.unwrap().is_some());
    assert!(cache.remembered("a", TTL).is_none());
    redis.thaw_sentinel(1);
    wait_until_remembered(&cache, "a", "1").await;
    redis.thaw_sentinel(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_and_the_sentinels_have_their_own_logins() {
    let redis = RedisSentinel::with_options(
        &["--user", "app", "on", ">p@ss", "~*", "&*", "+get", "+set", "+role"],
        "user watcher on >s/cret +sentinel|get-master-addr-by-name",
    );
    let url = format!("{}?sentinel_user=watcher", redis.url_with("redis-sentinel", "app@", 0));
    let settings = Settings::default().with_store(&url).unwrap();
    let folder = std::env::temp_dir().join(format!("shared-session-sentinel-login-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (password, of_sentinels) = (folder.join("redis"), folder.join("sentinel"));
    std::fs::write(&password, "p@ss\n").unwrap();
    std::fs::write(&of_sentinels, "s/cret\n").unwrap();

    let both = settings.clone().with_store_password_file(&password);
    let both = both.with_store_sentinel_password_file(&of_sentinels);
    set(&Connection::open(&both).unwrap(), "1").await.unwrap();
    let url = redis.url_with("redis-sentinel", "app:p%40ss@", 0);
    set(
        &open(&format!("{url}?sentinel_user=watcher&sentinel_password=s%2Fcret")),
        "2",
    )
    .await
    .unwrap();

    let swapped = settings.with_store_password_file(&of_sentinels);
    let swapped = swapped.with_store_sentinel_password_file(&password);
    let wrong_for_redis = both.with_store_password_file(&of_sentinels);
    for settings in [swapped, wrong_for_redis] {
        let failure = set(&Connection::open(&settings).unwrap(), "3")
            .await
            .unwrap_err()
            .to_string();
        assert!(
            failure.contains("WRONGPASS") || failure.contains("authentication"),
            "{failure}"
        );
        assert!(!failure.contains("s/cret") && !failure.contains("p@ss"), "{failure}");
    }
    let unknown = url.replace("mymaster", "other");
    let failure = set(&open(&unknown), "3").await.unwrap_err().to_string();
    assert!(failure.contains("does not know the name of the primary"), "{failure}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// Sends a request to a process of `examples/fields.rs`, and returns its cookie or the one that it had.
async fn send(client: &Client, service: &Service, method: &str, path: &str, cookie: &str) -> String {
    let url = format!("http://{}{path}", service.address);
    let request = client.request(method.parse().unwrap(), url).header("cookie", cookie);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{method} {path}");
    let new = response.headers().get("set-cookie").map(|new| new.to_str().unwrap());
    new.unwrap_or(cookie).split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn process_has_one_connection_per_worker_and_sends_one_command_per_operation() {
    let redis = RedisSentinel::start();
    for replicas in [0, 1] {
        let settings = [("SESSION_STORE_REPLICAS", &*replicas.to_string())];
        let service = Service::start(&redis.url(), &settings);
        let mut cookies = Vec::new();
        for _ in 0..100 {
            // a client of its own, so that both workers serve requests
            let client = Client::new();
            let cookie = send(&client, &service, "PUT", "/a/1", "").await;
            send(&client, &service, "PUT", "/a/2", &cookie).await;
            cookies.push((client, cookie));
        }
        let () = redis.server(0).run(&["CONFIG", "RESETSTAT"]);
        for (client, cookie) in &cookies {
            send(client, &service, "GET", "/", cookie).await;
            send(client, &service, "PUT", "/a/3", cookie).await;
        }
        let calls = |name: &str| redis.server(0).calls(&[name]);
        assert_eq!((calls("getex"), calls("evalsha"), calls("eval")), (200, 100, 0));
        // a replica that is busy is asked again after 50 ms
        assert!((100 * replicas..=120 * replicas).contains(&calls("wait")));
        let to_servers = (0..3).map(|server| connections(&redis.server(server).run::<String>(&["CLIENT", "LIST"])));
        let to_sentinels =
            (0..3).map(|sentinel| connections(&redis.ask::<String>(sentinel, &["CLIENT", "LIST"]).unwrap()));
        // with replicas, each worker has one more connection, for changes
        let workers = 2;
        assert_eq!(
            to_servers.collect::<Vec<_>>(),
            [workers * (1 + replicas as usize), 0, 0]
        );
        // one to ask for the primary, and one that announces fail-overs
        assert_eq!(to_sentinels.collect::<Vec<_>>(), [2, 2, 2]);
    }
}

/// Counts the connections of services in a `CLIENT LIST`, without those of Sentinels, of replicas and of the one that asks.
fn connections(list: &str) -> usize {
    let others = ["name=sentinel", "flags=S", "flags=M", "cmd=client|list"];
    list.lines()
        .filter(|line| !others.iter().any(|other| line.contains(other)))
        .count()
}

#[cfg(feature = "tls")]
#[tokio::test(flavor = "multi_thread")]
async fn redis_and_the_sentinels_are_verified_over_tls() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let redis = RedisSentinel::with_tls(&certificates.options("server", "yes"));
    let settings = Settings::default().with_store(&redis.tls_url()).unwrap();
    let with = |ca: &Certificates, client: &Certificates| {
        let settings = settings.clone().with_store_ca_file(ca.certificate("ca"));
        settings.with_store_client_certificate(client.certificate("client"), client.key("client"))
    };
    set(&Connection::open(&with(&certificates, &certificates)).unwrap(), "1")
        .await
        .unwrap();
    let without_client = settings.clone().with_store_ca_file(certificates.certificate("ca"));
    for (settings, reason) in [
        (with(&others, &certificates), "invalid peer certificate: UnknownIssuer"),
        // the server closes the connection, perhaps before its reason is read
        (with(&certificates, &others), ""),
        (without_client, ""),
    ] {
        let failure = set(&Connection::open(&settings).unwrap(), "2")
            .await
            .unwrap_err()
            .to_string();
        assert!(failure.contains(reason), "{failure}");
    }
}
