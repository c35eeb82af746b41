//! The connections of a service's worker threads, and the commits that meet in its queue, over a network that takes time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use shared_session::backend::redis::{Connection, Redis};
use shared_session::{Settings, redis};
use shared_session_testkit::TestClock;
use shared_session_testkit::servers::RedisServer;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::forwarder::{Direction, Forwarder};
use crate::support::{Door, Stack};

/// A client with one connection, which leads to one worker thread of the first service. (A pool may open another one.)
struct Client {
    connection: BufReader<TcpStream>,
    worker: String,
}

impl Client {
    async fn connect(stack: &Stack) -> Self {
        let address = stack.address(0).strip_prefix("http://").unwrap();
        let connection = BufReader::new(TcpStream::connect(address).await.unwrap());
        let mut client = Self {
            connection,
            worker: String::new(),
        };
        client.send("nothing", "").await;
        client
    }

    /// Sends operations and returns the status. The response names the worker.
    async fn send(&mut self, ops: &str, cookie: &str) -> u16 {
        self.begin(ops, cookie).await;
        let mut line = String::new();
        self.connection.read_line(&mut line).await.unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            self.connection.read_line(&mut line).await.unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.connection.read_exact(&mut body).await.unwrap();
        self.worker = String::from_utf8(body).unwrap();
        status
    }

    /// Sends operations and does not read the response.
    async fn begin(&mut self, ops: &str, cookie: &str) {
        let request =
            format!("POST /do/{ops} HTTP/1.1\r\nHost: localhost\r\nCookie: sid={cookie}\r\nContent-Length: 0\r\n\r\n");
        self.connection.write_all(request.as_bytes()).await.unwrap();
    }
}

/// Returns clients for each worker thread of the first service, `count` for each.
async fn clients_by_worker(stack: &Stack, workers: usize, count: usize) -> Vec<Vec<Client>> {
    let mut clients: HashMap<String, Vec<Client>> = HashMap::new();
    for _ in 0..200 {
        let client = Client::connect(stack).await;
        clients.entry(client.worker.clone()).or_default().push(client);
        if clients.len() == workers && clients.values().all(|clients| clients.len() >= count) {
            return clients.into_values().collect();
        }
    }
    panic!("no connection led to some worker");
}

/// Returns the number of open connections, without the one that asks.
fn open_connections(redis: &RedisServer) -> usize {
    let list: String = redis.run(&["CLIENT", "LIST"]);
    list.lines().filter(|line| !line.contains("cmd=client")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_worker_has_one_connection() {
    let redis = RedisServer::start();
    let timeout = Duration::from_secs(20);
    let settings = Settings::default().with_store_timeout(timeout).unwrap();
    let stack = Stack::with_workers(
        3,
        Door::Actix,
        Arc::new(redis.backend(timeout)),
        TestClock::default(),
        &settings,
    );
    let cookie = stack.new_session("insert:a:1").await;
    let mut clients = clients_by_worker(&stack, 3, 5).await;
    for round in 0..3 {
        let mut requests = JoinSet::new();
        for (number, mut client) in clients.drain(..).flatten().enumerate() {
            let cookie = cookie.clone();
            requests.spawn(async move {
                let status = client.send(&format!("insert:f{number}:{round}"), &cookie).await;
                assert_eq!(status, 200);
                client
            });
        }
        clients.push(requests.join_all().await);
        let workers: HashSet<&str> = clients[0].iter().map(|client| &*client.worker).collect();
        assert_eq!((workers.len(), open_connections(&redis)), (3, 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_worker_takes_sessions_from_no_other() {
    let redis = RedisServer::start();
    let timeout = Duration::from_secs(1);
    let settings = Settings::default().with_store_timeout(timeout).unwrap();
    let stack = Stack::over(
        Door::Actix,
        Arc::new(redis.backend(timeout)),
        TestClock::default(),
        &settings,
    );
    let cookie = stack.new_session("insert:a:1").await;
    let mut clients: Vec<Client> = clients_by_worker(&stack, 2, 1).await.into_iter().flatten().collect();
    for client in &mut clients {
        assert_eq!(client.send("insert:a:1", &cookie).await, 200);
    }
    for round in 0..2 {
        let (mut slow, mut other) = (clients.remove(0), clients.remove(0));
        let session = cookie.clone();
        let slow = tokio::spawn(async move {
            assert_eq!(slow.send("block:2500", &session).await, 200);
            slow
        });
        sleep(Duration::from_millis(200)).await;
        let mut served = 0;
        while !slow.is_finished() {
            let status = other.send(&format!("insert:f{round}:{served}"), &cookie).await;
            assert_eq!(status, 200, "after {served} requests beside a blocked worker");
            served += 1;
        }
        assert!(served > 10, "{served} requests beside a blocked worker");
        // then the other one is blocked
        clients = vec![other, slow.await.unwrap()];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_worker_prolongs_no_outage() {
    let mut redis = RedisServer::start();
    let timeout = Duration::from_millis(200);
    let settings = Settings::default().with_store_timeout(timeout).unwrap();
    let stack = Stack::over(
        Door::Actix,
        Arc::new(redis.backend(timeout)),
        TestClock::default(),
        &settings,
    );
    let cookie = stack.new_session("insert:a:1").await;
    let mut clients = clients_by_worker(&stack, 2, 1).await;
    let (mut slow, mut other) = (clients.remove(0).remove(0), clients.remove(0).remove(0));
    redis.kill();
    // these open the circuit, so this worker is the one that probes
    for _ in 0..3 {
        assert_eq!(slow.send("nothing", &cookie).await, 503);
    }
    let slow = tokio::spawn(async move { slow.send("block:10000", "").await });
    sleep(Duration::from_millis(200)).await;
    redis.restart(&[]);
    while other.send("nothing", &cookie).await != 200 {
        assert!(
            !slow.is_finished(),
            "the outage lasted as long as the worker was blocked"
        );
        sleep(Duration::from_millis(50)).await;
    }
    assert!(!slow.is_finished(), "no worker was blocked");
}

#[tokio::test(flavor = "multi_thread")]
async fn turn_on_a_blocked_worker_stops_no_other_commit() {
    let redis = RedisServer::start();
    let forwarder = Forwarder::start(redis.port());
    let timeout = Duration::from_secs(2);
    let settings = forwarder.settings().with_store_timeout(timeout).unwrap();
    let stack = Stack::over(Door::Actix, forwarder.backend(timeout), TestClock::default(), &settings);
    let cookie = stack.new_session("insert:a:1").await;
    let mut clients = clients_by_worker(&stack, 2, 2).await;
    for clients in &mut clients {
        assert_eq!(clients[0].send("update:a", &cookie).await, 200);
    }
    let (mut other, mut slow) = (clients.remove(0).remove(0), clients.remove(0));
    let (mut blocking, mut first) = (slow.remove(0), slow.remove(0));
    forwarder.delay(Duration::from_millis(100));
    // its load takes 200 ms, and its commit 200 ms more: the worker is blocked in between
    let session = cookie.clone();
    let first = tokio::spawn(async move { first.send("insert:first:1", &session).await });
    sleep(Duration::from_millis(300)).await;
    let blocking = tokio::spawn(async move { blocking.send("block:4000", "").await });
    assert_eq!(other.send("insert:second:1", &cookie).await, 200);
    assert!(!blocking.is_finished(), "no worker was blocked");
    assert_eq!((first.await.unwrap(), blocking.await.unwrap()), (200, 200));
    assert_eq!(stack.fields(1, &cookie).await.len(), 3);
}

/// Lets all connections break as a firewall breaks idle ones: what is sent is lost, and nobody is told.
async fn assert_breaking_costs_one_request(ops: [&str; 2], replicas: u32, direction: Direction) {
    let redis = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
    let of = format!("127.0.0.1 {}", redis.port());
    let _replica = (replicas > 0).then(|| RedisServer::start_with(&["--replicaof", &of, "--appendonly", "no"]));
    while !redis.replicates_to(replicas) {}
    let forwarder = Forwarder::start(redis.port());
    // no shorter: all workers must connect again in the time that a request has left
    let settings = forwarder.settings().with_store_timeout(Duration::from_secs(2)).unwrap();
    let settings = settings.with_store_replicas(replicas);
    let backend = Arc::new(Redis::new(Connection::open(&settings).unwrap()));
    let own_data = Connection::open(&settings).unwrap();
    let stack = Stack::with_workers(3, Door::Actix, backend, TestClock::default(), &settings);
    let cookie = stack.new_session("insert:a:1").await;
    let clients = clients_by_worker(&stack, 3, 1).await;
    let mut clients: Vec<Client> = clients.into_iter().flatten().collect();
    for client in &mut clients {
        assert_eq!(client.send("update:a", &cookie).await, 200);
    }
    let () = own_data.run(&redis::cmd("PING")).await.unwrap();
    forwarder.break_silently(direction);
    let mut statuses = Vec::new();
    for client in &mut clients {
        for ops in ops {
            statuses.push(client.send(ops, &cookie).await);
        }
    }
    assert_eq!(statuses, [503, 200, 200, 200, 200, 200], "{ops:?} {direction:?}");
    // the connections of the service's own data as well
    let () = own_data.run(&redis::cmd("PING")).await.unwrap();
    assert!(forwarder.lost() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_silently_cost_one_request_of_all_workers() {
    for direction in [Direction::ToRedis, Direction::FromRedis] {
        assert_breaking_costs_one_request(["nothing", "update:a"], 0, direction).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_for_changes_that_break_silently_cost_one_request_of_all_workers() {
    for ops in [["nothing", "update:a"], ["update:a", "update:a"]] {
        assert_breaking_costs_one_request(ops, 1, Direction::ToRedis).await;
    }
}

/// Sends 50 changes to one session at the same time. Returns how many were confirmed.
async fn write_together(stack: &Stack, cookie: &str, round: usize) -> usize {
    let mut writers = JoinSet::new();
    for number in 0..50 {
        writers.spawn(stack.send(0, &format!("/do/insert:r{round}w{number}:1"), Some(cookie)));
    }
    let responses = writers.join_all().await;
    responses.iter().filter(|response| response.status == 200).count()
}

/// The delay of a network in each direction.
const DELAY: Duration = Duration::from_millis(50);

/// Starts services whose network will be slow, with a session. Both workers of the first one are connected.
async fn distant_stack(forwarder: &Forwarder, timeout: Duration) -> (Stack, String) {
    let settings = forwarder.settings().with_store_timeout(timeout).unwrap();
    let stack = Stack::over(Door::Actix, forwarder.backend(timeout), TestClock::default(), &settings);
    let cookie = stack.new_session("insert:a:1").await;
    for mut client in clients_by_worker(&stack, 2, 1).await.into_iter().flatten() {
        assert_eq!(client.send("update:a", &cookie).await, 200);
    }
    (stack, cookie)
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_writers_over_a_slow_network_are_merged() {
    let redis = RedisServer::start();
    let forwarder = Forwarder::start(redis.port());
    let (stack, cookie) = distant_stack(&forwarder, Duration::from_secs(20)).await;
    forwarder.delay(DELAY);
    let () = redis.run(&["CONFIG", "RESETSTAT"]);
    assert_eq!(write_together(&stack, &cookie, 0).await, 50);
    let commits = redis.calls(&["evalsha"]);
    assert!(commits <= 25, "{commits} commits of 50 writers");
    assert_eq!(stack.fields(1, &cookie).await.len(), 51);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_writers_over_a_slow_network_are_done_within_the_default_timeout() {
    let redis = RedisServer::start();
    let forwarder = Forwarder::start(redis.port());
    let (stack, cookie) = distant_stack(&forwarder, Settings::default().store_timeout()).await;
    let mut rounds = Vec::new();
    // a busy machine may take longer in some rounds, but must lose nothing in any
    for round in 0..20 {
        forwarder.delay(DELAY);
        let done = write_together(&stack, &cookie, round).await;
        rounds.push(done);
        forwarder.delay(Duration::ZERO);
        sleep(Duration::from_secs(1)).await;
        let fields = stack.fields(1, &cookie).await;
        let stored = fields
            .keys()
            .filter(|name| name.starts_with(&format!("r{round}w")))
            .count();
        assert!(stored >= done, "{done} changes were confirmed, and {stored} are stored");
        if done == 50 {
            return;
        }
    }
    panic!("confirmed changes of 50 in each round: {rounds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_clients_lose_no_other_change() {
    let redis = RedisServer::start();
    let forwarder = Forwarder::start(redis.port());
    let timeout = Duration::from_secs(20);
    let settings = forwarder.settings().with_store_timeout(timeout).unwrap();
    let stack = Stack::over(Door::Actix, forwarder.backend(timeout), TestClock::default(), &settings);
    let cookie = stack.new_session("insert:a:1").await;
    forwarder.delay(Duration::from_millis(20));
    for round in 0..6 {
        for number in 0..30 {
            let (mut client, cookie) = (Client::connect(&stack).await, cookie.clone());
            tokio::spawn(async move {
                client.begin(&format!("insert:gone{number}:{round}"), &cookie).await;
                sleep(Duration::from_millis(4 * number)).await;
                // a reset: after a plain end of the connection the handler would go on
                client.connection.get_ref().set_zero_linger().unwrap();
            });
        }
        assert_eq!(write_together(&stack, &cookie, round).await, 50);
    }
    forwarder.delay(Duration::ZERO);
    // nobody waits for a request that is gone
    let last = stack.send(0, "/do/insert:last:1", Some(&cookie)).await;
    assert_eq!(last.status, 200);
    let fields = stack.fields(1, &cookie).await;
    assert_eq!(fields.keys().filter(|name| name.starts_with('r')).count(), 300);
}
