//! Sessions on a real cluster whose slots move and whose nodes fail, under load through two HTTP services.

use std::collections::BTreeSet;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use shared_session::backend::Backend;
use shared_session::backend::redis::{Connection, Redis};
use shared_session::{SessionManager, Settings, redis};
use shared_session_testkit::TestClock;
use shared_session_testkit::servers::RedisCluster;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::forwarder::{Direction, Forwarder};
use crate::process::Service;
use crate::support::{Door, Stack};

/// Two services on a cluster, and one session on each shard at least.
struct Bed {
    stack: Arc<Stack>,
    sessions: SessionManager,
    cluster: RedisCluster,
}

impl Bed {
    fn new(cluster: RedisCluster, timeout: Duration) -> Self {
        let settings = Settings::default().with_store_timeout(timeout).unwrap();
        let backend = Arc::new(cluster.backend(timeout));
        let sessions = SessionManager::builder(&settings)
            .backend(backend.clone())
            .build()
            .unwrap();
        let stack = Arc::new(Stack::over(Door::Actix, backend, TestClock::default(), &settings));
        Self {
            stack,
            sessions,
            cluster,
        }
    }

    /// Creates a session that `node` stores, and returns its cookie.
    async fn session_on(&self, node: usize) -> String {
        loop {
            let cookie = self.stack.new_session("insert:n:0").await;
            if self.cluster.primary_of(&key(&cookie)) == node {
                return cookie;
            }
        }
    }

    /// Reads a session, and returns the status and how long the response took.
    async fn read(&self, cookie: &str) -> (StatusCode, Duration) {
        let began = Instant::now();
        let response = self.stack.send(0, "/all", Some(cookie)).await;
        (response.status, began.elapsed())
    }

    /// Waits until a session is served, and returns how long that took.
    async fn served(&self, cookie: &str) -> Duration {
        let began = Instant::now();
        while self.read(cookie).await.0 != 200 {
            assert!(began.elapsed() < Duration::from_secs(20), "the session is not served");
            sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    }
}

fn key(cookie: &str) -> String {
    format!("session:{}", &cookie[..20])
}

/// What the requests for some sessions were answered.
#[derive(Debug, Default)]
struct Report {
    served: u32,
    unavailable: u32,
    /// How often a session was found without a change that had been answered as stored.
    lost: u32,
    slowest: Duration,
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.served += other.served;
        self.unavailable += other.unavailable;
        self.lost += other.lost;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// Requests in turn for some sessions, until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Report>>,
}

impl Load {
    fn start(stack: &Arc<Stack>, cookies: &[String]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = cookies.iter().map(|cookie| {
            let (stack, stop, cookie) = (stack.clone(), stop.clone(), cookie.clone());
            tokio::spawn(async move { change_and_read(&stack, &cookie, &stop).await })
        });
        let tasks = tasks.collect();
        Self { stop, tasks }
    }

    async fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let mut report = Report::default();
        for task in self.tasks {
            report += task.await.unwrap();
        }
        report
    }
}

/// Counts up in a field of a session. Every response must be right or 503.
async fn change_and_read(stack: &Stack, cookie: &str, stop: &AtomicBool) -> Report {
    let mut report = Report::default();
    // the value that was answered as stored, and those whose fate is unknown
    let (mut stored, mut unknown) = (0_u32, BTreeSet::new());
    let mut next = 1;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let response = stack
            .send(next as usize, &format!("/do/insert:n:{next}"), Some(cookie))
            .await;
        match response.status.as_u16() {
            200 => {
                // a session that was lost is a new one, under another id
                if response.cookie.is_some() {
                    report.lost += 1;
                    break;
                }
                (stored, unknown) = (next, BTreeSet::new());
                report.served += 1;
            }
            503 => {
                unknown.insert(next);
                report.unavailable += 1;
            }
            status => panic!("{status}: {}", response.body),
        }
        report.slowest = report.slowest.max(began.elapsed());
        next += 1;
        let response = stack.send(next as usize, "/all", Some(cookie)).await;
        match response.status.as_u16() {
            200 => {
                report.served += 1;
                let fields: std::collections::HashMap<String, String> = serde_json::from_str(&response.body).unwrap();
                let found: Option<u32> = fields.get("n").map(|n| n.parse().unwrap());
                match found {
                    Some(n) if n == stored || unknown.contains(&n) => {}
                    Some(n) if n < stored => {
                        report.lost += 1;
                        stored = n;
                    }
                    Some(n) => panic!("{n} was never sent after {stored}"),
                    None => {
                        report.lost += 1;
                        break;
                    }
                }
            }
            503 => report.unavailable += 1,
            status => panic!("{status}: {}", response.body),
        }
        sleep(Duration::from_millis(5)).await;
    }
    report
}

/// Long, so that a busy machine fails no test that expects no 503.
const PATIENT: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn migrated_slots_are_served_without_an_error() {
    let bed = Bed::new(RedisCluster::with_shards(3, &[], &[]), PATIENT);
    let mut cookies = Vec::new();
    for number in 0..6 {
        cookies.push(bed.session_on(number % 3).await);
    }
    let load = Load::start(&bed.stack, &cookies);
    // back and forth, so that stale maps lead to nodes that had the slot before
    for round in 0..3 {
        for (number, cookie) in cookies.iter().enumerate() {
            let slot = bed.cluster.slot(&key(cookie));
            let (from, to) = ((number + round) % 3, (number + round + 1) % 3);
            bed.cluster.begin_migration(slot, from, to);
            sleep(Duration::from_millis(50)).await;
            bed.cluster.migrate_keys(slot, from, to);
            sleep(Duration::from_millis(50)).await;
            bed.cluster.finish_migration(slot, from, to);
        }
    }
    let report = load.stop().await;
    assert!(report.served > 200, "{report:?}");
    assert_eq!((report.unavailable, report.lost), (0, 0), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_fail_over_is_served_without_an_error() {
    let bed = Bed::new(RedisCluster::start(), PATIENT);
    let mut cookies = Vec::new();
    for node in [0, 0, 0, 1, 2] {
        cookies.push(bed.session_on(node).await);
    }
    let replica = bed.cluster.replicas_of(0)[0];
    let load = Load::start(&bed.stack, &cookies);
    sleep(Duration::from_millis(200)).await;
    let () = bed.cluster.run(replica, &["CLUSTER", "FAILOVER"]);
    bed.cluster.wait_for_promotion(&[replica]);
    sleep(Duration::from_millis(500)).await;
    let report = load.stop().await;
    assert_eq!((report.unavailable, report.lost), (0, 0), "{report:?}");
    assert_eq!(bed.cluster.primary_of(&key(&cookies[0])), replica);
}

/// The way in which a primary fails.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Killed,
    Hung,
}

/// Lets the primary of one shard fail under load. Returns what this shard's sessions lost.
async fn primary_fails(bed: &mut Bed, failure: Failure, cookies: &[Vec<String>; 3]) -> u32 {
    let primary = bed.cluster.primary_of(&key(&cookies[0][0]));
    let replicas = bed.cluster.replicas_of(primary);
    let own = Load::start(&bed.stack, &cookies[0]);
    let others = Load::start(&bed.stack, &cookies[1..].concat());
    sleep(Duration::from_millis(500)).await;
    match failure {
        Failure::Killed => bed.cluster.kill(primary),
        Failure::Hung => bed.cluster.freeze(primary),
    }
    bed.cluster.wait_for_promotion(&replicas);
    let served = bed.served(&cookies[0][0]).await;
    sleep(Duration::from_millis(300)).await;
    let (own, others) = (own.stop().await, others.stop().await);
    println!("{failure:?}: served {served:?} after the promotion; own shard {own:?}; others {others:?}");
    assert!(served < Duration::from_secs(2), "served {served:?} after the promotion");
    assert!(own.unavailable > 0, "{own:?}");
    assert_eq!((others.unavailable, others.lost), (0, 0), "{others:?}");
    assert!(others.slowest < TIMEOUT, "{others:?}");
    match failure {
        Failure::Killed => bed.cluster.restart(primary),
        Failure::Hung => bed.cluster.thaw(primary),
    }
    bed.cluster.wait_until_complete();
    own.lost
}

const TIMEOUT: Duration = Duration::from_millis(500);

async fn primaries_fail(rounds: usize) {
    let mut bed = Bed::new(RedisCluster::start(), TIMEOUT);
    for round in 0..rounds {
        for failure in [Failure::Killed, Failure::Hung] {
            let mut cookies = [const { Vec::new() }; 3];
            for (shard, cookies) in cookies.iter_mut().enumerate() {
                let primary = bed
                    .cluster
                    .primary_of(["session:b", "session:a", "session:c"][(shard + round) % 3]);
                for _ in 0..4 {
                    cookies.push(bed.session_on(primary).await);
                }
            }
            let lost = primary_fails(&mut bed, failure, &cookies).await;
            println!("round {round}: {lost} answered changes were lost, because Redis replicates after it replies");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_primary_costs_its_own_users_some_503_and_nobody_else_anything() {
    primaries_fail(1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn primaries_fail_in_turn() {
    primaries_fail(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_replica_and_forgotten_scripts_are_not_noticed() {
    let mut bed = Bed::new(RedisCluster::start(), PATIENT);
    let mut cookies = Vec::new();
    for node in 0..3 {
        cookies.push(bed.session_on(node).await);
    }
    let load = Load::start(&bed.stack, &cookies);
    sleep(Duration::from_millis(100)).await;
    for _ in 0..5 {
        let () = bed.cluster.run(1, &["SCRIPT", "FLUSH"]);
        sleep(Duration::from_millis(50)).await;
    }
    bed.cluster.kill(3);
    // longer than the nodes take to notice
    sleep(Duration::from_secs(2)).await;
    let report = load.stop().await;
    assert_eq!((report.unavailable, report.lost), (0, 0), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_shard_without_replicas_leaves_the_others_served_at_once() {
    let mut bed = Bed::new(RedisCluster::with_shards(3, &[], &[]), TIMEOUT);
    let own = bed.session_on(0).await;
    let others = [bed.session_on(1).await, bed.session_on(2).await];
    for hangs in [false, true] {
        if hangs {
            bed.cluster.freeze(0);
        } else {
            bed.cluster.kill(0);
        }
        // a process that starts now finds the others at once, too
        let began = Instant::now();
        let found = bed.cluster.backend(TIMEOUT).peek(&key(&others[0])).await.unwrap();
        assert!(
            found.is_some() && began.elapsed() < TIMEOUT / 2,
            "{:?}",
            began.elapsed()
        );
        let load = Load::start(&bed.stack, &others);
        // the first requests open the circuit
        for _ in 0..3 {
            assert_eq!(bed.read(&own).await.0, 503);
        }
        let (began, mut times) = (Instant::now(), Vec::new());
        while began.elapsed() < Duration::from_secs(3) {
            let (status, time) = bed.read(&own).await;
            assert_eq!(status, 503);
            times.push(time);
            sleep(Duration::from_millis(5)).await;
        }
        times.sort();
        let median = times[times.len() / 2];
        assert!(
            median < Duration::from_millis(20),
            "a response of the open circuit took {median:?}"
        );
        bed.sessions.ready().await.unwrap();
        let report = load.stop().await;
        assert_eq!((report.unavailable, report.lost), (0, 0), "{report:?}");
        assert!(report.slowest < TIMEOUT, "{report:?}");
        if hangs {
            bed.cluster.thaw(0);
        } else {
            bed.cluster.restart(0);
        }
        bed.cluster.wait_until_complete();
        let served = bed.served(&own).await;
        assert!(served < Duration::from_secs(2), "served again after {served:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_without_a_running_node_is_not_ready() {
    let mut bed = Bed::new(RedisCluster::with_shards(3, &[], &[]), TIMEOUT);
    bed.sessions.ready().await.unwrap();
    for node in 0..3 {
        bed.cluster.kill(node);
    }
    for _ in 0..5 {
        assert!(bed.sessions.ready().await.is_err());
    }
    for node in 0..3 {
        bed.cluster.restart(node);
    }
    bed.cluster.wait_until_complete();
    let began = Instant::now();
    while bed.sessions.ready().await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(2), "not ready");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Sends a request to a process of `examples/fields.rs`, and returns its response.
async fn send(client: &Client, service: &Service, method: &str, path: &str, cookie: &str) -> reqwest::Response {
    let url = format!("http://{}{path}", service.address);
    let request = client.request(method.parse().unwrap(), url).header("cookie", cookie);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{method} {path}");
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn process_has_one_connection_per_worker_and_primary_and_sends_one_command_per_operation() {
    let cluster = RedisCluster::start();
    let service = Service::start(&cluster.url(), &[]);
    let mut cookies = Vec::new();
    for _ in 0..100 {
        // a client of its own, so that both workers serve requests
        let client = Client::new();
        let response = send(&client, &service, "PUT", "/a/1", "").await;
        let cookie = response.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        send(&client, &service, "PUT", "/a/2", &cookie).await;
        cookies.push((client, cookie));
    }
    for server in cluster.servers() {
        let () = server.run(&["CONFIG", "RESETSTAT"]);
    }
    for (client, cookie) in &cookies {
        send(client, &service, "GET", "/", cookie).await;
        send(client, &service, "PUT", "/a/3", cookie).await;
    }
    // as many as on one server: a read is one command, and a change is one more
    assert_eq!(cluster.calls(&["getex"]), 200);
    assert_eq!(cluster.calls(&["evalsha"]), 100);
    assert_eq!(cluster.calls(&["eval", "cluster|slots", "asking"]), 0);
    let connections = cluster.servers().map(|server| {
        let clients: String = server.run(&["CLIENT", "LIST", "TYPE", "normal"]);
        // without the one that asks
        clients.lines().count() - 1
    });
    let connections: Vec<_> = connections.collect();
    println!("connections to the primaries and the replicas of a process with two workers: {connections:?}");
    assert_eq!(connections[..3], [2, 2, 2]);
    // the first contact may have been with replicas
    assert!(connections[3..].iter().sum::<usize>() <= 3, "{connections:?}");
}

/// The permissions of `redis/secrets.sh` for sessions, and those that a cluster needs besides.
const PERMISSIONS: &str = "+get +getex +set +del +pttl +pexpire +zadd +zrem +zrange +zremrangebyscore +time +eval \
                           +evalsha +cluster|slots +asking";

#[tokio::test(flavor = "multi_thread")]
async fn documented_permissions_suffice() {
    let mut cluster = RedisCluster::with_shards(2, &[], &[]);
    cluster.set_login("service", "secret", &format!("~session:* {PERMISSIONS}"));
    let bed = Bed::new(cluster, PATIENT);
    let cookie = bed.session_on(0).await;
    let slot = bed.cluster.slot(&key(&cookie));
    for step in 0..3 {
        match step {
            0 => bed.cluster.begin_migration(slot, 0, 1),
            1 => bed.cluster.migrate_keys(slot, 0, 1),
            _ => bed.cluster.finish_migration(slot, 0, 1),
        }
        let change = bed.stack.send(0, &format!("/do/insert:n:{step}"), Some(&cookie)).await;
        assert_eq!(change.status, 200, "{}", change.body);
    }
    let sign_in = bed.stack.send(0, "/do/renew,insert:userid:1", Some(&cookie)).await;
    assert_eq!(sign_in.status, 200, "{}", sign_in.body);
    let cookie = sign_in.cookie.unwrap();
    assert_eq!(bed.stack.send(1, "/sessions/1", Some(&cookie)).await.status, 200);
    assert_eq!(bed.stack.send(1, "/do/purge", Some(&cookie)).await.status, 200);
    bed.sessions.ready().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn node_of_a_cluster_behind_the_url_of_one_server_is_named() {
    let cluster = RedisCluster::with_shards(2, &[], &[]);
    let mut moved = 0;
    for server in cluster.servers() {
        let settings = Settings::default().with_store_timeout(PATIENT).unwrap();
        let manager = SessionManager::new(&settings.with_store(&server.url()).unwrap()).unwrap();
        if let Err(error) = manager.ready().await {
            let text = "MOVED (the server is a node of a cluster: SESSION_STORE must begin with redis-cluster";
            assert!(error.to_string().contains(text), "{error}");
            moved += 1;
        }
    }
    assert!(moved > 0, "every node stores the key");
}

/// Puts a forwarder in front of each node. Clients are sent there by all nodes.
async fn forwarders(cluster: &RedisCluster) -> Vec<Forwarder> {
    let forwarders = cluster.servers().map(|server| {
        let forwarder = Forwarder::start(server.port());
        let port = forwarder.port().to_string();
        let () = server.run(&["CONFIG", "SET", "cluster-announce-port", &port]);
        forwarder
    });
    let forwarders: Vec<Forwarder> = forwarders.collect();
    for server in cluster.servers() {
        let is_announced = || {
            let slots: redis::Value = server.run(&["CLUSTER", "SLOTS"]);
            let slots = format!("{slots:?}");
            forwarders
                .iter()
                .all(|forwarder| slots.contains(&format!("int({})", forwarder.port())))
        };
        for _ in 0..1000 {
            if is_announced() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        assert!(is_announced(), "a node does not know the forwarders");
    }
    forwarders
}

#[tokio::test]
async fn connections_that_break_silently_cost_one_command_of_all_shards() {
    let cluster = RedisCluster::with_shards(3, &[], &[]);
    let forwarders = forwarders(&cluster).await;
    let url = format!("redis-cluster://127.0.0.1:{}", forwarders[0].port());
    let settings = Settings::default().with_store(&url).unwrap();
    let settings = settings.with_store_timeout(Duration::from_secs(2)).unwrap();
    let backend = Redis::new(Connection::open(&settings).unwrap());
    let of_shard = |shard| {
        (0..)
            .map(|number| format!("session:{number}"))
            .find(|key| cluster.primary_of(key) == shard)
    };
    let keys: Vec<String> = (0..3).filter_map(of_shard).collect();
    let ttl = Duration::from_secs(60);
    for key in &keys {
        assert!(backend.create(key, b"1", ttl).await.unwrap());
    }
    for forwarder in &forwarders {
        forwarder.break_silently(Direction::ToRedis);
    }
    let mut served = Vec::new();
    for key in keys.iter().chain(&keys) {
        served.push(backend.load(key, ttl).await.is_ok());
    }
    assert_eq!(served, [false, true, true, true, true, true]);
}
