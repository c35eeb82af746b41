//! Users who stay signed in, through every door: the function `sign_in`, the cookie, and what pages about the session show.

use std::time::Duration;

use serde_json::{Value, json};
use shared_session::{CookieLifetime, CurrentSession, Error, Remember, Session};

use crate::support::{Door, Stack, TestResponse, settings, through_every_door};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MONTH: u64 = 30 * 24 * 60 * 60;
const LIFETIME: u64 = 3 * MONTH;

through_every_door! {
    memory = crate::support::Stack::in_memory, redis = crate::support::Stack::in_redis;
    {
        remembered_session_outlives_the_browser_and_the_day
        sign_in_without_the_box_makes_an_ordinary_session
        sign_in_of_the_same_user_begins_the_lifetime_anew
        value_that_names_no_user_signs_nobody_in
        late_request_with_the_old_id_leaves_the_session_remembered
        sign_in_of_another_library_can_be_remembered
    }
}

through_every_door! {
    in_memory = std::convert::identity;
    { cookie_of_a_remembered_session_has_its_age_whatever_the_setting }
}

through_every_door! {
    in_redis = crate::support::Stack::in_redis;
    { remembered_session_takes_one_command_to_read }
}

/// Asserts that a response sets a cookie with this `Max-Age`, and returns the id.
#[track_caller]
fn assert_age(response: TestResponse, age: Option<u64>) -> String {
    assert_eq!(response.status, 200, "{}", response.body);
    let set_cookie = response.set_cookie.expect("no cookie");
    match age {
        Some(age) => assert!(set_cookie.ends_with(&format!("; Max-Age={age}")), "{set_cookie}"),
        None => assert!(!set_cookie.contains("Max-Age"), "{set_cookie}"),
    }
    response.cookie.unwrap()
}

async fn current(stack: &Stack, cookie: &str) -> Value {
    serde_json::from_str(&stack.send(1, "/current", Some(cookie)).await.body).unwrap()
}

async fn remembered_session_outlives_the_browser_and_the_day(stack: Stack) {
    let planted = stack.new_session("insert:draft:1").await;
    let signed_in = stack.send(0, "/do/sign_in:%22anna%22:remember", Some(&planted)).await;
    let cookie = assert_age(signed_in, Some(LIFETIME));
    assert!(
        stack.fields(1, &planted).await.is_empty(),
        "the session was not renewed"
    );
    let fields = stack.fields(1, &cookie).await;
    assert_eq!((&*fields["userid"], &*fields["draft"]), ("\"anna\"", "1"));
    assert_eq!(current(&stack, &cookie).await["remembered"], json!(true));
    stack.pass(20 * DAY);
    assert_eq!(stack.fields(0, &cookie).await.len(), 2);
    // a renewal, as of a changed password, leaves it remembered
    let renewed = assert_age(
        stack.send(1, "/do/renew", Some(&cookie)).await,
        Some(LIFETIME - 20 * 24 * 3600),
    );
    stack.pass(20 * DAY);
    let listed = stack.send(0, "/sessions/anna", Some(&renewed)).await.body;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed[0]["remembered"], &listed[0]["current"]),
        (&json!(true), &json!(true))
    );
    let log_out = stack.send(1, "/do/purge", Some(&renewed)).await;
    assert!(log_out.set_cookie.unwrap().contains("Max-Age=0"));
    assert!(stack.fields(0, &renewed).await.is_empty());
}

async fn sign_in_without_the_box_makes_an_ordinary_session(stack: Stack) {
    let remembered = stack.new_session("sign_in:7:remember").await;
    stack.pass(2 * HOUR);
    let ordinary = assert_age(stack.send(0, "/do/sign_in:8", Some(&remembered)).await, None);
    assert_eq!(current(&stack, &ordinary).await["remembered"], json!(false));
    let listed = stack.send(0, "/sessions/8", Some(&ordinary)).await.body;
    assert!(listed.contains("\"remembered\":false"), "{listed}");
    stack.pass(HOUR);
    assert!(
        stack.fields(1, &ordinary).await.is_empty(),
        "it outlived the idle timeout"
    );
}

/// Also where the session of the framework does not show that the field was set to the value that it had.
async fn sign_in_of_the_same_user_begins_the_lifetime_anew(stack: Stack) {
    let mut cookie = stack.new_session("sign_in:7:remember").await;
    let ends = async |cookie: &str| current(&stack, cookie).await["times"][2].as_u64().unwrap() / 1000;
    for (box_, age, lifetime) in [("remember", Some(LIFETIME), LIFETIME), ("", None, 24 * 3600)] {
        stack.pass(HOUR / 2);
        cookie = assert_age(
            stack.send(1, &format!("/do/sign_in:7:{box_}"), Some(&cookie)).await,
            age,
        );
        let now = stack.clock.clock().now().as_secs();
        assert_eq!(ends(&cookie).await, now + lifetime, "{box_}");
    }
    // a sign-in that is taken back is none
    for ops in ["sign_in:7:remember,remove:userid", "sign_in:7:remember,purge"] {
        let response = stack.send(1, &format!("/do/{ops}"), Some(&cookie)).await;
        assert_eq!(response.status, 200, "{ops}");
        if let Some(renewed) = response.cookie {
            cookie = renewed;
            assert_eq!(current(&stack, &cookie).await["remembered"], json!(false), "{ops}");
        }
    }
    assert!(stack.fields(0, &cookie).await.is_empty());
}

async fn value_that_names_no_user_signs_nobody_in(stack: Stack) {
    let cookie = stack.new_session("insert:a:1").await;
    for user in ["%22%22", "null", "true", "7.5", "[7]", "9007199254740992"] {
        let refused = stack.send(0, &format!("/do/sign_in:{user}"), Some(&cookie)).await;
        assert_eq!(refused.status, 500, "{user}");
        assert_eq!(stack.fields(1, &cookie).await.len(), 1, "{user}");
    }
}

/// A page that was loading while the user signed in comes with the old id, and would give the record the time of an ordinary one.
async fn late_request_with_the_old_id_leaves_the_session_remembered(stack: Stack) {
    let old = stack.new_session("insert:a:1").await;
    let signed_in = stack
        .send(0, "/do/sign_in:7:remember", Some(&old))
        .await
        .cookie
        .unwrap();
    for late in ["/get/a", "/do/update:a", "/current"] {
        stack.send(1, late, Some(&old)).await;
    }
    stack.pass(29 * DAY);
    assert_eq!(stack.fields(0, &signed_in).await.len(), 2);
}

/// A library that knows neither `sign_in` nor the box: the handler asks beside it.
async fn sign_in_of_another_library_can_be_remembered(stack: Stack) {
    let old = stack.new_session("insert:a:1").await;
    for ops in ["remember,renew,insert:userid:7", "insert:userid:8,renew,remember"] {
        let cookie = assert_age(stack.send(0, &format!("/do/{ops}"), Some(&old)).await, Some(LIFETIME));
        stack.send(0, "/do/purge", Some(&cookie)).await;
        // without a session, it begins one
        let begun = assert_age(stack.send(0, &format!("/do/{ops}"), None).await, Some(LIFETIME));
        assert_eq!(current(&stack, &begun).await["remembered"], json!(true), "{ops}");
    }
    // asking without a sign-in changes nothing
    let plain = stack.new_session("insert:a:1").await;
    let renewed = assert_age(stack.send(0, "/do/remember,renew", Some(&plain)).await, None);
    assert_eq!(current(&stack, &renewed).await["remembered"], json!(false));
    assert_eq!(stack.send(0, "/do/remember", None).await.set_cookie, None);
}

async fn cookie_of_a_remembered_session_has_its_age_whatever_the_setting(door: Door) {
    for setting in [CookieLifetime::Browser, CookieLifetime::Session] {
        let stack = Stack::with_settings(door, &settings().with_cookie_lifetime(setting));
        let cookie = assert_age(stack.send(0, "/do/sign_in:7:remember", None).await, Some(LIFETIME));
        stack.pass(DAY);
        // a sign-in that keeps the id restarts the lifetime, so the cookie is sent again
        let again = assert_age(
            stack.send(0, "/do/insert:userid:8", Some(&cookie)).await,
            Some(LIFETIME),
        );
        assert_eq!(again, cookie);
        assert_eq!(stack.send(0, "/do/insert:a:1", Some(&cookie)).await.set_cookie, None);
    }
}

async fn remembered_session_takes_one_command_to_read(stack: Stack) {
    let redis = stack.redis.as_ref().unwrap();
    let old = stack.new_session("insert:a:1").await;
    let cookie = stack
        .send(0, "/do/sign_in:7:remember", Some(&old))
        .await
        .cookie
        .unwrap();
    let key = redis
        .run::<Vec<String>>(&["KEYS", "session:????????????????????"])
        .remove(0);
    for (id, commands) in [(&cookie, 1), (&old, 2)] {
        let () = redis.run(&["CONFIG", "RESETSTAT"]);
        stack.send(0, "/get/a", Some(id)).await;
        assert_eq!(redis.calls(&["getex"]), commands);
        let left: u64 = redis.run(&["TTL", &key]);
        assert!((MONTH - 30..=MONTH).contains(&left), "{left}");
    }
}

#[test]
fn sign_in_outside_of_the_middleware_is_an_error() {
    let current = CurrentSession::default();
    let error = current.remember(Remember::Yes).unwrap_err();
    assert!(matches!(error, Error::NoMiddleware));
    assert_eq!((error.status(), error.code()), (500, "no_session_middleware"));
    assert!(error.to_string().contains("middleware"), "{error}");
}

#[actix_web::test]
async fn handler_outside_of_the_middleware_cannot_sign_in() {
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, web};

    let log_in = async |session: Session, current: CurrentSession| {
        shared_session::actix::sign_in(&session, &current, "anna", Remember::No).map(|()| "signed in")
    };
    let service = init_service(App::new().route("/login", web::post().to(log_in))).await;
    let response = call_service(&service, TestRequest::post().uri("/login").to_request()).await;
    assert_eq!(response.status(), 500);
    let error = response.response().error().and_then(|error| error.as_error::<Error>());
    assert!(matches!(error, Some(Error::NoMiddleware)), "{error:?}");
}

#[actix_web::test]
async fn sign_in_after_a_log_out_in_one_handler_of_actix_is_refused() {
    let stack = Stack::in_memory(Door::Actix);
    let cookie = stack.new_session("sign_in:7").await;
    let refused = stack.send(0, "/do/purge,sign_in:8", Some(&cookie)).await;
    assert_eq!(refused.status, 409);
}

/// Either the user is signed in, or the handler learns that nobody is.
#[tokio::test]
async fn sign_in_to_a_session_that_the_handler_ended_is_not_answered_as_done() {
    for door in [Door::Actix, Door::Axum] {
        let stack = Stack::in_memory(door);
        for end in ["purge", "delete"] {
            if end == "delete" && door == Door::Actix {
                continue;
            }
            let cookie = stack.new_session("insert:a:1").await;
            let response = stack.send(0, &format!("/do/{end},sign_in:7"), Some(&cookie)).await;
            let signed_in = match &response.cookie {
                Some(cookie) => stack.fields(1, cookie).await.contains_key("userid"),
                None => false,
            };
            assert_eq!(response.status == 200, signed_in, "{door:?} {end}");
            assert!(!stack.fields(1, &cookie).await.contains_key("userid"));
        }
    }
}
