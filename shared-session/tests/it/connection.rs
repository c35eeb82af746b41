//! When a connection to Redis is abandoned: a server that replies late on purpose counts its connections.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

use shared_session::backend::redis::{Connection, RedisFailure};
use shared_session::{Settings, redis};

/// A server that replies to `GET <milliseconds>` after that time, and to everything else at once.
struct SlowServer {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl SlowServer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                spawn(|| serve(stream.unwrap()));
            }
        });
        Self { url, connections }
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

fn serve(stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut stream = stream;
    while let Some(Ok(header)) = lines.next() {
        let count: usize = header.trim_start_matches('*').parse().unwrap();
        // each argument is a line with its length and a line with its text
        let arguments: Vec<String> = (0..2 * count).map(|_| lines.next().unwrap().unwrap()).collect();
        if arguments[1] == "GET" {
            sleep(Duration::from_millis(arguments[3].parse().unwrap()));
        }
        if stream.write_all(b"+OK\r\n").is_err() {
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
