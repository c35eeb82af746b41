//! What a signed-in session costs in Redis.

use std::time::Duration;

use shared_session_testkit::servers::RedisServer;

use crate::support::{Door, Stack};

/// The user agents of Chrome on Windows and on macOS.
const CHROME: [&str; 2] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
];

/// Returns the memory that all keys take, and prints what they hold.
fn measure(redis: &RedisServer, when: &str) -> u64 {
    let keys: Vec<String> = redis.run(&["KEYS", "*"]);
    assert_eq!(keys.len(), 2, "{keys:?}");
    let mut total = 0;
    for key in &keys {
        let bytes: u64 = redis.run(&["MEMORY", "USAGE", key]);
        println!("{when}: {bytes} bytes under {key}");
        if !key.contains("index") {
            println!("{}", redis.run::<String>(&["GET", key]));
        }
        total += bytes;
    }
    println!("{when}: {total} bytes");
    total
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_in_session_takes_at_most_600_bytes() {
    let sign_in = "/do/renew,insert:userid:%22kky%22,insert:username:%22%ED%99%8D%EA%B8%B8%EB%8F%99%22,remove:draft";
    for device in CHROME {
        let stack = Stack::in_redis(Door::Actix);
        let redis = stack.redis.as_ref().unwrap();
        let signed_out = stack.new_session("insert:draft:1").await;
        let signed_in = stack.send_from(0, sign_in, Some(&signed_out), device.as_bytes()).await;
        let cookie = signed_in.cookie.unwrap();
        assert!(measure(redis, "after the sign-in") <= 600);
        // the next change forgets the superseded verifier
        stack.pass(Duration::from_secs(31));
        for ops in ["insert:a:1", "remove:a"] {
            assert_eq!(stack.send(1, &format!("/do/{ops}"), Some(&cookie)).await.status, 200);
        }
        assert!(measure(redis, "30 s later") <= 600);
    }
}
