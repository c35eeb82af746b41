//! The door for tower: what handlers do with `tower_sessions_core::Session`, and what only its layer does.

use axum::Router;
use axum::body::Body;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
use bytes::Bytes;
use shared_session::codec::{Codec, CodecError, Fields};
use shared_session::tower::Session;
use shared_session::{CurrentSession, Error, Format, SessionManager, Settings};
use shared_session_testkit::alone::alone;
use tower::ServiceExt;

use crate::log;
use crate::support::{Door, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn log_out_and_sign_in_in_one_handler_begin_another_session() {
    let stack = Stack::in_memory(Door::Axum);
    for ops in [
        "purge,insert:userid:7",
        "purge,renew,insert:userid:7",
        "purge,save,insert:userid:7",
        "purge,save,purge,renew,insert:userid:7",
        "renew,save,purge,insert:userid:7",
    ] {
        let old = stack.new_session("insert:userid:7,insert:a:1").await;
        let late = tokio::spawn(stack.send(1, "/do/insert:late:1,wait", Some(&old)));
        stack.gate.arrived().await;
        let new = stack.send(0, &format!("/do/{ops}"), Some(&old)).await.cookie;
        stack.gate.open();
        assert_eq!(late.await.unwrap().status, StatusCode::CONFLICT, "{ops}");
        let fields = stack.fields(1, &new.expect(ops)).await;
        assert_eq!((fields.len(), &*fields["userid"]), (1, "7"), "{ops}");
        assert!(stack.fields(1, &old).await.is_empty(), "{ops}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_that_a_handler_deleted_ends_with_all_that_it_holds() {
    let stack = Stack::in_memory(Door::Axum);
    for ops in [
        "delete",
        "purge",
        "insert:b:1,delete",
        "insert:b:1,save,delete",
        "delete,insert:b:1",
        "delete,insert:b:1,save",
        "insert:b:1,save,purge",
        "renew,insert:b:1,purge",
        "renew,save,purge",
        "delete,load",
    ] {
        let cookie = stack.new_session("insert:a:1").await;
        let ended = stack.send(0, &format!("/do/{ops}"), Some(&cookie)).await;
        assert_eq!((ended.status, ended.cookie), (StatusCode::OK, None), "{ops}");
        assert!(ended.set_cookie.expect(ops).contains("Max-Age=0"), "{ops}");
        assert!(stack.fields(1, &cookie).await.is_empty(), "{ops}");
    }
    // nothing was stored yet, so there is nothing to end
    for ops in ["insert:b:1,save,purge", "purge", "renew", "delete"] {
        let response = stack.send(0, &format!("/do/{ops}"), None).await;
        assert_eq!((response.status, response.set_cookie), (StatusCode::OK, None), "{ops}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_change_is_stored_once_with_what_follows() {
    let stack = Stack::in_memory(Door::Axum);
    let cookie = stack.new_session("insert:a:1,save,insert:b:1").await;
    for (ops, names) in [
        ("insert:c:1,save", &["a", "b", "c"][..]),
        ("save,remove:b,save,load", &["a", "c"]),
        ("insert:d:1,load", &["a", "c"]),
        ("insert:d:1,save,load,insert:e:1", &["a", "c", "d", "e"]),
    ] {
        let response = stack.send(0, &format!("/do/{ops}"), Some(&cookie)).await;
        assert_eq!((response.status, response.set_cookie), (StatusCode::OK, None), "{ops}");
        let mut found: Vec<String> = stack.fields(1, &cookie).await.into_keys().collect();
        found.sort();
        assert_eq!(found, names, "{ops}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_that_changes_every_field_keeps_changes_in_flight() {
    let stack = Stack::in_memory(Door::Axum);
    for ops in [
        "renew,insert:a:2",
        "insert:a:2,renew",
        "renew,save,insert:a:2",
        "renew,remove:a,insert:b:1",
    ] {
        let old = stack.new_session("insert:a:1").await;
        let late = tokio::spawn(stack.send(1, "/do/insert:late:1,wait", Some(&old)));
        stack.gate.arrived().await;
        let new = stack.send(0, &format!("/do/{ops}"), Some(&old)).await.cookie.unwrap();
        stack.gate.open();
        assert_eq!(late.await.unwrap().status, StatusCode::OK, "{ops}");
        let fields = stack.fields(1, &new).await;
        assert_eq!((fields.len(), &*fields["late"]), (2, "1"), "{ops}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_a_handler_leaves_alone_keep_their_bytes() {
    let stack = Stack::in_redis(Door::Axum);
    let redis = stack.redis.as_ref().unwrap();
    let cookie = stack.new_session("insert:a:1").await;
    let key = &redis.run::<Vec<String>>(&["KEYS", "session:*"])[0];
    for json in [
        "1e400",
        "[ 9007199254740993, 123456789012345678901234567890, -1E-400 ]",
        r#"{ "z" : 1.0 , "a":[1e+999] }"#,
        r#""\ud83d\ude00 \/ \u00e9""#,
        &format!("{}1{}", "[".repeat(120), "]".repeat(120)),
    ] {
        let cookie = Some(&*cookie);
        assert_eq!(stack.send(0, "/do/insert:a:1", cookie).await.status, StatusCode::OK);
        let record: String = redis.run(&["GET", key]);
        let record = record.replacen("\"a\":1", &format!("\"a\":{json}"), 1);
        let () = redis.run(&["SET", key, &record, "KEEPTTL"]);
        for ops in ["nothing", "save", "update:b", "insert:b:1", "remove:b"] {
            let response = stack.send(1, &format!("/do/{ops}"), cookie).await;
            assert_eq!((response.status, response.set_cookie), (StatusCode::OK, None), "{ops}");
            let record: String = redis.run(&["GET", key]);
            assert!(record.contains(json), "{ops}: {record}");
        }
        assert_ne!(stack.send(0, "/get/a", cookie).await.body, "");
    }
}

async fn count(session: Session) -> String {
    let visits = session.get::<u32>("visits").await.unwrap().unwrap_or(0) + 1;
    session.insert("visits", visits).await.unwrap();
    visits.to_string()
}

async fn visit(app: &Router, cookie: Option<&str>) -> Response<Body> {
    let mut request = Request::get("/");
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, cookie);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn body(response: Response<Body>) -> Bytes {
    axum::body::to_bytes(response.into_body(), 1000).await.unwrap()
}

fn cookie(response: &Response<Body>) -> String {
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// A codec that reads a value that is not JSON.
struct Broken;

impl Codec for Broken {
    fn decode(&self, record: Bytes) -> Result<Fields, CodecError> {
        let mut fields = Format::Json.codec().decode(record)?;
        fields.set("visits", "{");
        Ok(fields)
    }

    fn encode(&self, fields: &Fields) -> Result<Bytes, CodecError> {
        Format::Json.codec().encode(fields)
    }
}

#[tokio::test]
async fn value_that_is_not_json_is_an_error_that_layers_find() {
    let sessions = SessionManager::builder(&Settings::default())
        .codec(Broken)
        .build()
        .unwrap();
    let app = Router::new().route("/", get(count)).layer(sessions.layer());
    let begun = visit(&app, None).await;
    assert!(begun.extensions().get::<Error>().is_none());
    let response = visit(&app, Some(&cookie(&begun))).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!response.headers().contains_key(SET_COOKIE));
    let error = response.extensions().get::<Error>();
    assert!(matches!(error, Some(Error::Unreadable { .. })), "{error:?}");
}

#[tokio::test]
async fn nested_layer_does_nothing_and_is_logged_once() {
    if !alone(nested_layer_does_nothing_and_is_logged_once) {
        return;
    }
    let log = log::capture(tracing::Level::INFO);
    let [outer, inner] = [(); 2].map(|()| SessionManager::new(&Settings::default()).unwrap());
    let app = Router::new()
        .route("/", get(count))
        .layer(inner.layer())
        .layer(outer.layer());
    let begun = visit(&app, None).await;
    assert_eq!(
        begun.headers().get_all(SET_COOKIE).iter().count(),
        1,
        "two sessions began"
    );
    let cookie = cookie(&begun);
    for visits in ["2", "3"] {
        assert_eq!(body(visit(&app, Some(&cookie)).await).await, visits);
    }
    let log = log.take();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("shared_session")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("ERROR") && lines[0].contains("two session"), "{log}");
}

/// Both extractors notice it: that of tower-sessions, and that of this crate.
#[tokio::test]
async fn missing_layer_is_an_error() {
    if !alone(missing_layer_is_an_error) {
        return;
    }
    let log = log::capture(tracing::Level::INFO);
    let current = async |_: CurrentSession| "signed in";
    for (app, logged) in [
        (Router::new().route("/", get(count)), false),
        (Router::new().route("/", get(current)), true),
    ] {
        assert_eq!(visit(&app, None).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let log = log.take();
        let is_logged = log.contains("ERROR") && log.contains("no session middleware wraps the handler");
        assert_eq!(is_logged, logged, "{log}");
    }
}
