//! Requests that do not extend the idle timeout: a scope's, by an option of the door, and single ones, by a request extension.

use crate::support::{Stack, TestResponse, through_every_door};

const HOUR: i64 = 3_600_000;

through_every_door! {
    in_redis = crate::support::Stack::in_redis;
    { polling_request_takes_one_command_and_leaves_the_expiry_as_it_is }
}

async fn polling_request_takes_one_command_and_leaves_the_expiry_as_it_is(stack: Stack) {
    let redis = stack.redis.as_ref().unwrap();
    let cookie = stack.new_session("insert:a:1").await;
    let keys: Vec<String> = redis.run(&["KEYS", "session:*"]);
    let send = async |path: &str, extends: &str| {
        let () = redis.run(&["PEXPIRE", &keys[0], "60000"]);
        let () = redis.run(&["CONFIG", "RESETSTAT"]);
        let mut request = stack.request(0, path).header("cookie", format!("sid={cookie}"));
        if !extends.is_empty() {
            request = request.header("x-extends", extends);
        }
        assert_eq!(TestResponse::to(request).await.status, 200);
        let sent = [["getex"], ["evalsha"]].map(|names| redis.calls(&names));
        let expiry: i64 = redis.run(&["PTTL", &keys[0]]);
        (sent, expiry)
    };
    send("/poll/do/update:a", "").await; // loads the scripts
    for (path, asks, commands, extends) in [
        ("/get/a", "", [1, 0], true),
        ("/get/a", "true", [1, 0], true),
        ("/get/a", "false", [0, 1], false),
        ("/poll/get/a", "", [0, 1], false),
        ("/poll/get/a", "true", [1, 0], true),
        // a change extends in any case
        ("/do/update:a", "", [1, 1], true),
        ("/do/update:a", "false", [0, 2], true),
        ("/poll/do/update:a", "", [0, 2], true),
    ] {
        let (sent, expiry) = send(path, asks).await;
        assert_eq!(sent, commands, "{path} {asks}");
        let expected = if extends { HOUR - 10_000..=HOUR } else { 1..=60_000 };
        assert!(expected.contains(&expiry), "{path} {asks}: {expiry}");
    }
}
