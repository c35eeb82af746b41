//! What `CurrentSession` says about the session of a request, with a clock that the test moves.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Door, Stack, settings, through_every_door};

through_every_door! {
    in_memory = std::convert::identity;
    { current_session_tells_its_times_and_its_size }
}

async fn current_session_tells_its_times_and_its_size(door: Door) {
    let settings = settings().with_ttl(Duration::from_secs(600)).unwrap();
    let stack = Stack::with_settings(door, &settings.with_lifetime(Duration::from_secs(1000)).unwrap());
    let start = u64::try_from(stack.clock.clock().now().as_millis()).unwrap();
    let show = async |path: &str, cookie: Option<&str>| {
        let shown: Value = serde_json::from_str(&stack.send(0, path, cookie).await.body).unwrap();
        let times = shown["times"].as_array().unwrap().iter();
        let seconds: Vec<Option<u64>> = times.map(|time| Some((time.as_u64()? - start) / 1000)).collect();
        json!([seconds, shown["size"].as_u64().map(|size| size > 50)])
    };
    assert_eq!(show("/current", None).await, json!([[null, null, null], null]));
    let created = stack.new_session("insert:a:1").await;
    stack.pass(Duration::from_secs(100));
    assert_eq!(show("/current", Some(&created)).await, json!([[0, 700, 1000], true]));
    assert_eq!(
        show("/poll/current", Some(&created)).await,
        json!([[0, null, 1000], true])
    );
    // a sign-in begins the lifetime anew
    let sign_in = stack.send(0, "/do/insert:userid:7,renew", Some(&created));
    let signed_in = sign_in.await.cookie.unwrap();
    stack.pass(Duration::from_secs(500));
    // the lifetime ends before the idle timeout
    assert_eq!(show("/current", Some(&signed_in)).await, json!([[0, 1100, 1100], true]));
}
