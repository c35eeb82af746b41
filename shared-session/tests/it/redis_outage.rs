//! Outages that look like something else: a demoted primary, a connection that breaks silently, a user without PING, and
//! what readiness says of each.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use shared_session::backend::redis::{Connection, Redis};
use shared_session::{SessionManager, Settings};
use shared_session_testkit::TestClock;
use shared_session_testkit::servers::RedisServer;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::forwarder::{Direction, Forwarder};
use crate::support::{Door, Stack, TestResponse};

/// Long enough for a busy machine, short enough to wait for.
const TIMEOUT: Duration = Duration::from_secs(1);

fn stack(workers: usize, forwarder: &Forwarder, timeout: Duration) -> Stack {
    let settings = forwarder.settings().with_store_timeout(timeout).unwrap();
    Stack::with_workers(
        workers,
        Door::Actix,
        forwarder.backend(timeout),
        TestClock::default(),
        &settings,
    )
}

/// Waits until `condition` holds.
async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if condition().await {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("this did not happen within 20 s: {what}");
}

fn assert_unavailable(response: &TestResponse) {
    assert_eq!(
        (response.status, &response.set_cookie),
        (StatusCode::SERVICE_UNAVAILABLE, &None)
    );
    assert!(response.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn demoted_primary_is_left_for_the_new_one() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    let forwarder = Forwarder::start(old.port());
    let stack = stack(2, &forwarder, TIMEOUT);
    let cookie = stack.new_session("insert:a:1").await;
    let () = new.run(&["REPLICAOF", "127.0.0.1", &old.port().to_string()]);
    wait_until("the replica holds the session", async || {
        new.run::<u64>(&["DBSIZE"]) == 1
    })
    .await;
    for service in 0..2 {
        assert_eq!(stack.fields(service, &cookie).await.len(), 1);
        stack.sessions[service].ready().await.unwrap();
    }

    let () = new.run(&["REPLICAOF", "NO", "ONE"]);
    let () = old.run(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    for _ in 0..5 {
        for service in 0..2 {
            for path in ["/all", "/do/insert:b:1", "/do/renew", "/do/purge"] {
                assert_unavailable(&stack.send(service, path, Some(&cookie)).await);
            }
            assert!(stack.sessions[service].ready().await.is_err());
        }
        sleep(Duration::from_millis(100)).await;
    }

    // no connection is closed: the service itself must leave the old primary
    forwarder.redirect(new.port());
    let redirected = Instant::now();
    for service in 0..2 {
        wait_until("the service is back", async || {
            stack.send(service, "/all", Some(&cookie)).await.status == StatusCode::OK
        })
        .await;
        let ready = stack.sessions[service].ready().await;
        assert!(ready.is_ok(), "{ready:?}");
    }
    let outage = redirected.elapsed();
    assert!(outage < Duration::from_secs(1), "the outage went on for {outage:?}");
    for number in 0..20 {
        let changed = stack.send(1, &format!("/do/insert:a:{number}"), Some(&cookie)).await;
        assert_eq!(changed.status, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silently_broken_connection_costs_one_request() {
    for direction in [Direction::ToRedis, Direction::FromRedis] {
        let redis = RedisServer::start();
        let forwarder = Forwarder::start(redis.port());
        let stack = stack(1, &forwarder, TIMEOUT);
        let cookie = stack.new_session("insert:a:1").await;
        for path in ["/all", "/do/insert:b:1", "/do/renew", "/all"] {
            forwarder.break_silently(direction);
            assert_unavailable(&stack.send(0, "/all", Some(&cookie)).await);
            let next = stack.send(0, path, Some(&cookie)).await;
            assert_eq!(next.status, StatusCode::OK, "{direction:?} {path}");
            if next.cookie.is_some() {
                break;
            }
        }
        assert!(forwarder.lost() > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_that_breaks_before_a_commit_costs_one_request() {
    let redis = RedisServer::start();
    let forwarder = Forwarder::start(redis.port());
    let stack = stack(1, &forwarder, TIMEOUT);
    let cookie = stack.new_session("insert:a:1").await;
    // the load takes so much of the request's time that the commit's wait for a reply ends with the request
    forwarder.delay(TIMEOUT / 5);
    let slow = tokio::spawn(stack.send(0, "/do/wait,insert:b:1", Some(&cookie)));
    stack.gate.arrived().await;
    forwarder.break_silently(Direction::ToRedis);
    forwarder.delay(Duration::ZERO);
    stack.gate.open();
    assert_unavailable(&slow.await.unwrap());
    let next = stack.send(0, "/do/insert:b:1", Some(&cookie)).await;
    assert_eq!(next.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn silently_broken_connection_costs_the_requests_in_flight_only() {
    let redis = RedisServer::start();
    let forwarder = Forwarder::start(redis.port());
    let stack = stack(1, &forwarder, TIMEOUT);
    let cookie = stack.new_session("insert:a:1").await;
    for direction in [Direction::ToRedis, Direction::FromRedis] {
        forwarder.break_silently(direction);
        let mut in_flight = JoinSet::new();
        for _ in 0..10 {
            in_flight.spawn(stack.send(0, "/all", Some(&cookie)));
        }
        assert_unavailable(&in_flight.join_next().await.unwrap().unwrap());
        for number in 0..20 {
            let next = stack.send(0, &format!("/do/insert:a:{number}"), Some(&cookie)).await;
            assert_eq!(
                next.status,
                StatusCode::OK,
                "{direction:?}: request {number} after the first failure"
            );
        }
        for response in in_flight.join_all().await {
            assert!(response.status == StatusCode::OK || response.status == StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}

/// Returns a manager that signs in to Redis as a user with these rules.
fn manager_with_rules(redis: &RedisServer, rules: &[&str], timeout: Duration) -> (SessionManager, Settings) {
    let () = redis.run(&[&["ACL", "SETUSER", "app", "on", ">secret"], rules].concat());
    let url = format!("redis://app:secret@127.0.0.1:{}/0", redis.port());
    let settings = Settings::default().with_store_timeout(timeout).unwrap();
    let settings = settings.with_store(&url).unwrap();
    (SessionManager::new(&settings).unwrap(), settings)
}

/// The commands that sessions need, and PING is not among them.
const NO_PING: [&str; 11] = [
    "~session:*",
    "+getex",
    "+get",
    "+set",
    "+del",
    "+evalsha",
    "+eval",
    "+pttl",
    "+zadd",
    "+zremrangebyscore",
    "+time",
];

#[tokio::test(flavor = "multi_thread")]
async fn outage_ends_where_ping_is_forbidden() {
    let mut redis = RedisServer::start();
    let (manager, settings) = manager_with_rules(&redis, &NO_PING, TIMEOUT);
    manager.ready().await.unwrap();
    let backend = Arc::new(Redis::new(Connection::open(&settings).unwrap()));
    let stack = Stack::over(Door::Actix, backend, TestClock::default(), &settings);
    let cookie = stack.new_session("insert:a:1").await;
    redis.kill();
    for _ in 0..5 {
        for service in 0..2 {
            assert_unavailable(&stack.send(service, "/all", Some(&cookie)).await);
        }
        let error = manager.ready().await.unwrap_err().to_string();
        assert_eq!(error.matches("unavailable").count(), 1, "{error}");
    }
    redis.restart(&[&["--user", "app", "on", ">secret"][..], &NO_PING].concat());
    for service in 0..2 {
        wait_until("the service is back", async || {
            let changed = stack.send(service, "/do/update:a", Some(&cookie)).await;
            changed.status == StatusCode::OK
        })
        .await;
    }
    wait_until("the manager is ready", async || manager.ready().await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_what_a_session_request_would_meet() {
    let redis = RedisServer::start();
    let stack = Stack::over(
        Door::Actix,
        Arc::new(redis.backend(TIMEOUT)),
        TestClock::default(),
        &Settings::default().with_store_timeout(TIMEOUT).unwrap(),
    );
    let cookie = stack.new_session("insert:a:1").await;
    let sessions = &stack.sessions[0];
    let keys: Vec<String> = redis.run(&["KEYS", "*"]);
    sessions.ready().await.unwrap();
    assert_eq!(redis.run::<Vec<String>>(&["KEYS", "*"]), keys, "a check stored a key");
    let () = redis.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    for (name, begin, end) in [
        (
            "NOREPLICAS",
            ["CONFIG", "SET", "min-replicas-to-write", "1"].as_slice(),
            ["CONFIG", "SET", "min-replicas-to-write", "0"].as_slice(),
        ),
        (
            "OOM",
            &["CONFIG", "SET", "maxmemory", "1"],
            &["CONFIG", "SET", "maxmemory", "0"],
        ),
        (
            "READONLY",
            &["REPLICAOF", "127.0.0.1", "1"],
            &["REPLICAOF", "NO", "ONE"],
        ),
    ] {
        let () = redis.run(begin);
        let error = sessions.ready().await.unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        assert_unavailable(&stack.send(0, "/do/update:a", Some(&cookie)).await);
        let () = redis.run(end);
        wait_until(name, async || sessions.ready().await.is_ok()).await;
        wait_until(name, async || {
            stack.send(0, "/do/update:a", Some(&cookie)).await.status == StatusCode::OK
        })
        .await;
    }
}

/// Returns what readiness says of a Redis whose URL this is.
async fn refusal(url: &str) -> String {
    let settings = Settings::default().with_store_timeout(TIMEOUT).unwrap();
    let manager = SessionManager::new(&settings.with_store(url).unwrap()).unwrap();
    manager.ready().await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_tries_every_command_that_requests_use_and_names_the_refused_one() {
    let redis = RedisServer::start();
    for (missing, expected) in [
        ("+getex", "GETEX: NOPERM (the user may not run the command)"),
        ("+set", "SET: NOPERM (the user may not run the command)"),
        ("+evalsha", "EVALSHA: NOPERM (the user may not run the command)"),
        ("+get", "EVAL: ERR (the user may not run a command of the script)"),
        ("~session:*", "NOPERM (the user may not use the key)"),
    ] {
        let present = NO_PING.into_iter().filter(|rule| *rule != missing);
        let rules: Vec<&str> = ["-@all", "resetkeys"].into_iter().chain(present).collect();
        let (manager, _) = manager_with_rules(&redis, &rules, TIMEOUT);
        let error = manager.ready().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{missing}: {error}");
    }
    let old = RedisServer::start_with(&["--rename-command", "GETEX", ""]);
    let error = refusal(&old.url()).await;
    assert!(error.contains("GETEX: ERR (unknown command"), "{error}");
    let error = refusal(&redis.url().replace("/0", "/99")).await;
    assert!(error.contains("the server has no database with this number"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_turns_clients_away_says_why() {
    let redis = RedisServer::start_with(&["--maxclients", "1"]);
    let connected = (0..1000).find_map(|_| {
        let mut client = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
        let mut reply = [0; 5];
        // refused as long as Redis has not noticed that the last client left
        let sent = client
            .write_all(b"PING\r\n")
            .and_then(|()| client.read_exact(&mut reply));
        (sent.is_ok() && reply == *b"+PONG").then_some(client)
    });
    let client = connected.expect("Redis accepts no client");
    let error = refusal(&redis.url()).await;
    assert!(
        error.contains("the server has as many clients as it permits"),
        "{error}"
    );
    drop(client);

    // a real Redis does so with clients of other hosts only
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let _ = client
                .unwrap()
                .write_all(b"-DENIED Redis is running in protected mode because ...\r\n");
        }
    });
    for login in ["", ":secret@"] {
        let error = refusal(&format!("redis://{login}127.0.0.1:{port}")).await;
        assert!(error.contains("DENIED (the server is in protected mode"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_sign_in_leaves_no_record() {
    let redis = RedisServer::start();
    let without_scripts = ["~session:*", "+getex", "+set", "+get", "+zadd"];
    let (_, settings) = manager_with_rules(&redis, &without_scripts, TIMEOUT);
    let backend = Arc::new(Redis::new(Connection::open(&settings).unwrap()));
    let stack = Stack::over(Door::Actix, backend, TestClock::default(), &settings);
    for ops in ["insert:userid:1", "insert:userid:1,renew"] {
        assert_unavailable(&stack.send(0, &format!("/do/{ops}"), None).await);
        wait_until("no key is left", async || redis.run::<u64>(&["DBSIZE"]) == 0).await;
    }
    // a session without a user needs no index
    let cookie = stack.new_session("insert:a:1").await;
    for ops in ["insert:userid:1", "insert:userid:1,renew"] {
        assert_unavailable(&stack.send(0, &format!("/do/{ops}"), Some(&cookie)).await);
        assert_eq!(redis.run::<u64>(&["DBSIZE"]), 1);
        assert_eq!(stack.fields(1, &cookie).await.len(), 1);
    }
}
