//! The log records of requests.

use std::io;
use std::sync::{Arc, Mutex};

use actix_web::error::{ErrorBadRequest, ErrorInternalServerError};
use actix_web::web;
use service_kit::Failure;
use service_kit::testing::{browser, start};
use shared_session_testkit::alone::alone;

#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[actix_web::test]
async fn only_failed_requests_are_logged_once_with_their_id() {
    if !alone(only_failed_requests_are_logged_once_with_their_id) {
        return;
    }
    let logs = Logs::default();
    let writer = logs.clone();
    tracing_subscriber::fmt()
        .with_env_filter("info,actix_server=warn")
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .init();
    let routes = |config: &mut web::ServiceConfig| {
        let failed = async || Err::<String, _>(ErrorInternalServerError("the disk is full"));
        let invalid = async || Err::<String, _>(ErrorBadRequest("invalid"));
        let unavailable = async || Err::<String, _>(Failure::Unavailable("no reply".to_owned()));
        config
            .route("/test/failed", web::get().to(failed))
            .route("/test/unavailable", web::get().to(unavailable))
            .route("/test/invalid", web::get().to(invalid));
    };
    let server = start(routes, &[]);
    for (path, status) in [
        ("/test/failed?token=hunter2", 500),
        ("/test/invalid", 400),
        ("/test/nothing", 404),
        ("/healthz", 200),
    ] {
        let request = browser().get(server.url(path)).header("X-Request-Id", "the-request");
        assert_eq!(request.send().await.unwrap().status(), status, "{path}");
    }
    server.stop().await.unwrap();

    let take = || String::from_utf8(std::mem::take(&mut *logs.0.lock().unwrap())).unwrap();
    let logs = take();
    assert_eq!(logs.lines().count(), 1, "{logs}");
    for part in ["ERROR", "the-request", "GET", "/test/failed", "500", "the disk is full"] {
        assert!(logs.contains(part), "{logs}");
    }
    assert!(!logs.contains("hunter2"), "{logs}");

    // in an outage every request fails
    let server = start(routes, &["--session-store", "redis://127.0.0.1:1"]);
    let cookie = format!("sid={}", "a".repeat(48));
    for _ in 0..20 {
        for cookie in ["", &cookie] {
            let request = browser().get(server.url("/test/unavailable")).header("Cookie", cookie);
            assert_eq!(request.send().await.unwrap().status(), 503);
        }
    }
    server.stop().await.unwrap();
    let logs = take();
    let lines = |text| logs.lines().filter(|line| line.contains(text)).count();
    assert_eq!(
        [
            lines("no reply"),
            lines("failed to load session"),
            lines("session store unavailable"),
            logs.lines().count()
        ],
        [1, 1, 1, 3],
        "{logs}"
    );
}
