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
    }
}

/// How long bytes take in each direction between the services and Redis. A request has four such ways: to its load and back,
/// to its change and back.
const WAY: Duration = Duration::from_millis(30);

/// Sends a request and resets the connection after this time.
async fn reset(stack: &Stack, path: &str, cookie: &str, after: Duration) {
    let address: SocketAddr = stack.address(0).trim_start_matches("http://").parse().unwrap();
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nCookie: sid={cookie}\r\nContent-Length: 0\r\n\r\n");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    tokio::time::sleep(after).await;
    let stream = tokio::net::TcpStream::from_std({
        stream.set_nonblocking(true).unwrap();
        stream
    });
    stream.unwrap().set_zero_linger().unwrap();
}

/// Two services with Redis some way off.
fn stack(door: Door) -> (Stack, RedisServer) {
    let redis = RedisServer::start();
    let forwarder = Forwarder::start(redis.port());
    forwarder.delay(WAY);
    let backend = forwarder.backend(Duration::from_secs(10));
    (
        Stack::over(door, backend, TestClock::default(), &support::settings()),
        redis,
    )
}

/// Moments before the reply to the change can arrive, whatever else delays it.
fn moments() -> impl Iterator<Item = Duration> {
    (0..8).map(|number| WAY / 2 * number)
}

async fn renewal_that_is_reset_leaves_the_old_id_alive(door: Door) {
    let (stack, _redis) = stack(door);
    for after in moments() {
        let cookie = stack.new_session("insert:a:1").await;
        reset(&stack, "/do/insert:b:1,renew", &cookie, after).await;
        tokio::time::sleep(WAY * 2).await;
        stack.sessions[0].drain().await;
        let fields = stack.fields(1, &cookie).await;
        assert_eq!(fields.get("a").map(String::as_str), Some("1"), "reset after {after:?}");
    }
}

async fn sign_in_that_is_reset_at_any_moment_can_be_sent_again_at_once(door: Door) {
    let (stack, _redis) = stack(door);
    // the first change of a user adds an entry to the index, which is two ways more
    for after in (0..16).map(|number| WAY / 2 * number) {
        let cookie = stack.new_session("insert:a:1").await;
        let sign_in = "/do/insert:userid:7,renew";
        reset(&stack, sign_in, &cookie, after).await;
        let mut again = stack.send(1, sign_in, Some(&cookie)).await;
        stack.sessions[0].drain().await;
        let id = again.cookie.clone().unwrap_or_default();
        if stack.fields(0, &id).await.is_empty() {
            // actix takes a reset that it reads together with the request for a half-closed connection, and goes on: that
            // sign-in may be the later one, and the user signs in once more
            again = stack.send(1, sign_in, Some(&id)).await;
        }
        assert_eq!(again.status, 200, "reset after {after:?}: {}", again.body);
        let fields = stack.fields(0, &again.cookie.unwrap()).await;
        assert_eq!(fields["userid"], "7", "reset after {after:?}");
        assert_eq!(fields.get("a").map(String::as_str), Some("1"), "reset after {after:?}");
    }
}
