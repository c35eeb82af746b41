use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::test::{TestRequest, call_and_read_body, call_service, init_service};
use actix_web::{App, web};
use shared_session::{Clock, SessionManager, Settings};

#[actix_web::test]
async fn visits_are_counted_until_the_session_expires() {
    let time = Arc::new(AtomicU64::new(1_700_000_000));
    let now = time.clone();
    let clock = Clock::new(move || Duration::from_secs(now.load(Ordering::Relaxed)));
    let settings = Settings::default(); // in memory: each test has sessions of its own
    let sessions = SessionManager::builder(&settings).clock(clock).build().unwrap();
    let app = App::new().wrap(sessions.middleware()).route("/", web::get().to(count));
    let app = init_service(app).await;

    let first = call_service(&app, TestRequest::get().to_request()).await;
    let cookie = first.response().cookies().next().expect("the session cookie").into_owned();
    let visit = || TestRequest::get().cookie(cookie.clone()).to_request();
    assert_eq!(call_and_read_body(&app, visit()).await, "visit 2");
    time.fetch_add(settings.ttl().as_secs(), Ordering::Relaxed);
    assert_eq!(call_and_read_body(&app, visit()).await, "visit 1");
}
