//! Redis goes away, is another one, or refuses to tell what changes.

use std::time::Duration;

use shared_session::backend::Backend;
use shared_session::backend::near_cache::NearCache;
use shared_session::backend::redis::{Connection, Redis};
use shared_session_testkit::alone::alone;
use shared_session_testkit::servers::RedisServer;
use tokio::time::{Instant, sleep};
use tracing::Level;

use super::{LIMIT, MINUTE, Processes, TTL, commands, eventually, kill_tracking, read, remember};
use crate::forwarder::{Direction, Forwarder};
use crate::log;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn what_the_lease_covers_is_served_while_redis_is_away() {
    let mut processes = Processes::start(MINUTE).await;
    processes.server.kill();
    assert_eq!(read(&processes.cached, "first").await.unwrap().unwrap(), "1");
    assert!(processes.cached.load_and_remember("other", TTL).await.is_err());
    // back with its data, the cache begins anew
    processes.server.restart(&[]);
    processes.wait_until_forgotten("first").await;
    remember(&processes.cached, "first").await;
}

#[tokio::test]
async fn lease_ends_while_redis_is_away() {
    let mut processes = Processes::start(SECOND).await;
    processes.server.kill();
    processes.wait_until_forgotten("first").await;
    assert!(read(&processes.cached, "first").await.is_err());
}

#[tokio::test]
async fn lease_ends_while_redis_is_hung() {
    let processes = Processes::start(SECOND).await;
    processes.server.freeze();
    processes.wait_until_forgotten("first").await;
    processes.server.thaw();
    remember(&processes.cached, "first").await;
}

#[tokio::test]
async fn change_while_the_connection_is_lost_is_not_missed() {
    let processes = Processes::start(MINUTE).await;
    let (cached, server) = (&processes.cached, &processes.server);
    for version in 1..20_u32 {
        kill_tracking(server);
        processes
            .replace("first", &version.to_string(), &(version + 1).to_string())
            .await;
        // the record of the former connection ends when there is a new one
        let expected = (version + 1).to_string();
        eventually(async || {
            read(cached, "first")
                .await
                .is_ok_and(|record| record.unwrap() == expected)
        })
        .await;
        remember(cached, "first").await;
        assert_eq!(read(cached, "first").await.unwrap().unwrap(), expected);
    }
}

/// A firewall that drops the connection tells nobody.
#[tokio::test]
async fn silently_lost_connection_costs_one_read() {
    let server = RedisServer::start();
    let forwarder = Forwarder::start(server.port());
    let settings = forwarder.settings().with_store_timeout(SECOND).unwrap();
    let cached = NearCache::new(Redis::new(Connection::open(&settings).unwrap()), MINUTE);
    for key in ["k", "l"] {
        let () = server.run(&["SET", key, "1", "PX", "1000000"]);
    }
    remember(&cached, "k").await;
    forwarder.break_silently(Direction::FromRedis);
    assert!(cached.load_and_remember("l", TTL).await.is_err());
    assert_eq!(cached.load_and_remember("l", TTL).await.unwrap().unwrap(), "1");
    remember(&cached, "l").await;
}

#[tokio::test]
async fn demoted_primary_is_not_believed() {
    let processes = Processes::start(SECOND).await;
    let another = RedisServer::start();
    let () = processes
        .server
        .run(&["REPLICAOF", "127.0.0.1", &another.port().to_string()]);
    processes.wait_until_forgotten("first").await;
    sleep(SECOND).await;
    assert!(!processes.is_remembered("first"));
    let () = processes.server.run(&["REPLICAOF", "NO", "ONE"]);
    let () = processes.server.run(&["SET", "first", "2", "PX", "1000000"]);
    remember(&processes.cached, "first").await;
}

#[tokio::test]
async fn cache_that_redis_refuses_is_off_and_logs_one_line() {
    if !alone(cache_that_redis_refuses_is_off_and_logs_one_line) {
        return;
    }
    let log = log::capture(Level::INFO);
    let without_resp3 = RedisServer::start_with(&["--rename-command", "HELLO", ""]);
    let rules = ["default", "on", "nopass", "~*", "+@all", "-client|tracking"];
    let without_permission = RedisServer::start_with(&[&["--user"], &rules[..]].concat());
    for (server, reason) in [
        (&without_resp3, "unknown command"),
        (&without_permission, "CLIENT: NOPERM (the user may not run the command)"),
    ] {
        let cached = NearCache::new(server.backend(LIMIT), SECOND / 10);
        let () = server.run(&["SET", "k", "1", "PX", "1000000"]);
        let (mut lines, began) = (String::new(), Instant::now());
        while !lines.contains("session cache is off") {
            assert!(began.elapsed() < LIMIT, "{lines}");
            read(&cached, "k").await.unwrap();
            lines += &log.take();
            sleep(Duration::from_millis(1)).await;
        }
        let before = commands(server);
        for _ in 0..100 {
            assert_eq!(read(&cached, "k").await.unwrap().unwrap(), "1");
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(commands(server) - before, 100);
        lines += &log.take();
        assert!(lines.lines().count() == 1 && lines.contains(reason), "{lines}");
    }
}
