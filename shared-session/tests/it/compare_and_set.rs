//! How a record is replaced in Redis: by a command if the server has it, and otherwise by a script.

use std::time::Duration;

use shared_session::Settings;
use shared_session::backend::redis::{Connection, Redis};
use shared_session::backend::{Backend, Outcome};
use shared_session_testkit::servers::RedisServer;

const TTL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(20);

/// Replaces a record ten times. The server counts the commands since the first replacement.
async fn replace_ten_times(server: &RedisServer) {
    let backend = server.backend(TIMEOUT);
    assert!(backend.create("a", b"0", TTL).await.unwrap());
    let () = server.run(&["CONFIG", "RESETSTAT"]);
    for number in 0..10_u8 {
        let outcome = backend.replace("a", &[b'0' + number], &[b'1' + number], TTL).await;
        assert_eq!(outcome.unwrap(), Outcome::Applied);
    }
}

#[tokio::test]
async fn replacement_is_one_command_if_the_server_has_it() {
    let server = RedisServer::start_valkey(&[]);
    replace_ten_times(&server).await;
    assert_eq!(server.calls(&["set"]), 10);
    assert_eq!(server.calls(&["get", "getex", "eval", "evalsha"]), 0);
}

#[tokio::test]
async fn server_without_the_command_is_asked_for_it_once() {
    let server = RedisServer::start();
    replace_ten_times(&server).await;
    // the script calls SET, too; and a new Redis has the command
    let calls = server.calls(&["set"]);
    assert!([10, 11].contains(&calls), "{calls}");
}

/// A request may be answered as done because of the record that its replacement finds. So replicas must have that record, too.
#[tokio::test]
async fn record_that_a_replacement_finds_is_confirmed() {
    let primary = RedisServer::start_valkey(&["--repl-diskless-sync-delay", "0"]);
    let of = format!("127.0.0.1 {}", primary.port());
    let _replica = RedisServer::start_valkey(&["--replicaof", &of, "--appendonly", "no"]);
    while !primary.replicates_to(1) {}
    let settings = Settings::default().with_store(&primary.url()).unwrap();
    let settings = settings.with_store_replicas(1).with_store_timeout(TIMEOUT).unwrap();
    let backend = Redis::new(Connection::open(&settings).unwrap());
    assert!(backend.create("a", b"1", TTL).await.unwrap());
    let () = primary.run(&["CONFIG", "RESETSTAT"]);
    let outcome = backend.replace("a", b"2", b"3", TTL).await.unwrap();
    assert_eq!(outcome, Outcome::Changed(b"1"[..].into()));
    assert!(primary.calls(&["wait"]) >= 2, "both commands are confirmed");
}
