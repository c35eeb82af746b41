//! The contract as a visitor sees it: two real servers on one store.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use support::{Answer, Stack};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Makes a test of each function, on memory and on Redis.
macro_rules! on_every_store {
    ($($name:ident)+) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Stack::in_memory()).await; })+
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Stack::in_redis()).await; })+
        }
    };
}

on_every_store! {
    five_hundred_updates_are_all_there
    removals_and_additions_at_once
    one_field_set_by_all
    a_log_out_beats_a_slow_request
    a_log_out_beats_a_slow_renewal
    an_expiry_beats_a_slow_request
    renewal_is_seen_everywhere
    superseded_id_opens_nothing_and_still_logs_out
    session_that_would_be_too_large_is_refused
    what_is_under_way_during_a_renewal_is_kept
    a_hundred_renewals_leave_one_session
    foreign_ids_get_fresh_ones
    idle_and_absolute_expiry
    a_visit_without_state_leaves_nothing
    errors_say_nothing_internal
}

/// Sends requests to both services in turn, 50 at a time.
async fn send_all(stack: &Stack, paths: impl IntoIterator<Item = String>, cookie: &str) -> Vec<Answer> {
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

fn all_done(answers: &[Answer]) {
    for answer in answers {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
}

async fn five_hundred_updates_are_all_there(stack: Stack) {
    let cookie = stack.visitor("insert:first:0").await;
    let answers = send_all(
        &stack,
        (0..500).map(|number| format!("/do/insert:field{number}:1")),
        &cookie,
    )
    .await;
    all_done(&answers);
    for service in 0..2 {
        assert_eq!(stack.all(service, &cookie).await.len(), 501);
    }
}

async fn removals_and_additions_at_once(stack: Stack) {
    let twenty: Vec<String> = (0..20).map(|number| format!("insert:old{number}:1")).collect();
    let cookie = stack.visitor(&twenty.join(",")).await;
    let paths = (0..20).flat_map(|number| [format!("/do/remove:old{number}"), format!("/do/insert:new{number}:1")]);
    all_done(&send_all(&stack, paths, &cookie).await);
    let mut names: Vec<String> = stack.all(1, &cookie).await.into_keys().collect();
    names.sort();
    let mut expected: Vec<String> = (0..20).map(|number| format!("new{number}")).collect();
    expected.sort();
    assert_eq!(names, expected);
}

async fn one_field_set_by_all(stack: Stack) {
    let cookie = stack.visitor("insert:count:0").await;
    all_done(
        &send_all(
            &stack,
            (1..=200).map(|number| format!("/do/insert:count:{number}")),
            &cookie,
        )
        .await,
    );
    let count: u64 = stack.all(0, &cookie).await["count"].parse().unwrap();
    assert!((1..=200).contains(&count));
    all_done(&[stack.send(1, "/do/insert:count:1000", Some(&cookie)).await]);
    assert_eq!(stack.all(0, &cookie).await["count"], "1000");
}

/// A session that ended while a request was under way: the request is told, and nothing shows a session.
async fn the_slow_request_lost(stack: &Stack, slow: Answer, cookie: &str) {
    assert_eq!(slow.status, StatusCode::CONFLICT);
    assert!(
        slow.body.contains("ended while this request was under way"),
        "{}",
        slow.body
    );
    assert_eq!(slow.set_cookie, None);
    for service in 0..2 {
        assert!(stack.all(service, cookie).await.is_empty());
    }
}

async fn a_log_out_beats_a_slow_request(stack: Stack) {
    for ops in [
        "wait,insert:late:1",
        "insert:late:1,wait",
        "clear,wait",
        "wait,remove:userid",
    ] {
        let cookie = stack.visitor("insert:userid:1").await;
        let slow = tokio::spawn(stack.send(0, &format!("/do/{ops}"), Some(&cookie)));
        stack.gate.arrived().await;
        let log_out = stack.send(1, "/do/purge", Some(&cookie)).await;
        assert_eq!(log_out.status, 200);
        assert!(log_out.set_cookie.unwrap().contains("Max-Age=0"));
        stack.gate.open();
        the_slow_request_lost(&stack, slow.await.unwrap(), &cookie).await;
    }
    // a request that changed nothing has lost nothing
    let cookie = stack.visitor("insert:userid:1").await;
    let slow = tokio::spawn(stack.send(0, "/do/wait", Some(&cookie)));
    stack.gate.arrived().await;
    stack.send(1, "/do/purge", Some(&cookie)).await;
    stack.gate.open();
    assert_eq!(slow.await.unwrap().status, 200);
}

async fn a_log_out_beats_a_slow_renewal(stack: Stack) {
    let cookie = stack.visitor("insert:userid:1").await;
    let slow = tokio::spawn(stack.send(0, "/do/renew,insert:userid:2,wait", Some(&cookie)));
    stack.gate.arrived().await;
    stack.send(1, "/do/purge", Some(&cookie)).await;
    stack.gate.open();
    the_slow_request_lost(&stack, slow.await.unwrap(), &cookie).await;

    // and a slow log-out ends the session that was renewed meanwhile
    let cookie = stack.visitor("insert:userid:1").await;
    let slow = tokio::spawn(stack.send(0, "/do/purge,wait", Some(&cookie)));
    stack.gate.arrived().await;
    let renewed = stack.send(1, "/do/renew", Some(&cookie)).await.cookie.unwrap();
    stack.gate.open();
    assert_eq!(slow.await.unwrap().status, 200);
    for cookie in [cookie, renewed] {
        assert!(
            stack.all(1, &cookie).await.is_empty(),
            "a log-out left a renewed session"
        );
    }
}

async fn an_expiry_beats_a_slow_request(stack: Stack) {
    let cookie = stack.visitor("insert:userid:1").await;
    let slow = tokio::spawn(stack.send(0, "/do/insert:late:1,wait", Some(&cookie)));
    stack.gate.arrived().await;
    stack.pass(Duration::from_secs(3600));
    stack.gate.open();
    the_slow_request_lost(&stack, slow.await.unwrap(), &cookie).await;
}

async fn renewal_is_seen_everywhere(stack: Stack) {
    let old = stack.visitor("insert:a:1,insert:b:2").await;
    let renewed = stack.send(0, "/do/insert:b:3,renew,insert:c:4", Some(&old)).await;
    let new = renewed.cookie.unwrap();
    assert_ne!(new, old);
    for service in 0..2 {
        assert!(stack.all(service, &old).await.is_empty(), "the old id is alive");
        let fields = stack.all(service, &new).await;
        assert_eq!(
            (fields.len(), &*fields["a"], &*fields["b"], &*fields["c"]),
            (3, "1", "3", "4")
        );
    }
    // a change with the old id is refused at first, and begins a session of its own after 30 seconds
    let refused = stack.send(1, "/do/insert:x:1", Some(&old)).await;
    assert_eq!((refused.status, refused.set_cookie), (StatusCode::CONFLICT, None));
    stack.pass(Duration::from_secs(31));
    let fresh = stack.send(1, "/do/insert:x:1", Some(&old)).await.cookie.unwrap();
    assert!(![&old, &new].contains(&&fresh));
    assert_eq!(stack.all(0, &new).await.len(), 3);
    // a renewal of nothing is nothing
    assert_eq!(stack.send(0, "/do/renew", None).await.set_cookie, None);
}

/// The id in a request that was sent before the response of a renewal arrived.
async fn superseded_id_opens_nothing_and_still_logs_out(stack: Stack) {
    let old = stack.visitor("insert:a:1").await;
    let new = stack.send(0, "/do/renew", Some(&old)).await.cookie.unwrap();
    for ops in ["nothing", "renew", "remove:a"] {
        let answer = stack.send(1, &format!("/do/{ops}"), Some(&old)).await;
        assert_eq!((answer.status, answer.set_cookie), (StatusCode::OK, None), "{ops}");
    }
    for ops in ["insert:a:2", "renew,insert:userid:1"] {
        let answer = stack.send(1, &format!("/do/{ops}"), Some(&old)).await;
        assert_eq!(
            (answer.status, answer.set_cookie),
            (StatusCode::CONFLICT, None),
            "{ops}"
        );
    }
    assert_eq!(stack.all(0, &new).await["a"], "1");
    let log_out = stack.send(1, "/do/purge", Some(&old)).await;
    assert_eq!(log_out.status, StatusCode::OK);
    assert!(log_out.set_cookie.unwrap().contains("Max-Age=0"));
    for service in 0..2 {
        assert!(
            stack.all(service, &new).await.is_empty(),
            "a log-out left the renewed session"
        );
    }
}

async fn session_that_would_be_too_large_is_refused(stack: Stack) {
    let cookie = stack.visitor("insert:a:1").await;
    // an address holds less than 64 KiB
    let text = "x".repeat(60_000);
    for name in ["b", "c", "d", "e"] {
        let answer = stack
            .send(0, &format!("/do/insert:{name}:%22{text}%22"), Some(&cookie))
            .await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    for path in ["/do/insert:f:%22", "/do/renew,insert:f:%22"] {
        let answer = stack.send(1, &format!("{path}{text}%22"), Some(&cookie)).await;
        assert_eq!(
            (answer.status, answer.set_cookie),
            (StatusCode::PAYLOAD_TOO_LARGE, None)
        );
    }
    assert_eq!(stack.all(0, &cookie).await.len(), 5);
}

async fn what_is_under_way_during_a_renewal_is_kept(stack: Stack) {
    let old = stack.visitor("insert:a:1").await;
    let renewing = tokio::spawn(stack.send(0, "/do/renew,wait", Some(&old)));
    stack.gate.arrived().await;
    let late = tokio::spawn(stack.send(1, "/do/insert:late:1,wait", Some(&old)));
    stack.gate.arrived().await;
    all_done(&[stack.send(1, "/do/insert:meanwhile:1", Some(&old)).await]);
    stack.gate.open();
    let new = renewing.await.unwrap().cookie.unwrap();
    assert!(stack.all(1, &old).await.is_empty());
    stack.gate.open();
    let late = late.await.unwrap();
    assert_eq!((late.status, late.set_cookie), (StatusCode::OK, None));
    let mut names: Vec<String> = stack.all(0, &new).await.into_keys().collect();
    names.sort();
    assert_eq!(names, ["a", "late", "meanwhile"]);
    assert!(stack.all(1, &old).await.is_empty());
}

async fn a_hundred_renewals_leave_one_session(stack: Stack) {
    let old = stack.visitor("insert:a:1").await;
    let mut slow = JoinSet::new();
    for number in 0..100 {
        slow.spawn(stack.send(number, &format!("/do/insert:field{number}:1,renew,wait"), Some(&old)));
    }
    for _ in 0..100 {
        stack.gate.arrived().await;
    }
    for _ in 0..100 {
        stack.gate.open();
    }
    let answers = slow.join_all().await;
    all_done(&answers);
    let cookies: Vec<&String> = answers.iter().filter_map(|answer| answer.cookie.as_ref()).collect();
    assert_eq!(cookies.len(), 1, "one renewal wins, and it alone has the id");
    assert_eq!(stack.all(1, cookies[0]).await.len(), 101);
    assert!(stack.all(0, &old).await.is_empty());
}

async fn foreign_ids_get_fresh_ones(stack: Stack) {
    let expired = stack.visitor("insert:a:1").await;
    stack.pass(Duration::from_secs(3600));
    for id in [expired, "f".repeat(40)] {
        assert!(stack.all(0, &id).await.is_empty());
        let fresh = stack.send(0, "/do/insert:b:1", Some(&id)).await.cookie.unwrap();
        assert_ne!(fresh, id);
        assert_eq!(stack.all(1, &fresh).await.len(), 1);
        assert!(stack.all(1, &id).await.is_empty());
        // nor does a log-out say whether there was a session
        assert_eq!(stack.send(1, "/do/purge", Some(&id)).await.status, 200);
    }
}

async fn idle_and_absolute_expiry(stack: Stack) {
    let cookie = stack.visitor("insert:a:1").await;
    for _ in 0..23 {
        stack.pass(Duration::from_secs(3590));
        assert_eq!(stack.all(1, &cookie).await.len(), 1, "a session in use expired");
    }
    stack.pass(Duration::from_secs(3590));
    let renewed = stack.send(0, "/do/renew", Some(&cookie)).await.cookie.unwrap();
    assert_eq!(stack.all(1, &renewed).await.len(), 1);
    stack.pass(Duration::from_secs(24 * 10));
    assert!(
        stack.all(0, &renewed).await.is_empty(),
        "a session outlived its lifetime"
    );
    let idle = stack.visitor("insert:a:1").await;
    stack.pass(Duration::from_secs(3600));
    assert!(stack.all(0, &idle).await.is_empty(), "an idle session lives");
}

/// Promise 5, and cookies that are none: without a session, and nothing is written.
async fn a_visit_without_state_leaves_nothing(stack: Stack) {
    let two = format!("{}; sid={}", "a".repeat(40), "b".repeat(40));
    let long = "x".repeat(8192);
    let none = stack.send(0, "/all", None).await;
    let bad = [
        "",
        "x",
        &long,
        &"A".repeat(40),
        &two,
        "\u{ed}\u{99}\u{8d}",
        "\"quoted\"",
        "a b",
    ];
    for answer in [none].into_iter().chain(futures(&stack, &bad).await) {
        assert_eq!(
            (answer.status, &*answer.body, answer.set_cookie),
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
        let answer = stack.send(1, &format!("/do/{ops}"), None).await;
        assert_eq!((answer.status, answer.set_cookie), (StatusCode::OK, None), "{ops}");
    }
    if let Some(redis) = &stack.redis {
        assert_eq!(redis.run::<u64>(&["DBSIZE"]), 0);
    }
}

async fn futures(stack: &Stack, cookies: &[&str]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for cookie in cookies {
        answers.push(stack.send(0, "/all", Some(cookie)).await);
    }
    answers
}

async fn errors_say_nothing_internal(stack: Stack) {
    let cookie = stack.visitor("insert:a:1").await;
    let ask = |accept: &'static str| {
        let request = reqwest::Client::new().post(format!("{}/do/insert:_session:1", stack.address(0)));
        let request = request
            .header("cookie", format!("sid={cookie}"))
            .header("accept", accept);
        async move { Answer::read(request.send().await.unwrap()).await }
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
    assert_eq!(stack.all(0, &cookie).await.len(), 1);
}

/// A change takes two round trips, a visit one, and an untouched visit without a cookie none.
#[tokio::test(flavor = "multi_thread")]
async fn round_trips_are_counted() {
    let stack = Stack::in_redis();
    let redis = stack.redis.as_ref().unwrap();
    let cookie = stack.visitor("insert:a:1").await;
    all_done(&[stack.send(0, "/do/insert:warm:1", Some(&cookie)).await]); // the script is known from here on
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
        // SET is called by the script, and directly to create
        (loads, scripts, creations)
    };
    assert_eq!(count("/all", None).await, (0, 0, 0));
    assert_eq!(count("/do/nothing", Some("not an id")).await, (0, 0, 0));
    assert_eq!(count("/all", Some(&cookie)).await, (10, 0, 0));
    assert_eq!(
        count("/do/insert:a:1", Some(&cookie)).await,
        (10, 0, 0),
        "a field was set to what it held"
    );
    assert_eq!(count("/do/update:a", Some(&cookie)).await, (10, 10, 10));
    assert_eq!(count("/do/insert:a:1", None).await, (0, 0, 10));
}
