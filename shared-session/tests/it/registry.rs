//! The registry over HTTP: two real servers that share a store list and revoke the sessions of a user.

use reqwest::StatusCode;
use serde_json::Value;
use shared_session::Format;

use crate::support::{Door, Stack, settings, through_every_door};

through_every_door! {
    memory = crate::support::Stack::in_memory, redis = crate::support::Stack::in_redis, php = crate::registry::in_php;
    {
        sessions_are_listed_with_their_devices
        revoked_session_is_rejected_by_every_service
    }
}

through_every_door! {
    in_redis = crate::support::Stack::in_redis;
    { round_trips_of_signed_in_sessions_are_counted }
}

fn in_php(door: Door) -> Stack {
    Stack::with_settings(door, &settings().with_format(Format::Php))
}

/// Signs user 7 in at a service, from a device, and returns the cookie.
async fn sign_in(stack: &Stack, service: usize, device: &[u8]) -> String {
    let first = stack.send_from(service, "/do/insert:a:1", None, device).await;
    let renewed = stack.send_from(service, "/do/renew,insert:userid:7", first.cookie.as_deref(), device);
    renewed.await.cookie.unwrap()
}

/// Returns the sessions of user 7: device and whether it is the current session, and the handles.
async fn list(stack: &Stack, service: usize, cookie: Option<&str>) -> (Vec<(String, bool)>, Vec<String>) {
    let response = stack.send(service, "/sessions/7", cookie).await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.body);
    let sessions: Vec<Value> = serde_json::from_str(&response.body).unwrap();
    let text = |session: &Value, name: &str| session[name].as_str().unwrap_or_default().to_owned();
    let shown = sessions
        .iter()
        .map(|session| (text(session, "device"), session["current"] == true));
    let handles = sessions.iter().map(|session| text(session, "handle"));
    (shown.collect(), handles.collect())
}

fn this(device: &str) -> (String, bool) {
    (device.to_owned(), true)
}

fn other(device: &str) -> (String, bool) {
    (device.to_owned(), false)
}

async fn sessions_are_listed_with_their_devices(stack: Stack) {
    let one = sign_in(&stack, 0, b"Firefox").await;
    stack.pass(std::time::Duration::from_secs(1));
    let two = sign_in(&stack, 1, b"Chrome").await;
    for service in 0..2 {
        let seen = list(&stack, service, Some(&one)).await.0;
        assert_eq!(seen, [other("Chrome"), this("Firefox")]);
        let seen = list(&stack, service, Some(&two)).await.0;
        assert_eq!(seen, [this("Chrome"), other("Firefox")]);
        let seen = list(&stack, service, None).await.0;
        assert_eq!(seen, [other("Chrome"), other("Firefox")]);
    }
    let (_, handles) = list(&stack, 0, Some(&one)).await;
    assert!(
        handles
            .iter()
            .all(|handle| handle.len() == 43 && *handle != one && *handle != two)
    );
    // values that no browser sends
    stack.pass(std::time::Duration::from_secs(1));
    for (sent, kept) in [(&b"\xff Opera \xfe"[..], "\u{fffd} Opera \u{fffd}"), (b"", "")] {
        let cookie = sign_in(&stack, 0, sent).await;
        let seen = list(&stack, 1, Some(&cookie)).await.0;
        assert!(seen.contains(&this(kept)), "{seen:?}");
        stack.send(0, "/do/purge", Some(&cookie)).await;
    }
}

async fn revoked_session_is_rejected_by_every_service(stack: Stack) {
    let one = sign_in(&stack, 0, b"Firefox").await;
    stack.pass(std::time::Duration::from_secs(1));
    let two = sign_in(&stack, 1, b"Chrome").await;
    let slow = tokio::spawn(stack.send(0, "/do/insert:late:1,wait", Some(&two)));
    stack.gate.arrived().await;
    let (_, handles) = list(&stack, 0, Some(&one)).await;
    for wrong in ["no-handle", &"A".repeat(43)] {
        let response = stack.send(0, &format!("/revoke/7/{wrong}"), Some(&one)).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND);
    }
    let response = stack.send(0, &format!("/revoke/7/{}", handles[0]), Some(&one)).await;
    assert_eq!((response.status, &*response.body), (StatusCode::OK, "1"));
    for service in 0..2 {
        assert!(
            stack.fields(service, &two).await.is_empty(),
            "a revoked session is still valid"
        );
        assert_eq!(stack.fields(service, &one).await["userid"], "7");
    }
    stack.gate.open();
    let slow = slow.await.unwrap();
    assert_eq!((slow.status, slow.set_cookie), (StatusCode::CONFLICT, None));
    assert!(stack.fields(1, &two).await.is_empty());
    assert_eq!(list(&stack, 1, Some(&one)).await.0, [this("Firefox")]);
    let all = stack.send(1, "/revoke/7", Some(&one)).await;
    assert_eq!((all.status, &*all.body), (StatusCode::OK, "1"));
    assert!(stack.fields(0, &one).await.is_empty());
}

async fn round_trips_of_signed_in_sessions_are_counted(stack: Stack) {
    let redis = stack.redis.as_ref().unwrap();
    for service in 0..2 {
        // loads the scripts
        let cookie = sign_in(&stack, service, b"warm").await;
        list(&stack, service, Some(&cookie)).await;
        stack.send(service, "/do/purge", Some(&cookie)).await;
    }
    let commands = [
        "get", "getex", "evalsha", "eval", "zrem", "zrange", "pttl", "del", "expire", "pexpire",
    ];
    let count = async |path: &str, cookie: Option<&str>| {
        let () = redis.run(&["CONFIG", "RESETSTAT"]);
        let response = stack.send(0, path, cookie).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.body);
        // commands that scripts call are counted too, so only these names are round trips
        let counts = ["getex", "evalsha", "zrem"].map(|name| redis.calls(&[name]));
        assert_eq!(redis.calls(&["eval"]), 0);
        assert!(redis.calls(&commands) > 0);
        (response, counts)
    };
    let cookie = stack.new_session("insert:a:1").await;
    let (response, counts) = count("/do/renew,insert:userid:7", Some(&cookie)).await;
    assert_eq!(counts, [1, 2, 0], "a sign-in: load, index, replacement");
    let cookie = response.cookie.unwrap();
    assert_eq!(count("/get/a", Some(&cookie)).await.1, [1, 0, 0], "a read");
    assert_eq!(count("/do/insert:a:2", Some(&cookie)).await.1, [1, 1, 0], "a change");
    for _ in 0..4 {
        sign_in(&stack, 1, b"elsewhere").await;
    }
    assert_eq!(count("/sessions/7", Some(&cookie)).await.1, [1, 5, 0], "a list of five");
    assert_eq!(redis.calls(&["zrange"]), 1);
    assert_eq!(count("/do/purge", Some(&cookie)).await.1, [1, 1, 1], "a log-out");
}
