//! Requests with a superseded cookie, and requests with several cookies of the session's name.

use std::time::Duration;

use reqwest::StatusCode;

use crate::support::{Stack, TestResponse};

/// Sends a request with this `Cookie` header.
async fn send(stack: &Stack, path: &str, cookies: &str) -> TestResponse {
    let client = reqwest::Client::new();
    let url = format!("{}{path}", stack.address(0));
    let request = if path == "/all" {
        client.get(url)
    } else {
        client.post(url)
    };
    TestResponse::read(request.header("cookie", cookies).send().await.unwrap()).await
}

/// Returns the keys in the store.
fn keys(stack: &Stack) -> Vec<String> {
    let mut keys: Vec<String> = stack.redis.as_ref().unwrap().run(&["KEYS", "*"]);
    keys.sort();
    keys
}

/// Asserts that a request is served without a session, and that it changes neither the cookie nor the store.
async fn assert_no_session(stack: &Stack, cookies: &str) {
    let before = keys(stack);
    let response = send(stack, "/all", cookies).await;
    assert_eq!(
        (response.status, &*response.body, response.set_cookie),
        (StatusCode::OK, "{}", None),
        "{cookies}"
    );
    assert_eq!(keys(stack), before);
}

/// Asserts that a request reads the session that holds `a`.
async fn assert_session(stack: &Stack, cookies: &str) {
    let response = send(stack, "/all", cookies).await;
    assert_eq!(
        (response.status, &*response.body, response.set_cookie),
        (StatusCode::OK, r#"{"a":"1"}"#, None),
        "{cookies}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn change_with_a_superseded_cookie_is_refused() {
    let stack = Stack::in_redis();
    let old = stack.new_session("insert:a:1").await;
    let new = stack.send(0, "/do/renew", Some(&old)).await.cookie.unwrap();
    let before = keys(&stack);
    for service in 0..2 {
        for ops in [
            "insert:late:1",
            "insert:late:1,renew",
            "insert:userid:1",
            "insert:b:1,clear,insert:c:1",
        ] {
            let response = stack.send(service, &format!("/do/{ops}"), Some(&old)).await;
            assert_eq!(
                (response.status, response.set_cookie),
                (StatusCode::CONFLICT, None),
                "{ops}"
            );
            assert_eq!(keys(&stack), before, "{ops} created a key");
        }
        // without a change there is nothing to refuse
        for ops in ["nothing", "renew", "remove:a", "clear"] {
            let response = stack.send(service, &format!("/do/{ops}"), Some(&old)).await;
            assert_eq!((response.status, response.set_cookie), (StatusCode::OK, None), "{ops}");
        }
        assert_no_session(&stack, &format!("sid={old}")).await;
        assert_session(&stack, &format!("sid={new}")).await;
    }
    // a sign-in is not refused, and does not see the session
    let signed_in = stack.send(0, "/do/insert:userid:1,renew", Some(&old)).await;
    assert_eq!(signed_in.status, StatusCode::OK);
    let own = stack.fields(1, &signed_in.cookie.unwrap()).await;
    assert_eq!(
        own.into_iter().collect::<Vec<_>>(),
        [("userid".to_owned(), "1".to_owned())]
    );
    assert_session(&stack, &format!("sid={new}")).await;
    // later, it is an id like any other that leads nowhere
    stack.pass(Duration::from_secs(31));
    assert_no_session(&stack, &format!("sid={old}")).await;
    let fresh = stack.send(0, "/do/insert:b:1", Some(&old)).await;
    assert!(fresh.status == StatusCode::OK && fresh.cookie.is_some());
    assert_session(&stack, &format!("sid={new}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn log_out_with_a_superseded_cookie_ends_the_session() {
    let stack = Stack::in_redis();
    for renewals in 1..=3 {
        let first = stack.new_session("insert:userid:1").await;
        let mut current = first.clone();
        for service in 0..renewals {
            current = stack.send(service, "/do/renew", Some(&current)).await.cookie.unwrap();
        }
        let log_out = stack.send(1, "/do/purge", Some(&first)).await;
        assert_eq!(log_out.status, StatusCode::OK);
        assert!(log_out.set_cookie.unwrap().contains("Max-Age=0"));
        assert_no_session(&stack, &format!("sid={current}")).await;
        assert_eq!(keys(&stack), [""; 0], "the session or its index was left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_session_is_found_among_other_cookies() {
    let stack = Stack::in_redis();
    let expired = stack.new_session("insert:b:1").await;
    stack.pass(Duration::from_secs(3600));
    let superseded = stack.new_session("insert:a:1").await;
    let live = stack.send(0, "/do/renew", Some(&superseded)).await.cookie.unwrap();
    let unknown = "0".repeat(48);
    for cookies in [
        format!("sid={live}; sid={live}"),
        format!("sid=garbage; sid={live}"),
        format!("sid={live}; sid="),
        format!("sid={live}; sid={}; sid={}", "x".repeat(47), "X".repeat(48)),
        format!("sid={expired}; sid={live}"),
        format!("sid={live}; sid={expired}"),
        format!("sid={superseded}; sid={live}"),
        format!("sid={live}; sid={superseded}"),
        format!("sid={expired}; sid={superseded}; sid={live}; sid={unknown}"),
        // only values that could be ids count
        format!("{}sid={live}", "sid=old; ".repeat(50)),
    ] {
        assert_session(&stack, &cookies).await;
        let changed = send(&stack, "/do/update:a", &cookies).await;
        assert_eq!((changed.status, changed.set_cookie), (StatusCode::OK, None));
        let restored = send(&stack, "/do/insert:a:1", &cookies).await;
        assert_eq!((restored.status, restored.set_cookie), (StatusCode::OK, None));
    }
    // a superseded id counts before one that leads nowhere
    for cookies in [
        format!("sid={expired}; sid={superseded}"),
        format!("sid={superseded}; sid={expired}"),
    ] {
        let response = send(&stack, "/do/insert:late:1", &cookies).await;
        assert_eq!((response.status, response.set_cookie), (StatusCode::CONFLICT, None));
    }
    let log_out = send(&stack, "/do/purge", &format!("sid={expired}; sid={superseded}")).await;
    assert_eq!(log_out.status, StatusCode::OK);
    assert_no_session(&stack, &format!("sid={live}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_live_sessions_are_no_session() {
    let stack = Stack::in_redis();
    let (one, other) = (
        stack.new_session("insert:a:1").await,
        stack.new_session("insert:a:1").await,
    );
    assert_no_session(&stack, &format!("sid={one}; sid={other}")).await;
    // none of them changed
    for cookie in [one, other] {
        assert_session(&stack, &format!("sid={cookie}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_distinct_id_costs_one_load() {
    let stack = Stack::in_redis();
    let live = stack.new_session("insert:a:1").await;
    let ids: Vec<String> = (0..30).map(|number| format!("sid={number:048}")).collect();
    let () = stack.redis.as_ref().unwrap().run(&["CONFIG", "RESETSTAT"]);
    assert_session(&stack, &format!("{}; sid={live}; {}", ids.join("; "), ids.join("; "))).await;
    assert_eq!(stack.redis.as_ref().unwrap().calls(&["getex"]), 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_out_ends_every_session_of_its_cookies() {
    let stack = Stack::in_redis();
    for count in [2, 5, 20] {
        let mut cookies = Vec::new();
        for _ in 0..count {
            cookies.push(format!("sid={}", stack.new_session("insert:userid:1").await));
        }
        let log_out = send(&stack, "/do/purge", &cookies.join("; ")).await;
        assert_eq!(log_out.status, StatusCode::OK);
        assert!(log_out.set_cookie.unwrap().contains("Max-Age=0"));
        assert_eq!(keys(&stack), [""; 0], "a session is alive after its log-out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_out_that_cannot_end_every_session_is_not_answered_as_done() {
    let stack = Stack::in_redis();
    let (one, unreadable) = (
        stack.new_session("insert:a:1").await,
        stack.new_session("insert:b:1").await,
    );
    let redis = stack.redis.as_ref().unwrap();
    let () = redis.run(&["SET", &format!("session:{}", &unreadable[..20]), "?", "PX", "60000"]);
    let log_out = send(&stack, "/do/purge", &format!("sid={one}; sid={unreadable}")).await;
    assert_eq!(
        (log_out.status, log_out.set_cookie),
        (StatusCode::INTERNAL_SERVER_ERROR, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_beside_several_live_sessions_leaves_one_that_works() {
    let stack = Stack::in_redis();
    for count in [2, 6] {
        let mut cookies = Vec::new();
        for _ in 0..count {
            cookies.push(format!("sid={}", stack.new_session("insert:a:1").await));
        }
        let signed_in = send(&stack, "/do/insert:userid:1,renew", &cookies.join("; ")).await;
        assert_eq!(signed_in.status, StatusCode::OK);
        // the browser keeps the cookies that another domain or path set
        cookies.insert(1, format!("sid={}", signed_in.cookie.unwrap()));
        let response = send(&stack, "/all", &cookies.join("; ")).await;
        assert_eq!(&*response.body, r#"{"userid":"1"}"#);
    }
}
