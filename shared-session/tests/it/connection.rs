//! When a connection to Redis is abandoned: a server that replies late on purpose counts its connections.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, SystemTime};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use shared_session::backend::Backend;
use shared_session::backend::redis::{Connection, Redis, RedisFailure};
use shared_session::{Settings, redis};
use shared_session_testkit::servers::RedisServer;
use tokio::runtime::Builder;
use tracing::Level;

use crate::log::{self, Log};

/// A server that replies to `GET <milliseconds>` after that time, and to everything else at once.
struct SlowServer {
    url: String,
    connections: Arc<AtomicUsize>,
    clock_readings: Arc<AtomicUsize>,
}

impl SlowServer {
    fn start() -> Self {
        Self::with_clock(0)
    }

    /// Starts a server whose clock is so many seconds ahead.
    fn with_clock(ahead: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let clock_readings = Arc::new(AtomicUsize::new(0));
        let (count, readings) = (connections.clone(), clock_readings.clone());
        spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let readings = readings.clone();
                spawn(move || serve(stream.unwrap(), ahead, &readings));
            }
        });
        Self {
            url,
            connections,
            clock_readings,
        }
    }

    fn connection(&self) -> Connection {
        let settings = Settings::default().with_store(&self.url).unwrap();
        let settings = settings.with_store_timeout(Duration::from_millis(1000)).unwrap();
        Connection::open(&settings).unwrap()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, ahead: i64, clock_readings: &AtomicUsize) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut stream = stream;
    while let Some(Ok(header)) = lines.next() {
        let count: usize = header.trim_start_matches('*').parse().unwrap();
        // each argument is a line with its length and a line with its text
        let arguments: Vec<String> = (0..2 * count).map(|_| lines.next().unwrap().unwrap()).collect();
        if arguments[1] == "GET" {
            sleep(Duration::from_millis(arguments[3].parse().unwrap()));
        }
        let reply = match &*arguments[1] {
            "TIME" => {
                clock_readings.fetch_add(1, Ordering::SeqCst);
                let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
                let seconds = now.as_secs().checked_add_signed(ahead).unwrap().to_string();
                let (length, microseconds) = (seconds.len(), now.subsec_micros());
                format!("*2\r\n${length}\r\n{seconds}\r\n$6\r\n{microseconds:06}\r\n")
            }
            "GETEX" => "$-1\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        };
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

async fn get(connection: &Connection, milliseconds: u64) -> Result<String, RedisFailure> {
    connection.run(redis::cmd("GET").arg(milliseconds)).await
}

async fn after<T>(milliseconds: u64, then: impl Future<Output = T>) -> T {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    then.await
}

#[tokio::test]
async fn late_reply_does_not_abandon_a_connection_on_which_others_arrive() {
    let server = SlowServer::start();
    let connection = server.connection();
    let (first, late, next) = tokio::join!(
        get(&connection, 300),
        after(100, get(&connection, 1100)), // its time is over at 900, its reply arrives at 1400
        after(1000, get(&connection, 0)),
    );
    assert!(
        first.is_ok() && late.is_err() && next.is_ok(),
        "{first:?} {late:?} {next:?}"
    );
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn connection_without_replies_is_abandoned() {
    let server = SlowServer::start();
    let connection = server.connection();
    assert!(get(&connection, 0).await.is_ok());
    assert!(get(&connection, 5000).await.is_err());
    assert!(get(&connection, 0).await.is_ok());
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn tcp_notices_a_host_that_vanished_from_an_idle_connection() {
    let server = SlowServer::start();
    let connection = server.connection();
    assert!(get(&connection, 0).await.is_ok());
    let port = server.url.rsplit(':').next().unwrap();
    let list = Command::new("ss").args(["-Htno", &format!("dport = :{port}")]).output();
    let list = String::from_utf8(list.expect("ss is missing: apt-get install iproute2").stdout).unwrap();
    // Linux's own first question would be due in two hours, shown as 119min
    let (_, rest) = list.split_once("timer:(keepalive,").unwrap_or_else(|| panic!("{list}"));
    assert!(!rest.contains("min"), "{list}");
}

/// Returns what is logged after the first operations of sessions in a Redis.
async fn log_of_first_operations(connection: Connection) -> String {
    let (log, _guard): (Log, _) = log::capture_here(Level::WARN);
    let backend = Redis::new(connection);
    // Redis is inspected in the background, by commands that are sent before these
    for _ in 0..10 {
        assert_eq!(backend.load("session:a", Duration::from_secs(1)).await.unwrap(), None);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    log.take()
}

#[tokio::test]
async fn clock_that_differs_from_that_of_redis_is_logged_and_measured() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    for (ahead, text) in [
        (3600, Some("the clock of this machine is 3600 s behind that of Redis")),
        (
            -3600,
            Some("the clock of this machine is 3600 s ahead of that of Redis"),
        ),
        (-1, None),
    ] {
        let log = log_of_first_operations(SlowServer::with_clock(ahead).connection()).await;
        match text {
            Some(text) => assert_eq!(log.matches(text).count(), 1, "{log}"),
            None => assert_eq!(log, ""),
        }
        let metrics = snapshots.snapshot().into_vec();
        let skew = metrics.into_iter().find_map(|(key, .., value)| match value {
            DebugValue::Gauge(value) if key.key().name() == "session.store.clock_skew" => Some(value.into_inner()),
            _ => None,
        });
        // a busy machine may be slow
        assert!((skew.unwrap() + ahead as f64).abs() < 60.0, "{ahead}: {skew:?}");
    }
}

#[tokio::test]
async fn connections_of_sessions_compare_the_clocks_once_for_all_threads() {
    let server = SlowServer::start();
    let own_data = server.connection();
    assert!(get(&own_data, 0).await.is_ok());
    let backend = Arc::new(Redis::new(server.connection()));
    let threads = (0..3).map(|_| {
        let backend = backend.clone();
        spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                for _ in 0..3 {
                    assert!(backend.load("session:a", Duration::from_secs(1)).await.is_ok());
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().unwrap();
    }
    assert_eq!(server.connections(), 4);
    assert_eq!(server.clock_readings.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn redis_that_evicts_keys_is_logged() {
    for (policy, memory, is_logged) in [
        ("allkeys-lru", "100mb", true),
        ("volatile-ttl", "100mb", true),
        ("noeviction", "100mb", false),
        ("allkeys-lru", "0", false),
    ] {
        let redis = RedisServer::start_with(&["--maxmemory", memory, "--maxmemory-policy", policy]);
        let settings = Settings::default().with_store(&redis.url()).unwrap();
        let log = log_of_first_operations(Connection::open(&settings).unwrap()).await;
        let text = format!("maxmemory-policy {policy}");
        assert_eq!(
            log.matches(&text).count(),
            usize::from(is_logged),
            "{policy} {memory}: {log}"
        );
    }
}

#[tokio::test]
async fn user_who_may_not_read_the_clock_is_logged_and_served() {
    let redis = RedisServer::start();
    let () = redis.run(&["ACL", "SETUSER", "app", "on", ">secret", "~*", "+getex"]);
    let url = format!("redis://app:secret@127.0.0.1:{}", redis.port());
    let settings = Settings::default().with_store(&url).unwrap();
    let log = log_of_first_operations(Connection::open(&settings).unwrap()).await;
    assert!(log.contains("TIME: NOPERM (the user may not run the command)"), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[tokio::test]
async fn new_password_in_its_file_needs_no_restart() {
    let redis = RedisServer::start();
    let () = redis.run(&["ACL", "SETUSER", "app", "on", ">first", "~*", "+get"]);
    let file = std::env::temp_dir().join(format!("shared-session-new-password-{}", std::process::id()));
    std::fs::write(&file, "first\n").unwrap();
    let url = format!("redis://app@127.0.0.1:{}", redis.port());
    let settings = Settings::default().with_store(&url).unwrap();
    let connection = Connection::open(&settings.with_store_password_file(&file)).unwrap();
    let mut get = redis::cmd("GET");
    get.arg("key");
    connection.run::<Option<String>>(&get).await.unwrap();

    std::fs::write(&file, "second\n").unwrap();
    let () = redis.run(&["ACL", "SETUSER", "app", ">second", "<first"]);
    connection
        .run::<Option<String>>(&get)
        .await
        .expect("the connection that exists is kept");
    let _: i64 = redis.run(&["CLIENT", "KILL", "USER", "app"]);
    connection
        .run::<Option<String>>(&get)
        .await
        .expect("the next one has the new password");
    std::fs::remove_file(file).unwrap();
}
