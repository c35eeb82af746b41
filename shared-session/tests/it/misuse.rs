//! Applications that use the middleware in a way that loses sessions: the log says so once, and nothing is destroyed.

use std::collections::HashMap;
use std::net::TcpListener;
use std::time::Duration;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::{Cookie, Key, time};
use actix_web::test::{TestRequest, call_and_read_body, call_service, init_service};
use actix_web::{App, HttpServer, web};
use reqwest::Client;
use shared_session::actix::sign_in;
use shared_session::{CurrentSession, Format, Registry, Remember, Secure, Session, SessionManager, Settings};
use shared_session_testkit::alone::alone;

use crate::log::{self, Log};

fn sessions() -> SessionManager {
    SessionManager::new(&Settings::default()).unwrap()
}

async fn count(session: Session) -> actix_web::Result<String> {
    let visits = session.get::<u32>("visits")?.unwrap_or(0) + 1;
    session.insert("visits", visits)?;
    Ok(visits.to_string())
}

/// The store of an `actix_session::SessionMiddleware` that was left in an application by mistake.
struct Forgotten;

impl SessionStore for Forgotten {
    async fn load(&self, _: &SessionKey) -> Result<Option<HashMap<String, String>>, LoadError> {
        Ok(None)
    }

    async fn save(&self, _: HashMap<String, String>, _: &time::Duration) -> Result<SessionKey, SaveError> {
        Ok("forgotten".to_owned().try_into().unwrap())
    }

    async fn update(
        &self,
        key: SessionKey,
        _: HashMap<String, String>,
        _: &time::Duration,
    ) -> Result<SessionKey, UpdateError> {
        Ok(key)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &time::Duration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, _: &SessionKey) -> Result<(), anyhow::Error> {
        Ok(())
    }
}

/// Returns what the library logged since the log was last read. actix's workers log that they stop whenever they get to it.
fn logged(log: &Log) -> Vec<String> {
    let log = log.take();
    let lines = log.lines().filter(|line| line.contains("shared_session"));
    lines.map(str::to_owned).collect()
}

fn assert_logged_once(log: &Log, level: &str, text: &str) {
    let lines = logged(log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(level) && lines[0].contains(text), "{lines:?}");
}

#[actix_web::test]
async fn misuse_is_logged_once_and_destroys_nothing() {
    if !alone(misuse_is_logged_once_and_destroys_nothing) {
        return;
    }
    let log = log::capture(tracing::Level::INFO);
    nested_middleware_does_nothing(&log).await;
    fields_that_another_middleware_took_stay_stored(&log).await;
    managers_of_workers_are_reported(&log).await;
    cookie_that_browsers_drop_is_reported(&log).await;
    user_that_the_registry_does_not_know_is_reported(&log).await;
    sign_in_that_keeps_the_id_is_reported(&log).await;
    box_that_php_cannot_keep_is_reported(&log).await;
    missing_middleware_is_reported(&log).await;
}

async fn nested_middleware_does_nothing(log: &Log) {
    let (outer, inner) = (sessions(), sessions());
    let scope = web::scope("/scope")
        .wrap(inner.middleware())
        .route("/count", web::get().to(count));
    let application = App::new()
        .service(scope)
        .route("/count", web::get().to(count))
        .wrap(outer.middleware());
    let service = init_service(application).await;
    let begun = call_service(&service, TestRequest::get().uri("/scope/count").to_request()).await;
    let cookies: Vec<Cookie<'_>> = begun.response().cookies().collect();
    assert_eq!(cookies.len(), 1, "two sessions began");
    for (path, visits) in [("/count", "2"), ("/scope/count", "3"), ("/count", "4")] {
        let request = TestRequest::get().uri(path).cookie(cookies[0].clone()).to_request();
        assert_eq!(call_and_read_body(&service, request).await, visits, "{path}");
    }
    assert_logged_once(log, "ERROR", "two session middlewares");
}

async fn fields_that_another_middleware_took_stay_stored(log: &Log) {
    let sessions = sessions();
    let forgotten = actix_session::SessionMiddleware::new(Forgotten, Key::generate());
    let application = App::new()
        .service(
            web::scope("/scope")
                .wrap(forgotten)
                .route("/count", web::get().to(count)),
        )
        .route("/count", web::get().to(count))
        .route(
            "/clear",
            web::get().to(async |session: Session| {
                session.clear();
                "cleared"
            }),
        )
        .wrap(sessions.middleware());
    let service = init_service(application).await;
    let begun = call_service(&service, TestRequest::get().uri("/count").to_request()).await;
    let cookie = begun.response().cookies().next().unwrap();
    for (path, body) in [
        ("/scope/count", "2"),
        ("/scope/count", "2"),
        ("/count", "2"),
        // a handler that removes every field does the same to the entries
        ("/clear", "cleared"),
        ("/count", "1"),
    ] {
        let request = TestRequest::get().uri(path).cookie(cookie.clone()).to_request();
        assert_eq!(call_and_read_body(&service, request).await, body, "{path}");
    }
    assert_logged_once(log, "ERROR", "actix_session::SessionMiddleware");
}

/// Runs a server with two workers, and sends each of them requests.
async fn run(manager: impl Fn() -> SessionManager + Clone + Send + 'static) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = HttpServer::new(move || App::new().wrap(manager().middleware()).route("/", web::get().to(count)));
    let server = server.workers(2).disable_signals().listen(listener).unwrap().run();
    let handle = server.handle();
    let server = actix_web::rt::spawn(server);
    for _ in 0..8 {
        // each on a connection of its own, which the workers take by turns
        let response = Client::new()
            .get(&address)
            .header("cookie", "sid=x")
            .send()
            .await
            .unwrap();
        assert_eq!(response.text().await.unwrap(), "1");
    }
    actix_web::rt::time::timeout(Duration::from_secs(10), handle.stop(false))
        .await
        .unwrap();
    server.await.unwrap().unwrap();
}

async fn managers_of_workers_are_reported(log: &Log) {
    for _ in 0..2 {
        let sessions = sessions();
        run(move || sessions.clone()).await;
    }
    // two tests, each with an application of its own
    for _ in 0..2 {
        let service = init_service(
            App::new()
                .wrap(sessions().middleware())
                .route("/", web::get().to(count)),
        )
        .await;
        call_service(&service, TestRequest::get().to_request()).await;
    }
    assert_eq!(logged(log), [""; 0]);
    run(sessions).await;
    assert_logged_once(log, "WARN", "before HttpServer::new");
}

async fn cookie_that_browsers_drop_is_reported(log: &Log) {
    let sessions = SessionManager::new(&Settings::default().with_cookie_secure(Secure::Always)).unwrap();
    let application = App::new()
        .wrap(sessions.middleware())
        .route("/count", web::get().to(count));
    let service = init_service(application).await;
    let https = TestRequest::get()
        .uri("/count")
        .insert_header(("x-forwarded-proto", "https"));
    call_service(&service, https.to_request()).await;
    assert_eq!(logged(log), [""; 0]);
    for _ in 0..2 {
        call_service(&service, TestRequest::get().uri("/count").to_request()).await;
    }
    assert_logged_once(log, "WARN", "SESSION_COOKIE_SECURE");
}

async fn user_that_the_registry_does_not_know_is_reported(log: &Log) {
    let sign_in = async |session: Session, user: web::Path<String>| {
        let user: serde_json::Value = serde_json::from_str(&user).unwrap();
        session.insert("userid", user).unwrap();
        "signed in"
    };
    let application = App::new()
        .wrap(sessions().middleware())
        .route("/{user}", web::get().to(sign_in));
    let service = init_service(application).await;
    for user in ["7", "-9007199254740991", "%22anna%22", "null", "%22%22"] {
        call_service(&service, TestRequest::get().uri(&format!("/{user}")).to_request()).await;
        assert_eq!(logged(log), [""; 0], "{user}");
    }
    for user in ["9007199254740992", "7.0", "true", "[7]"] {
        call_service(&service, TestRequest::get().uri(&format!("/{user}")).to_request()).await;
    }
    assert_logged_once(log, "ERROR", "neither text nor an integer");
}

async fn sign_in_that_keeps_the_id_is_reported(log: &Log) {
    let act = async |session: Session, current: CurrentSession, path: web::Path<(String, String)>| {
        let user = &path.1;
        match &*path.0 {
            "begin" => session.insert("draft", 1)?,
            "renew" => {
                session.renew();
                session.insert("userid", user)?;
            }
            "sign_in" => sign_in(&session, &current, user, Remember::No)?,
            "sign_out" => drop(session.remove("userid")),
            _ => session.insert("userid", user)?,
        }
        Ok::<_, actix_web::Error>("done")
    };
    let application = App::new()
        .wrap(sessions().middleware())
        .route("/{way}/{user}", web::get().to(act));
    let service = init_service(application).await;
    let send = async |path: &str, cookie: Option<Cookie<'static>>| {
        let mut request = TestRequest::get().uri(path);
        if let Some(cookie) = cookie.clone() {
            request = request.cookie(cookie);
        }
        let response = call_service(&service, request.to_request()).await;
        assert_eq!(response.status(), 200, "{path}");
        let issued = response.response().cookies().next().map(Cookie::into_owned);
        issued.or(cookie)
    };
    // a session that the request itself begins needs no renewal; nor does a sign-out, or the user who is signed in already
    let mut cookie = send("/keep/anna", None).await;
    for path in [
        "/keep/anna",
        "/sign_out/-",
        "/renew/anna",
        "/sign_in/berta",
        "/keep/berta",
    ] {
        cookie = send(path, cookie).await;
        assert_eq!(logged(log), [""; 0], "{path}");
    }
    send("/keep/anna", cookie).await;
    let planted = send("/begin/-", None).await;
    send("/keep/anna", planted).await;
    assert_logged_once(log, "WARN", "not renewed");
}

async fn box_that_php_cannot_keep_is_reported(log: &Log) {
    let settings = Settings::default().with_format(Format::Php);
    let sessions = SessionManager::new(&settings).unwrap();
    let log_in = async |session: Session, current: CurrentSession| {
        sign_in(&session, &current, "anna", Remember::Yes).map(|()| "signed in")
    };
    let application = App::new().wrap(sessions.middleware()).route("/", web::get().to(log_in));
    let service = init_service(application).await;
    for _ in 0..2 {
        let response = call_service(&service, TestRequest::get().to_request()).await;
        let cookie = response.response().cookies().next().unwrap();
        assert_eq!(cookie.max_age(), None);
    }
    assert_logged_once(log, "WARN", "SESSION_FORMAT=php");
}

/// `Session` is of another crate, and cannot notice it.
async fn missing_middleware_is_reported(log: &Log) {
    let current = async |session: Session, _: CurrentSession| session.insert("userid", 7).map(|()| "signed in");
    let registry = async |session: Session, _: web::Data<Registry>| session.insert("userid", 7).map(|()| "signed in");
    let application = App::new()
        .route("/session", web::get().to(count))
        .route("/registry", web::get().to(registry))
        .route("/current", web::get().to(current));
    let service = init_service(application).await;
    for (path, status) in [("/session", 200), ("/registry", 500)] {
        let response = call_service(&service, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.response().cookies().count(), 0);
        assert_eq!(logged(log), [""; 0], "{path}");
    }
    let response = call_service(&service, TestRequest::get().uri("/current").to_request()).await;
    assert_eq!(response.status(), 500);
    assert_logged_once(log, "ERROR", "no session middleware wraps the handler");
}
