//! The promises as a browser sees them: two real servers that share a store.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use shared_session::backend::memory::Memory;
use shared_session_testkit::TestClock;
use shared_session_testkit::faulty::{Fault, Faulty};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::{Door, Stack, TestResponse, settings, through_every_door};

through_every_door! {
    memory = crate::support::Stack::in_memory, redis = crate::support::Stack::in_redis;
    {
        concurrent_updates_all_take_effect
        slow_request_does_not_undo_a_log_out
        slow_renewal_does_not_undo_a_log_out
        renewal_takes_effect_in_every_service
        superseded_id_opens_nothing_and_still_logs_out
        change_beyond_the_maximum_size_is_refused
        renewal_keeps_changes_in_flight
        unknown_id_is_never_adopted
        request_without_state_stores_nothing
        error_responses_hide_internals
        every_response_varies_by_cookie
    }
}

through_every_door! {
    in_redis = crate::support::Stack::in_redis;
    { load_and_change_take_one_round_trip_each }
}

through_every_door! {
    over_a_store_that_fails = std::convert::identity;
    { failed_store_is_told_and_leaves_the_cookie }
}

/// Sends requests to both services in turn, 50 at the same time.
async fn send_all(stack: &Stack, paths: impl IntoIterator<Item = String>, cookie: &str) -> Vec<TestResponse> {
    let slots = Arc::new(Semaphore::new(50));
    let mut requests = JoinSet::new();
    for (number, path) in paths.into_iter().enumerate() {
        let request = stack.send(number, &path, Some(cookie));
        let slots = slots.clone();
        requests.spawn(async move {
            let _slot = slots.acquire().await.unwrap();
            request.await
        });
    }
    requests.join_all().await
}

fn assert_all_ok(responses: &[TestResponse]) {
    for response in responses {
        assert_eq!(response.status, StatusCode::OK, "{}", response.body);
    }
}

async fn concurrent_updates_all_take_effect(stack: Stack) {
    let cookie = stack.new_session("insert:first:0").await;
    let responses = send_all(
        &stack,
        (0..500).map(|number| format!("/do/insert:field{number}:1")),
        &cookie,
    )
    .await;
    assert_all_ok(&responses);
    for service in 0..2 {
        assert_eq!(stack.fields(service, &cookie).await.len(), 501);
    }
}

/// Asserts that the response to a slow request says that the session ended, and that the session is gone.
async fn assert_ended(stack: &Stack, slow: TestResponse, cookie: &str) {
    assert_eq!(slow.status, StatusCode::CONFLICT);
    assert!(
        slow.body.contains("ended while this request was in progress"),
        "{}",
        slow.body
    );
    assert_eq!(slow.set_cookie, None);
    for service in 0..2 {
        assert!(stack.fields(service, cookie).await.is_empty());
    }
}

async fn slow_request_does_not_undo_a_log_out(stack: Stack) {
    for ops in [
        "wait,insert:late:1",
        "insert:late:1,wait",
        "clear,wait",
        "wait,remove:userid",
    ] {
        let cookie = stack.new_session("insert:userid:1").await;
        let slow = tokio::spawn(stack.send(0, &format!("/do/{ops}"), Some(&cookie)));
        stack.gate.arrived().await;
        let log_out = stack.send(1, "/do/purge", Some(&cookie)).await;
        assert_eq!(log_out.status, 200);
        assert!(log_out.set_cookie.unwrap().contains("Max-Age=0"));
        stack.gate.open();
        assert_ended(&stack, slow.await.unwrap(), &cookie).await;
    }
    // a request that changed nothing loses nothing
    let cookie = stack.new_session("insert:userid:1").await;
    let slow = tokio::spawn(stack.send(0, "/do/wait", Some(&cookie)));
    stack.gate.arrived().await;
    stack.send(1, "/do/purge", Some(&cookie)).await;
    stack.gate.open();
    assert_eq!(slow.await.unwrap().status, 200);
}

async fn slow_renewal_does_not_undo_a_log_out(stack: Stack) {
    let cookie = stack.new_session("insert:userid:1").await;
    let slow = tokio::spawn(stack.send(0, "/do/renew,insert:userid:2,wait", Some(&cookie)));
    stack.gate.arrived().await;
    stack.send(1, "/do/purge", Some(&cookie)).await;
    stack.gate.open();
    assert_ended(&stack, slow.await.unwrap(), &cookie).await;

    // a slow log-out also destroys a session that was renewed in the meantime
    let cookie = stack.new_session("insert:userid:1").await;
    let slow = tokio::spawn(stack.send(0, "/do/purge,wait", Some(&cookie)));
    stack.gate.arrived().await;
    let renewed = stack.send(1, "/do/renew", Some(&cookie)).await.cookie.unwrap();
    stack.gate.open();
    assert_eq!(slow.await.unwrap().status, 200);
    for cookie in [cookie, renewed] {
        assert!(
            stack.fields(1, &cookie).await.is_empty(),
            "a renewed session survived the log-out"
        );
    }
}

async fn renewal_takes_effect_in_every_service(stack: Stack) {
    let old = stack.new_session("insert:a:1,insert:b:2").await;
    let renewed = stack.send(0, "/do/insert:b:3,renew,insert:c:4", Some(&old)).await;
    let new = renewed.cookie.unwrap();
    assert_ne!(new, old);
    for service in 0..2 {
        assert!(
            stack.fields(service, &old).await.is_empty(),
            "the old id is still valid"
        );
        let fields = stack.fields(service, &new).await;
        assert_eq!(
            (fields.len(), &*fields["a"], &*fields["b"], &*fields["c"]),
            (3, "1", "3", "4")
        );
    }
    // a change with the old id is refused for 30 seconds, and creates a new session after that
    let refused = stack.send(1, "/do/insert:x:1", Some(&old)).await;
    assert_eq!((refused.status, refused.set_cookie), (StatusCode::CONFLICT, None));
    stack.pass(Duration::from_secs(31));
    let fresh = stack.send(1, "/do/insert:x:1", Some(&old)).await.cookie.unwrap();
    assert!(![&old, &new].contains(&&fresh));
    assert_eq!(stack.fields(0, &new).await.len(), 3);
    // without a session, a renewal does nothing
    assert_eq!(stack.send(0, "/do/renew", None).await.set_cookie, None);
}

/// The old id in a request that was sent before the response of the renewal arrived.
async fn superseded_id_opens_nothing_and_still_logs_out(stack: Stack) {
    let old = stack.new_session("insert:a:1").await;
    let new = stack.send(0, "/do/renew", Some(&old)).await.cookie.unwrap();
    for operations in ["nothing", "renew", "remove:a", "clear"] {
        let response = stack.send(1, &format!("/do/{operations}"), Some(&old)).await;
        let expected = (StatusCode::OK, None);
        assert_eq!((response.status, response.set_cookie), expected, "{operations}");
    }
    for operations in [
        "insert:a:2",
        "insert:a:2,renew",
        "insert:userid:1",
        "insert:b:1,clear,insert:c:1",
    ] {
        let response = stack.send(1, &format!("/do/{operations}"), Some(&old)).await;
        let expected = (StatusCode::CONFLICT, None);
        assert_eq!((response.status, response.set_cookie), expected, "{operations}");
    }
    assert_eq!(stack.fields(0, &new).await["a"], "1");
    let log_out = stack.send(1, "/do/purge", Some(&old)).await;
    assert_eq!(log_out.status, StatusCode::OK);
    assert!(log_out.set_cookie.unwrap().contains("Max-Age=0"));
    for service in 0..2 {
        let fields = stack.fields(service, &new).await;
        assert!(fields.is_empty(), "a log-out left the renewed session");
    }
}

async fn change_beyond_the_maximum_size_is_refused(stack: Stack) {
    let cookie = stack.new_session("insert:a:1").await;
    // a URL holds less than 64 KiB
    let text = "x".repeat(60_000);
    for name in ["b", "c", "d", "e"] {
        let path = format!("/do/insert:{name}:%22{text}%22");
        assert_eq!(stack.send(0, &path, Some(&cookie)).await.status, StatusCode::OK);
    }
    for path in ["/do/insert:f:%22", "/do/renew,insert:f:%22"] {
        let response = stack.send(1, &format!("{path}{text}%22"), Some(&cookie)).await;
        let expected = (StatusCode::PAYLOAD_TOO_LARGE, None);
        assert_eq!((response.status, response.set_cookie), expected);
    }
    assert_eq!(stack.fields(0, &cookie).await.len(), 5);
}

async fn renewal_keeps_changes_in_flight(stack: Stack) {
    let old = stack.new_session("insert:a:1").await;
    let renewing = tokio::spawn(stack.send(0, "/do/renew,wait", Some(&old)));
    stack.gate.arrived().await;
    let late = tokio::spawn(stack.send(1, "/do/insert:late:1,wait", Some(&old)));
    stack.gate.arrived().await;
    assert_all_ok(&[stack.send(1, "/do/insert:meanwhile:1", Some(&old)).await]);
    stack.gate.open();
    let new = renewing.await.unwrap().cookie.unwrap();
    assert!(stack.fields(1, &old).await.is_empty());
    stack.gate.open();
    let late = late.await.unwrap();
    assert_eq!((late.status, late.set_cookie), (StatusCode::OK, None));
    let mut names: Vec<String> = stack.fields(0, &new).await.into_keys().collect();
    names.sort();
    assert_eq!(names, ["a", "late", "meanwhile"]);
    assert!(stack.fields(1, &old).await.is_empty());
}

async fn unknown_id_is_never_adopted(stack: Stack) {
    let expired = stack.new_session("insert:a:1").await;
    stack.pass(Duration::from_secs(3600));
    for id in [expired, "f".repeat(48)] {
        assert!(stack.fields(0, &id).await.is_empty());
        let fresh = stack.send(0, "/do/insert:b:1", Some(&id)).await.cookie.unwrap();
        assert_ne!(fresh, id);
        assert_eq!(stack.fields(1, &fresh).await.len(), 1);
        assert!(stack.fields(1, &id).await.is_empty());
        // a log-out does not reveal whether the session existed
        assert_eq!(stack.send(1, "/do/purge", Some(&id)).await.status, 200);
    }
}

/// Promise 5, also for invalid cookies.
async fn request_without_state_stores_nothing(stack: Stack) {
    let two = format!("{}; sid={}", "a".repeat(48), "b".repeat(48));
    let long = "x".repeat(8192);
    let none = stack.send(0, "/all", None).await;
    let bad = [
        "",
        "x",
        &long,
        &"A".repeat(48),
        &two,
        "\u{ed}\u{99}\u{8d}",
        "\"quoted\"",
        "a b",
    ];
    for response in [none].into_iter().chain(send_cookies(&stack, &bad).await) {
        assert_eq!(
            (response.status, &*response.body, response.set_cookie),
            (StatusCode::OK, "{}", None)
        );
    }
    for ops in [
        "nothing",
        "renew",
        "clear",
        "remove:a",
        "update:a",
        "insert:a:1,remove:a",
        "insert:a:1,clear",
        "purge",
    ] {
        let response = stack.send(1, &format!("/do/{ops}"), None).await;
        assert_eq!((response.status, response.set_cookie), (StatusCode::OK, None), "{ops}");
    }
    if let Some(redis) = &stack.redis {
        assert_eq!(redis.run::<u64>(&["DBSIZE"]), 0);
    }
}

async fn send_cookies(stack: &Stack, cookies: &[&str]) -> Vec<TestResponse> {
    let mut responses = Vec::new();
    for cookie in cookies {
        responses.push(stack.send(0, "/all", Some(cookie)).await);
    }
    responses
}

async fn error_responses_hide_internals(stack: Stack) {
    let cookie = stack.new_session("insert:a:1").await;
    let ask = |accept: &'static str| {
        let request = stack.request(0, "/do/insert:_session:1");
        let request = request.header("cookie", format!("sid={cookie}"));
        TestResponse::to(request.header("accept", accept))
    };
    let html = ask("text/html,application/xhtml+xml,*/*;q=0.8").await;
    assert_eq!(html.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(html.headers["content-type"], "text/html; charset=utf-8");
    for accept in [
        "application/problem+json",
        "application/json",
        "text/html;q=0.1, application/json",
    ] {
        let problem = ask(accept).await;
        assert_eq!(problem.headers["content-type"], "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&problem.body).unwrap();
        assert_eq!(problem["status"], 500);
        assert!(html.body.contains(problem["detail"].as_str().unwrap()));
    }
    for word in ["_session", "field", "redis", &cookie] {
        assert!(!html.body.contains(word), "{}", html.body);
    }
    assert_eq!(stack.fields(0, &cookie).await.len(), 1);
}

async fn every_response_varies_by_cookie(stack: Stack) {
    let live = stack.new_session("insert:a:1").await;
    let dead = "a".repeat(48);
    for (present, cookie, expected) in [
        // a shared cache must not give this page to a user with a session
        ("", None, vec!["Cookie"]),
        ("", Some(&dead), vec!["Cookie"]),
        ("accept", None, vec!["accept, Cookie"]),
        ("", Some(&live), vec!["Cookie"]),
        ("accept-encoding", Some(&live), vec!["accept-encoding, Cookie"]),
        (
            "accept, origin;range",
            Some(&live),
            vec!["accept, origin, range, Cookie"],
        ),
        ("accept, COOKIE", Some(&live), vec!["accept, COOKIE"]),
        ("accept;cookie", Some(&live), vec!["accept", "cookie"]),
        ("*", Some(&live), vec!["*"]),
    ] {
        let mut request = stack.request(0, "/do/nothing");
        for value in present.split(';').filter(|value| !value.is_empty()) {
            request = request.header("return-vary", value);
        }
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("sid={cookie}"));
        }
        let response = TestResponse::to(request).await;
        let vary: Vec<&str> = response
            .headers
            .get_all("vary")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!(vary, expected, "{present} with {cookie:?}");
    }
}

async fn failed_store_is_told_and_leaves_the_cookie(door: Door) {
    let clock = TestClock::default();
    let backend = Arc::new(Faulty::new(Arc::new(Memory::new(clock.clock())), Fault::Never));
    let stack = Stack::over(door, backend.clone(), clock, &settings());
    let cookie = stack.new_session("insert:a:1").await;
    let ask = |path: &str, accept: &str| {
        let request = stack.request(0, path).header("cookie", format!("sid={cookie}"));
        tokio::spawn(TestResponse::to(request.header("accept", accept)))
    };
    // the first request fails to store its change, the second one to load
    let stores = ask("/do/renew,insert:a:2,wait", "text/html");
    stack.gate.arrived().await;
    backend.set_unreachable(true);
    stack.gate.open();
    let loads = ask("/get/a", "application/json");
    for (response, content_type) in [
        (stores.await.unwrap(), "text/html; charset=utf-8"),
        (loads.await.unwrap(), "application/problem+json"),
    ] {
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.set_cookie, None);
        for (name, value) in [
            ("content-type", content_type),
            ("retry-after", "1"),
            ("cache-control", "no-store"),
            ("vary", "Cookie"),
        ] {
            assert_eq!(response.headers[name], value);
        }
        assert!(response.body.contains("You were not signed out"), "{}", response.body);
    }
    // a request without a session does not need the store
    assert_eq!(stack.send(1, "/get/a", None).await.status, StatusCode::OK);
    // nor does a handler's own error lose its status
    let refused = stack.send(0, "/revoke/7", None).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers["cache-control"], "no-store");
    assert_eq!(refused.headers["content-type"], "text/plain; charset=utf-8");
}

/// Promises 5 and 6.
async fn load_and_change_take_one_round_trip_each(stack: Stack) {
    let redis = stack.redis.as_ref().unwrap();
    let cookie = stack.new_session("insert:a:1").await;
    assert_all_ok(&[stack.send(0, "/do/insert:warm:1", Some(&cookie)).await]); // loads the script
    let count = async |path: &str, cookie: Option<&str>| {
        let () = redis.run(&["CONFIG", "RESETSTAT"]);
        for service in 0..10 {
            assert_eq!(stack.send(service, path, cookie).await.status, 200);
        }
        let [loads, scripts, creations] = [["getex"], ["evalsha"], ["set"]].map(|names| redis.calls(&names));
        assert_eq!(
            redis.calls(&[
                "eval", "del", "exists", "ttl", "pexpire", "expire", "multi", "watch", "getdel"
            ]),
            0
        );
        // SET is sent to create a session, and called by the script
        (loads, scripts, creations)
    };
    assert_eq!(count("/get/a", None).await, (0, 0, 0));
    assert_eq!(count("/do/nothing", Some("not an id")).await, (0, 0, 0));
    assert_eq!(count("/get/a", Some(&cookie)).await, (10, 0, 0));
    assert_eq!(
        count("/do/insert:a:1", Some(&cookie)).await,
        (10, 0, 0),
        "the field already had this value"
    );
    assert_eq!(count("/do/update:a", Some(&cookie)).await, (10, 10, 10));
    assert_eq!(count("/do/insert:a:1", None).await, (0, 0, 10));
}
