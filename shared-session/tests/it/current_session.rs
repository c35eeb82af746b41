//! What [`CurrentSession`] says about the session of a request, with a clock that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use actix_web::http::header::{COOKIE, SET_COOKIE};
use actix_web::test::{TestRequest, call_and_read_body, call_service, init_service};
use actix_web::{App, Responder, web};
use shared_session::{Clock, CurrentSession, Session, SessionManager, Settings};

const START: u64 = 1_763_830_000;

async fn set(session: Session, field: web::Path<(String, String)>) -> actix_web::Result<impl Responder> {
    let (name, value) = field.into_inner();
    session.insert(name, value)?;
    session.renew();
    Ok("")
}

/// Shows the times as seconds since the start of the test.
async fn show(current: CurrentSession) -> String {
    let times = [current.created(), current.idle_end(), current.lifetime_end()];
    let seconds = times.map(|time| time.map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_secs() - START));
    format!("{seconds:?} {:?}", current.size().map(|size| size > 50))
}

#[actix_web::test]
async fn current_session_tells_its_times_and_its_size() {
    let now = Arc::new(AtomicU64::new(START));
    let clock = now.clone();
    let settings = Settings::default().with_ttl(Duration::from_secs(600)).unwrap();
    let settings = settings.with_lifetime(Duration::from_secs(1000)).unwrap();
    let sessions = SessionManager::builder(&settings)
        .clock(Clock::new(move || Duration::from_secs(clock.load(Ordering::SeqCst))))
        .build()
        .unwrap();
    let app = App::new()
        .service(
            web::resource("/poll")
                .wrap(sessions.middleware().extend_idle_timeout(false))
                .to(show),
        )
        .service(
            web::scope("")
                .wrap(sessions.middleware())
                .route("/show", web::get().to(show))
                .route("/set/{name}/{value}", web::get().to(set)),
        );
    let app = init_service(app).await;
    let get = |path: &str, cookie: &str| {
        let request = TestRequest::get().uri(path);
        request.insert_header((COOKIE, cookie.to_owned())).to_request()
    };
    assert_eq!(
        call_and_read_body(&app, get("/show", "")).await,
        "[None, None, None] None"
    );
    let cookie = async |path: &str, cookie: &str| {
        let response = call_service(&app, get(path, cookie)).await;
        let cookie = response.headers().get(SET_COOKIE).unwrap().to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    };
    let created = cookie("/set/a/1", "").await;
    now.fetch_add(100, Ordering::SeqCst);
    let expected = "[Some(0), Some(700), Some(1000)] Some(true)";
    assert_eq!(call_and_read_body(&app, get("/show", &created)).await, expected);
    let expected = "[Some(0), None, Some(1000)] Some(true)";
    assert_eq!(call_and_read_body(&app, get("/poll", &created)).await, expected);
    // a sign-in begins the lifetime anew
    let signed_in = cookie("/set/userid/anna", &created).await;
    now.fetch_add(500, Ordering::SeqCst);
    // the lifetime ends before the idle timeout
    let expected = "[Some(0), Some(1100), Some(1100)] Some(true)";
    assert_eq!(call_and_read_body(&app, get("/show", &signed_in)).await, expected);
}
