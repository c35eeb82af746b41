//! Clients that reset their connection in the middle of a request: nothing is cut in two, and nobody is locked out.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use shared_session_testkit::TestClock;
use shared_session_testkit::servers::RedisServer;

use crate::forwarder::Forwarder;
use crate::support::{self, Door, Stack, through_every_door};

through_every_door! {
    in_redis = std::convert::identity;
    {
        renewal_that_is_reset_leaves_the_old_id_alive
        sign_in_that_is_reset_at_any_moment_can_be_sent_again_at_once
        sign_in_that_is_reset_before_it_is_read_locks_nobody_out
    }
}

/// How long bytes take in each direction between the services and Redis. A request has four such ways: to its load and back,
/// to its change and back.
const WAY: Duration = Duration::from_millis(30);

/// Two services, with Redis some way off.
struct Distant {
    stack: Stack,
    forwarder: Forwarder,
    _redis: RedisServer,
}

impl Distant {
    fn start(door: Door) -> Self {
        let redis = RedisServer::start();
        let forwarder = Forwarder::start(redis.port());
        forwarder.delay(WAY);
        let backend = forwarder.backend(Duration::from_secs(10));
        Self {
            stack: Stack::over(door, backend, TestClock::default(), &support::settings()),
            forwarder,
            _redis: redis,
        }
    }

    fn send(&self, path: &str, cookie: &str) -> TcpStream {
        let address: SocketAddr = self.stack.address(0).trim_start_matches("http://").parse().unwrap();
        let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nCookie: sid={cookie}\r\nContent-Length: 0\r\n\r\n");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Sends a request and resets the connection this time after the service began to load the session.
    async fn send_and_reset(&self, path: &str, cookie: &str, after: Duration) {
        let before = self.forwarder.loads();
        let stream = self.send(path, cookie);
        while self.forwarder.loads() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(after).await;
        reset(stream);
    }
}

fn reset(stream: TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    stream.set_zero_linger().unwrap();
}

/// Moments before the reply to the change can arrive, whatever else delays it.
fn moments() -> impl Iterator<Item = Duration> {
    (0..8).map(|number| WAY / 2 * number)
}

async fn renewal_that_is_reset_leaves_the_old_id_alive(door: Door) {
    let distant = Distant::start(door);
    let stack = &distant.stack;
    for after in moments() {
        let cookie = stack.new_session("insert:a:1").await;
        distant.send_and_reset("/do/insert:b:1,renew", &cookie, after).await;
        tokio::time::sleep(WAY * 2).await;
        stack.sessions[0].drain().await;
        let fields = stack.fields(1, &cookie).await;
        assert_eq!(fields.get("a").map(String::as_str), Some("1"), "reset after {after:?}");
    }
}

const SIGN_IN: &str = "/do/insert:userid:7,renew";

async fn sign_in_that_is_reset_at_any_moment_can_be_sent_again_at_once(door: Door) {
    let distant = Distant::start(door);
    let stack = &distant.stack;
    // the first change of a user adds an entry to the index, which is two ways more
    for after in (0..16).map(|number| WAY / 2 * number) {
        let cookie = stack.new_session("insert:a:1").await;
        distant.send_and_reset(SIGN_IN, &cookie, after).await;
        let again = stack.send(1, SIGN_IN, Some(&cookie)).await;
        assert_eq!(again.status, 200, "reset after {after:?}: {}", again.body);
        stack.sessions[0].drain().await;
        let fields = stack.fields(0, &again.cookie.unwrap()).await;
        assert_eq!(fields["userid"], "7", "reset after {after:?}");
        assert_eq!(fields.get("a").map(String::as_str), Some("1"), "reset after {after:?}");
    }
}

/// actix takes a reset that it reads together with the request for a connection that is closed in one direction. So the
/// sign-in goes on, and may take over the session of the one that was sent again. Then the user signs in once more.
async fn sign_in_that_is_reset_before_it_is_read_locks_nobody_out(door: Door) {
    let distant = Distant::start(door);
    let stack = &distant.stack;
    let cookie = stack.new_session("insert:a:1").await;
    reset(distant.send(SIGN_IN, &cookie));
    let mut again = stack.send(1, SIGN_IN, Some(&cookie)).await;
    assert_eq!(again.status, 200, "{}", again.body);
    stack.sessions[0].drain().await;
    let id = again.cookie.clone().unwrap();
    if stack.fields(0, &id).await.is_empty() {
        again = stack.send(1, SIGN_IN, Some(&id)).await;
        assert_eq!(again.status, 200, "{}", again.body);
    }
    let fields = stack.fields(0, &again.cookie.unwrap()).await;
    assert_eq!(fields["userid"], "7");
    assert_eq!(fields.get("a").map(String::as_str), Some("1"));
}
