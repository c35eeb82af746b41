//! The database over a connection that hangs: a lost host closes no connection, but a new connection works.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use actix_web::web::{self, ServiceConfig};
use service_kit::Resources;
use service_kit::database::Database;
use service_kit::testing::{Running, SERVICE, browser};
use shared_session_testkit::servers::RedisServer;

/// Starts a proxy before Redis. After `hang` is set, the open connections pass on nothing; new ones work.
fn proxy(redis: &RedisServer, hang: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, redis) = (listener.local_addr().unwrap().port(), redis.port());
    thread::spawn(move || {
        for near in listener.incoming() {
            let near = near.unwrap();
            let far = TcpStream::connect(("127.0.0.1", redis)).unwrap();
            hang.store(false, Ordering::SeqCst);
            let alive = Arc::new(AtomicBool::new(true));
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let (hang, alive) = (hang.clone(), alive.clone());
                thread::spawn(move || pass(from, to, &hang, &alive));
            }
        }
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream, hang: &AtomicBool, alive: &AtomicBool) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if hang.load(Ordering::SeqCst) {
            alive.store(false, Ordering::SeqCst);
        }
        if alive.load(Ordering::SeqCst) {
            to.write_all(&bytes[..read]).unwrap();
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn routes(resources: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    let Database::Redis(redis) = resources.database.clone() else {
        panic!("the settings name a Redis");
    };
    move |config| {
        let redis = redis.clone();
        let ping = move || {
            let redis = redis.clone();
            async move { redis.run::<String>(&redis::cmd("PING")).await }
        };
        config.route("/test/ping", web::get().to(ping));
    }
}

#[actix_web::test]
async fn hanging_connection_is_replaced() {
    let (redis, hang) = (RedisServer::start(), Arc::new(AtomicBool::new(false)));
    let url = format!("redis://127.0.0.1:{}", proxy(&redis, hang.clone()));
    let server = Running::start(
        &SERVICE,
        routes,
        &["--session-store", &url, "--session-store-timeout", "200ms"],
    );
    // one client: its connection stays with one worker, and each worker has its own connection to Redis
    let browser = browser();
    let ping = async || browser.get(server.url("/test/ping")).send().await.unwrap().status();
    assert_eq!(ping().await, 200);
    for _ in 0..2 {
        hang.store(true, Ordering::SeqCst);
        assert_eq!(ping().await, 503);
        assert_eq!(ping().await, 200, "no new connection was opened");
    }
}
