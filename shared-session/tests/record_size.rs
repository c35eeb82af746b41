//! What a signed-in session costs in Redis.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::Stack;

const CHROME: &[u8] =
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 \
Safari/537.36";

#[tokio::test(flavor = "multi_thread")]
async fn signed_in_session_takes_at_most_600_bytes() {
    let stack = Stack::in_redis();
    let redis = stack.redis.as_ref().unwrap();
    let visitor = stack.new_session("insert:draft:1").await;
    let sign_in = "/do/renew,insert:userid:%22kky%22,insert:username:%22%ED%99%8D%EA%B8%B8%EB%8F%99%22,remove:draft";
    let signed_in = stack.send_from(0, sign_in, Some(&visitor), CHROME).await;
    let cookie = signed_in.cookie.unwrap();

    let measure = |when: &str| {
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
    };
    let after_sign_in = measure("after the sign-in");
    // the next change forgets the superseded verifier
    stack.pass(Duration::from_secs(31));
    let changed = stack.send(1, "/do/insert:a:1", Some(&cookie)).await;
    assert_eq!(changed.status, 200);
    let changed = stack.send(1, "/do/remove:a", Some(&cookie)).await;
    assert_eq!(changed.status, 200);
    let later = measure("later");
    assert!(after_sign_in.max(later) <= 600, "{after_sign_in} bytes, later {later}");
}
