//! Code on the crate's page. Each file in `shown/` is on the page as it is, and is tested here.

use std::sync::Arc;

use actix_web::middleware::ErrorHandlers;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpResponse, web};
use axum::Router;
use axum::http::Request;
use axum::middleware::map_response;
use axum::routing::get;
use shared_session::backend::BackendError;
use shared_session::backend::memory::Memory;
use shared_session::codec::CodecError;
use shared_session::{Clock, Error, Registry, Session, SessionManager, Settings};
use shared_session_testkit::faulty::{Fault, Faulty};
use tower::ServiceExt;

mod actix_error_page {
    include!("shown/actix_error_page.rs");

    pub const WRAP: fn(ServiceResponse) -> actix_web::Result<ErrorHandlerResponse<BoxBody>> = error_page;
}

mod axum_error_page {
    include!("shown/axum_error_page.rs");

    pub async fn wrap(response: Response) -> Response {
        error_page(response).await
    }
}

#[allow(dead_code)] // its `main`
mod devices {
    include!("shown/devices.rs");

    pub const ROUTES: fn(&mut web::ServiceConfig) = routes;
}

mod actix_test {
    include!("shown/actix_test.rs");

    async fn count(session: super::Session) -> actix_web::Result<String> {
        let visits = session.get::<u32>("visits")?.unwrap_or(0) + 1;
        session.insert("visits", visits)?;
        Ok(format!("visit {visits}"))
    }
}

mod axum_test {
    include!("shown/axum_test.rs");

    async fn count(session: shared_session::tower::Session) -> String {
        let visits = session.get::<u32>("visits").await.unwrap().unwrap_or(0) + 1;
        session.insert("visits", visits).await.unwrap();
        format!("visit {visits}")
    }
}

#[test]
fn page_shows_the_code_that_is_tested() {
    let page = include_str!("../../README.md");
    for code in [
        include_str!("shown/actix_error_page.rs"),
        include_str!("shown/axum_error_page.rs"),
        include_str!("shown/devices.rs"),
        include_str!("shown/actix_test.rs"),
        include_str!("shown/axum_test.rs"),
    ] {
        assert!(page.contains(code.trim()), "{code}");
    }
}

/// Every error but that of the random source, which nobody else can make.
fn errors() -> [Error; 12] {
    [
        Error::Unavailable(BackendError::unavailable("secret")),
        Error::CircuitOpen,
        Error::Refused(BackendError::refused("secret")),
        Error::OutOfTime,
        Error::Contended,
        Error::Unfinished(Arc::new(Error::Contended)),
        Error::Ended,
        Error::Superseded,
        Error::TooLarge {
            size: 2,
            max: 1,
            field: Some("secret".to_owned()),
        },
        Error::Unreadable {
            key: "secret".to_owned(),
            source: Arc::from(Box::<dyn std::error::Error + Send + Sync>::from("secret")),
        },
        Error::Unwritable(CodecError::Unreadable("secret".to_owned())),
        Error::NoMiddleware,
    ]
}

/// Returns the text that the page of this error has.
fn text(error: &Error) -> String {
    let text = match error {
        Error::Ended => "You are signed out. Please sign in again.",
        Error::TooLarge { .. } => "Your basket is full.",
        other => other.user_message(),
    };
    format!("<!doctype html><title>Shop</title><p>{text}</p>")
}

#[actix_web::test]
async fn error_page_replaces_every_session_error_and_no_other() {
    let fail = async |number: web::Path<usize>| Err::<&str, _>(errors()[*number].clone());
    let other = async || HttpResponse::Conflict().body("another conflict");
    let application = App::new()
        .route("/fail/{number}", web::get().to(fail))
        .route("/other", web::get().to(other))
        .wrap(SessionManager::new(&Settings::default()).unwrap().middleware())
        .wrap(ErrorHandlers::new().default_handler(actix_error_page::WRAP));
    let service = init_service(application).await;
    let get = async |path: &str| call_service(&service, TestRequest::get().uri(path).to_request()).await;
    for (number, error) in errors().iter().enumerate() {
        let response = get(&format!("/fail/{number}")).await;
        assert_eq!(response.status(), error.status());
        assert_eq!(
            response.headers().get("content-type").unwrap(),
            "text/html; charset=utf-8"
        );
        assert_eq!(response.headers().contains_key("retry-after"), error.status() == 503);
        assert_eq!(read_body(response).await, text(error));
    }
    assert_eq!(read_body(get("/other").await).await, "another conflict");
    assert_eq!(get("/missing").await.status(), 404);
}

async fn store(
    session: Session,
    registry: web::Data<Registry>,
    backend: web::Data<Faulty>,
    act: web::Path<String>,
) -> &'static str {
    session.insert("userid", "kky").unwrap();
    match act.as_str() {
        "begin" => {}
        "end" => {
            session.insert("a", 1).unwrap();
            registry.revoke_all("kky").await.unwrap();
        }
        "fill" => session.insert("a", "x".repeat(2000)).unwrap(),
        "break" => {
            session.insert("a", 1).unwrap();
            backend.set_unreachable(true);
        }
        other => panic!("unknown act: {other}"),
    }
    "stored"
}

/// An error page inside of the sessions sees the handler's response alone.
#[actix_web::test]
async fn error_page_works_around_the_sessions_only() {
    for is_around in [true, false] {
        let backend = Arc::new(Faulty::new(Arc::new(Memory::new(Clock::system())), Fault::Never));
        let settings = Settings::default().with_max_size(1024).unwrap();
        let sessions = SessionManager::builder(&settings)
            .backend(backend.clone())
            .build()
            .unwrap();
        let pages = || ErrorHandlers::new().default_handler(actix_error_page::WRAP);
        let scope = || {
            web::scope("")
                .app_data(web::Data::new(sessions.registry()))
                .app_data(web::Data::from(backend.clone()))
                .route("/{act}", web::get().to(store))
        };
        let service = if is_around {
            App::new().service(scope().wrap(sessions.middleware()).wrap(pages()))
        } else {
            App::new().service(scope().wrap(pages()).wrap(sessions.middleware()))
        };
        let service = init_service(service).await;
        let get = async |path: &str, cookie: Option<&str>, accept: &str| {
            let mut request = TestRequest::get().uri(path).insert_header(("accept", accept));
            if let Some(cookie) = cookie {
                request = request.insert_header(("cookie", cookie));
            }
            call_service(&service, request.to_request()).await
        };
        let begin = async || {
            let begun = get("/begin", None, "*/*").await;
            let cookie = begun.response().cookies().next().unwrap();
            format!("{}={}", cookie.name(), cookie.value())
        };
        // the last one cannot be loaded
        for (act, error) in [
            ("/end", Error::Ended),
            ("/fill", errors()[8].clone()),
            ("/break", Error::CircuitOpen),
            ("/begin", Error::CircuitOpen),
        ] {
            let cookie = if act == "/begin" { None } else { Some(begin().await) };
            let cookie = cookie.unwrap_or_else(|| format!("sid={}", "a".repeat(48)));
            let response = get(act, Some(&cookie), "text/html").await;
            assert_eq!(response.status(), error.status(), "{act}");
            assert_eq!(read_body(response).await == text(&error), is_around, "{act}");
        }
        let problem = get("/begin", Some(&format!("sid={}", "a".repeat(48))), "application/json").await;
        assert_eq!(
            problem.headers().get("content-type").unwrap(),
            "application/problem+json"
        );
        let problem: serde_json::Value = serde_json::from_slice(&read_body(problem).await).unwrap();
        assert_eq!(problem["status"], 503);
    }
}

#[tokio::test]
async fn error_page_in_axum_replaces_every_session_error_and_no_other() {
    let fail = async |number: axum::extract::Path<usize>| Err::<&str, _>(errors()[*number].clone());
    let fill = async |session: shared_session::tower::Session| {
        session.insert("a", "x".repeat(2000)).await.map_or("", |()| "stored")
    };
    let settings = Settings::default().with_max_size(1024).unwrap();
    let app = Router::new()
        .route("/fail/{number}", get(fail))
        .route("/fill", get(fill))
        .layer(SessionManager::new(&settings).unwrap().layer())
        .layer(map_response(axum_error_page::wrap));
    let send = async |path: &str, accept: &str| {
        let request = Request::get(path)
            .header("accept", accept)
            .body(axum::body::Body::empty());
        let response = app.clone().oneshot(request.unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        (head, axum::body::to_bytes(body, 10_000).await.unwrap())
    };
    for (number, error) in errors().iter().enumerate() {
        let (head, body) = send(&format!("/fail/{number}"), "*/*").await;
        assert_eq!(head.status.as_u16(), error.status());
        assert_eq!(head.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(head.headers.contains_key("retry-after"), error.status() == 503);
        assert!(body.ends_with(format!("<p>{}</p>", error.user_message()).as_bytes()));
    }
    let (head, body) = send("/fill", "text/html").await;
    assert_eq!(head.status, 413);
    assert!(
        body.starts_with(b"<!doctype html><title>Shop</title><p>Your session is full."),
        "{body:?}"
    );
    let (head, body) = send("/fill", "application/json").await;
    assert_eq!((head.status.as_u16(), body.first()), (413, Some(&b'{')));
    assert_eq!(send("/missing", "text/html").await.1, "");
}

#[actix_web::test]
async fn devices_are_listed_and_revoked() {
    let sessions = SessionManager::new(&Settings::default()).unwrap();
    let application = App::new()
        .wrap(sessions.middleware())
        .app_data(web::Data::new(sessions.registry()))
        .configure(devices::ROUTES);
    let service = init_service(application).await;
    let send = async |request: TestRequest, cookie: &str, device: &str| {
        let request = request
            .insert_header(("cookie", cookie))
            .insert_header(("user-agent", device));
        let response = call_service(&service, request.to_request()).await;
        let cookie = response.response().cookies().next();
        let cookie = cookie.map(|cookie| format!("{}={}", cookie.name(), cookie.value()));
        let status = response.status().as_u16();
        let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        (status, cookie.unwrap_or_default(), body)
    };
    let log_in = || TestRequest::post().uri("/login").set_form([("user", "anna")]);
    let devices = || TestRequest::get().uri("/devices");
    assert_eq!(send(devices(), "", "").await.0, 404);
    let (_, phone, _) = send(log_in(), "", "phone").await;
    let (_, laptop, _) = send(log_in(), "", "laptop").await;
    let (_, _, list) = send(devices(), &laptop, "laptop").await;
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split(' ').collect()).collect();
    let [this, other] = &lines[..] else { panic!("{list}") };
    let (this, other) = if this[1] == "laptop" {
        (this, other)
    } else {
        (other, this)
    };
    assert_eq!(
        (&this[1..], &other[1..]),
        (&["laptop", "(this", "one)"][..], &["phone", ""][..])
    );
    for (status, handle) in [(200, other[0]), (404, other[0]), (404, "x")] {
        let revoke = TestRequest::delete().uri(&format!("/devices/{handle}"));
        assert_eq!(send(revoke, &laptop, "laptop").await.0, status, "{handle}");
    }
    assert_eq!(send(devices(), &phone, "phone").await.0, 404);
    assert_eq!(
        send(TestRequest::post().uri("/logout"), &laptop, "laptop").await.2,
        "signed out\n"
    );
    assert_eq!(send(devices(), &laptop, "laptop").await.0, 404);
}
