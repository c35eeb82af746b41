//! An application without a tracing subscriber finds failures in the records of the crate `log`.

use std::sync::Mutex;

use actix_web::http::StatusCode;
use actix_web::http::header::COOKIE;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use log::{LevelFilter, Log, Metadata, Record};
use shared_session::{Session, SessionManager, Settings};
use shared_session_testkit::alone::alone;

struct Records(Mutex<Vec<String>>);

impl Log for Records {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        self.0
            .lock()
            .unwrap()
            .push(format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

static RECORDS: Records = Records(Mutex::new(Vec::new()));

#[actix_web::test]
async fn failure_is_a_record_of_the_crate_log() {
    if !alone(failure_is_a_record_of_the_crate_log) {
        return;
    }
    log::set_logger(&RECORDS).unwrap();
    log::set_max_level(LevelFilter::Error);
    let settings = Settings::default().with_store("redis://127.0.0.1:1").unwrap();
    let sessions = SessionManager::new(&settings).unwrap();
    let handler = async |_: Session| "served";
    let application = App::new()
        .wrap(sessions.middleware())
        .route("/", web::get().to(handler));
    let service = init_service(application).await;
    let request = TestRequest::get().insert_header((COOKIE, format!("sid={}", "a".repeat(48))));
    let response = call_service(&service, request.to_request()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let records = RECORDS.0.lock().unwrap();
    let found = records
        .iter()
        .any(|record| record.starts_with("ERROR failed to load session"));
    assert!(found, "{records:?}");
}
