//! The log records of requests.

use std::io;
use std::sync::{Arc, Mutex};

use actix_web::error::{ErrorBadRequest, ErrorInternalServerError};
use actix_web::web;
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
        config
            .route("/test/failed", web::get().to(failed))
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

    let logs = String::from_utf8(logs.0.lock().unwrap().clone()).unwrap();
    assert_eq!(logs.lines().count(), 1, "{logs}");
    for part in ["ERROR", "the-request", "GET", "/test/failed", "500", "the disk is full"] {
        assert!(logs.contains(part), "{logs}");
    }
    assert!(!logs.contains("hunter2"), "{logs}");
}
