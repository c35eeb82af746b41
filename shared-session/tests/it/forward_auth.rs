//! What a proxy learns from `ForwardAuth`, through both doors. `tests/forward-auth.sh` asks it through real proxies.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpMessage, web};
use axum::body::Body;
use axum::http::Request;
use shared_session::backend::memory::Memory;
use shared_session::backend::near_cache::NearCache;
use shared_session::http::{Facts, ForwardAuth, Wish};
use shared_session::{Clock, ExtendIdleTimeout, SessionManager, Settings};
use shared_session_testkit::TestClock;
use shared_session_testkit::faulty::{Fault, Faulty};
use shared_session_testkit::servers::RedisServer;
use tokio::time::sleep;
use tower::ServiceExt;

const FACTS: Facts = Facts {
    is_safe: true,
    is_https: false,
    extends_idle_timeout: true,
};

type Headers = BTreeMap<String, String>;

fn sessions() -> SessionManager {
    SessionManager::new(&Settings::default()).unwrap()
}

/// Begins a session with these fields, and returns its cookie.
async fn cookie(sessions: &SessionManager, fields: &[(&str, &str)]) -> String {
    let exchange = sessions.begin(iter::empty(), FACTS).await.unwrap();
    let fields = fields
        .iter()
        .map(|(name, json)| ((*name).to_owned(), Some((*json).to_owned())));
    let change = exchange.change_of(Wish::Keep, fields);
    let outcome = exchange.finish(Wish::Keep, change, None).await.unwrap();
    let mut headers = outcome.headers(|_| iter::empty()).into_iter().flatten();
    let (_, cookie) = headers.find(|(name, _)| *name == "set-cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// What a proxy asks.
#[derive(Clone, Copy, Debug)]
struct Question<'a> {
    path: &'a str,
    cookie: &'a str,
    /// Traefik asks by GET, Envoy by the method of the request.
    method: &'a str,
    /// The values of `X-Forwarded-Method`.
    forwarded_methods: &'a [&'a str],
    extends: Option<bool>,
}

impl<'a> Question<'a> {
    fn new(cookie: &'a str) -> Self {
        Self {
            path: "/auth",
            cookie,
            method: "PUT",
            forwarded_methods: &[],
            extends: None,
        }
    }
}

/// Asks through the door for actix-web.
async fn ask_actix(auth: &ForwardAuth, question: Question<'_>) -> (u16, Headers) {
    let resource = web::resource(["/auth", "/auth/{path:.*}"]).to(auth.clone());
    let service = init_service(App::new().service(resource)).await;
    let mut request = TestRequest::with_uri(question.path)
        .method(question.method.parse().unwrap())
        .insert_header(("cookie", question.cookie));
    for method in question.forwarded_methods {
        request = request.append_header(("x-forwarded-method", *method));
    }
    let request = request.to_request();
    if let Some(extends) = question.extends {
        request.extensions_mut().insert(ExtendIdleTimeout(extends));
    }
    let response = call_service(&service, request).await;
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (response.status().as_u16(), headers.collect())
}

/// Asks through the door for axum.
async fn ask_axum(auth: &ForwardAuth, question: Question<'_>) -> (u16, Headers) {
    let router = axum::Router::new().nest_service("/auth", auth.clone());
    let mut request = Request::builder()
        .uri(question.path)
        .method(question.method)
        .header("cookie", question.cookie);
    for method in question.forwarded_methods {
        request = request.header("x-forwarded-method", *method);
    }
    if let Some(extends) = question.extends {
        request = request.extension(ExtendIdleTimeout(extends));
    }
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (response.status().as_u16(), headers.collect())
}

/// Asks through both doors, which must agree, and returns the status and the headers but for the length of the body.
async fn ask_with(auth: &ForwardAuth, question: Question<'_>) -> (u16, Headers) {
    let mut answers = [ask_actix(auth, question).await, ask_axum(auth, question).await];
    for (_, headers) in &mut answers {
        headers.remove("content-length");
    }
    let [actix, axum] = answers;
    assert_eq!(actix, axum);
    assert_eq!(actix.1["cache-control"], "no-store");
    assert_eq!(actix.1["vary"], "Cookie");
    assert!(!actix.1.contains_key("set-cookie"));
    actix
}

async fn ask(auth: &ForwardAuth, cookie: &str) -> (u16, Headers) {
    ask_with(auth, Question::new(cookie)).await
}

#[actix_web::test]
async fn proxy_learns_the_user_and_the_fields_that_it_asks_for() {
    let sessions = sessions();
    let auth = sessions
        .forward_auth()
        .field("role", "x-session-role")
        .field("name", "x-session-name");
    let fields = [("userid", r#""anna""#), ("name", "\"홍 길동\\n\""), ("secret", "1")];
    let cookie = cookie(&sessions, &fields).await;
    for path in ["/auth", "/auth/", "/auth/reports/?a=b"] {
        let question = Question {
            path,
            ..Question::new(&cookie)
        };
        let (status, headers) = ask_with(&auth, question).await;
        assert_eq!((status, &*headers["x-session-user"]), (200, "anna"), "{path}");
        assert_eq!(headers["x-session-name"], "%ED%99%8D%20%EA%B8%B8%EB%8F%99%0A");
        assert_eq!(headers["x-session-role"], ""); // a proxy replaces what the client sent
        assert_eq!(headers.len(), 5, "{headers:?}");
    }
    let (_, headers) = ask(&auth.user_header("remote-user"), &cookie).await;
    assert_eq!(headers["remote-user"], "anna");
    assert!(!headers.contains_key("x-session-user"), "{headers:?}");
}

#[actix_web::test]
async fn nobody_is_signed_in_without_a_user() {
    let sessions = sessions();
    let auth = sessions.forward_auth().field("cart", "x-session-cart");
    let nobody = cookie(&sessions, &[("cart", "[1]")]).await;
    let empty = cookie(&sessions, &[("userid", r#""""#)]).await;
    for cookie in ["", "sid=x", &nobody, &empty] {
        let (status, headers) = ask(&auth, cookie).await;
        assert_eq!((status, &*headers["www-authenticate"]), (401, "Cookie"), "{cookie}");
        assert!(!headers.keys().any(|name| name.starts_with("x-session")), "{headers:?}");
    }
}

#[actix_web::test]
async fn user_is_not_told_to_sign_in_while_the_store_is_unavailable() {
    let backend = Arc::new(Faulty::new(Arc::new(Memory::new(Clock::system())), Fault::Never));
    let sessions = SessionManager::builder(&Settings::default()).backend(backend.clone());
    let sessions = sessions.build().unwrap();
    let auth = sessions.forward_auth();
    let cookie = cookie(&sessions, &[("userid", "7")]).await;
    backend.set_unreachable(true);
    let (status, headers) = ask(&auth, &cookie).await;
    assert_eq!((status, &*headers["retry-after"]), (503, "1"));
    assert_eq!(ask(&auth, "").await.0, 401);
    backend.set_unreachable(false);
}

#[actix_web::test]
async fn check_by_a_proxy_extends_the_idle_timeout_unless_it_is_told_not_to() {
    for (auth_extends, request_extends, expected) in [
        (true, None, 200),
        (false, None, 401),
        (true, Some(false), 401),
        (false, Some(true), 200),
    ] {
        let clock = TestClock::default();
        let builder = SessionManager::builder(&Settings::default()).clock(clock.clock());
        let sessions = builder.build().unwrap();
        let auth = sessions.forward_auth().extend_idle_timeout(auth_extends);
        let cookie = cookie(&sessions, &[("userid", "7")]).await;
        let mut last = 0;
        for _ in 0..3 {
            clock.advance(Settings::default().ttl() - Duration::from_secs(60));
            let question = Question {
                extends: request_extends,
                ..Question::new(&cookie)
            };
            (last, _) = ask_with(&auth, question).await;
        }
        assert_eq!(last, expected, "{auth_extends} {request_extends:?}");
    }
}

/// Asks again and again, until the cache answers. Returns the number of commands so far.
async fn commands_once_remembered(server: &RedisServer, auth: &ForwardAuth, cookie: &str) -> u64 {
    let question = Question {
        method: "GET",
        forwarded_methods: &["GET"],
        ..Question::new(cookie)
    };
    for _ in 0..1000 {
        let before = commands(server);
        assert_eq!(ask_axum(auth, question).await.0, 200);
        if commands(server) == before {
            return before;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the cache never answers");
}

/// Returns how often Redis was asked for a session.
fn commands(server: &RedisServer) -> u64 {
    server.calls(&["eval", "evalsha", "get", "getex"])
}

#[actix_web::test]
async fn cache_answers_only_a_proxy_that_says_that_the_method_is_safe() {
    let server = RedisServer::start();
    let backend = NearCache::new(server.backend(Duration::from_secs(10)), Duration::from_secs(60));
    let builder = SessionManager::builder(&Settings::default()).backend(Arc::new(backend));
    let sessions = builder.build().unwrap();
    let auth = sessions.forward_auth();
    let cookie = cookie(&sessions, &[("userid", "7")]).await;
    for (method, forwarded_methods, reads) in [
        ("GET", &["GET"][..], 0),
        ("GET", &["HEAD"], 0),
        ("HEAD", &["GET"], 0),
        ("GET", &[], 1),
        ("GET", &["POST"], 1),
        ("GET", &["get"], 1),
        ("GET", &[""], 1),
        ("GET", &["GET, POST"], 1),
        // one of them may be the client's
        ("GET", &["GET", "POST"], 1),
        ("GET", &["POST", "GET"], 1),
        ("POST", &["GET"], 1),
        ("POST", &["POST"], 1),
        ("POST", &[], 1),
    ] {
        let question = Question {
            method,
            forwarded_methods,
            ..Question::new(&cookie)
        };
        let before = commands_once_remembered(&server, &auth, &cookie).await;
        assert_eq!(ask_actix(&auth, question).await.0, 200);
        assert_eq!(commands(&server) - before, reads, "actix-web: {question:?}");
        let before = commands_once_remembered(&server, &auth, &cookie).await;
        assert_eq!(ask_axum(&auth, question).await.0, 200);
        assert_eq!(commands(&server) - before, reads, "axum: {question:?}");
    }
}

#[test]
fn header_name_that_a_proxy_may_take_for_another_one_is_refused() {
    for header in ["X-Session-Role", "x_session_role", "x session", "", "x-rôle"] {
        let auth = sessions().forward_auth();
        let added = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| auth.field("role", header)));
        assert!(added.is_err(), "{header}");
    }
}
