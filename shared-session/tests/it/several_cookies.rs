//! Requests with several cookies of the session's name.

use std::time::Duration;

use reqwest::StatusCode;

use crate::support::{Stack, TestResponse, through_every_door};

through_every_door! {
    in_redis = crate::support::Stack::in_redis;
    {
        live_session_is_found_among_other_cookies
        several_live_sessions_are_no_session
        each_distinct_id_costs_one_load
        log_out_that_cannot_end_every_session_is_not_answered_as_done
    }
}

/// Sends a request with this `Cookie` header.
async fn send(stack: &Stack, path: &str, cookies: &str) -> TestResponse {
    TestResponse::to(stack.request(0, path).header("cookie", cookies)).await
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

async fn live_session_is_found_among_other_cookies(stack: Stack) {
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

async fn several_live_sessions_are_no_session(stack: Stack) {
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

async fn each_distinct_id_costs_one_load(stack: Stack) {
    let live = stack.new_session("insert:a:1").await;
    let ids: Vec<String> = (0..30).map(|number| format!("sid={number:048}")).collect();
    let () = stack.redis.as_ref().unwrap().run(&["CONFIG", "RESETSTAT"]);
    let cookies = format!("{}; sid={live}; {}", ids.join("; "), ids.join("; "));
    assert_eq!(send(&stack, "/get/a", &cookies).await.body, "1");
    assert_eq!(stack.redis.as_ref().unwrap().calls(&["getex"]), 31);
}

async fn log_out_that_cannot_end_every_session_is_not_answered_as_done(stack: Stack) {
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
