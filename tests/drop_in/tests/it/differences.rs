//! What differs between the two middlewares: the rows of the table in `docs/migration.md` that the applications do not show.

use std::time::Duration;

use actix_http::Request;
use actix_session::config::{BrowserSession, TtlExtensionPolicy};
use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::body::{MessageBody, to_bytes};
use actix_web::cookie::Key;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, Result, web};
use shared_session::{SessionManager, Settings};
use shared_session_testkit::TestClock;
use shared_session_testkit::servers::RedisServer;

use crate::support::Browser;

const HOUR: Duration = Duration::from_secs(60 * 60);
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

async fn sign_in(session: Session) -> Result<&'static str> {
    session.renew();
    session.insert("user_id", 42)?;
    Ok("")
}

async fn user(session: Session) -> Result<String> {
    Ok(session.get::<u32>("user_id")?.unwrap_or_default().to_string())
}

async fn count(session: Session) -> Result<String> {
    session.update_or("count", 1, |count: u32| count + 1).unwrap();
    Ok(session.get::<u32>("count")?.unwrap_or_default().to_string())
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/sign-in", web::post().to(sign_in))
        .route("/user", web::get().to(user))
        .route("/count", web::post().to(count));
}

async fn with_actix_session(
    redis: &RedisServer,
    policy: TtlExtensionPolicy,
) -> impl Service<Request, Response = ServiceResponse, Error = Error> + use<> {
    let store = RedisSessionStore::new(redis.url()).await.unwrap();
    let sessions = SessionMiddleware::builder(store, Key::generate())
        .session_lifecycle(BrowserSession::default().state_ttl_extension_policy(policy))
        .build();
    init_service(App::new().configure(routes).wrap(sessions)).await
}

async fn with_shared_session(
    redis: &RedisServer,
    every_request_extends: bool,
) -> impl Service<Request, Response = ServiceResponse, Error = Error> + use<> {
    let settings = Settings::default().with_store(&redis.url()).unwrap();
    let sessions = SessionManager::new(&settings).unwrap();
    init_service(
        App::new()
            .configure(routes)
            .wrap(sessions.middleware().extend_idle_timeout(every_request_extends)),
    )
    .await
}

/// Returns what a third request of one browser gets.
async fn third_count(service: &impl Service<Request, Response = ServiceResponse, Error = Error>) -> String {
    let mut browser = Browser::default();
    for _ in 0..2 {
        browser.post(service, "/count", &[]).await;
    }
    browser.post(service, "/count", &[]).await.body
}

#[actix_web::test]
async fn update_or_of_a_field_that_exists_is_stored_here_and_not_there() {
    let redis = RedisServer::start();
    let there = with_actix_session(&redis, TtlExtensionPolicy::OnStateChanges).await;
    assert_eq!(third_count(&there).await, "2");
    assert_eq!(third_count(&with_shared_session(&redis, true).await).await, "3");
}

/// Returns whether a request that only reads extends the time of its record.
async fn read_extends(
    redis: &RedisServer,
    service: &impl Service<Request, Response = ServiceResponse, Error = Error>,
) -> bool {
    let () = redis.run(&["FLUSHALL"]);
    let mut browser = Browser::default();
    browser.post(service, "/sign-in", &[]).await;
    let key = redis.run::<Vec<String>>(&["KEYS", "*"]).remove(0);
    let _: u32 = redis.run(&["EXPIRE", &key, "100"]);
    assert_eq!(browser.get(service, "/user").await.body, "42");
    redis.run::<u32>(&["TTL", &key]) > 100
}

#[actix_web::test]
async fn every_request_extends_a_session_here_and_there_only_with_a_policy() {
    let redis = RedisServer::start();
    let there = with_actix_session(&redis, TtlExtensionPolicy::OnStateChanges).await;
    assert!(!read_extends(&redis, &there).await);
    let there = with_actix_session(&redis, TtlExtensionPolicy::OnEveryRequest).await;
    assert!(read_extends(&redis, &there).await);
    assert!(read_extends(&redis, &with_shared_session(&redis, true).await).await);
    assert!(!read_extends(&redis, &with_shared_session(&redis, false).await).await);
}

/// Calls a service with a session whose key holds a list.
async fn call_with_failing_store<B: MessageBody>(
    redis: &RedisServer,
    service: &impl Service<Request, Response = ServiceResponse<B>, Error = Error>,
    cookie: &str,
) -> Result<ServiceResponse<B>> {
    let () = redis.run(&["FLUSHALL"]);
    let sign_in = TestRequest::post().uri("/sign-in").to_request();
    let response = service.call(sign_in).await.unwrap();
    let cookies: Vec<_> = response.response().cookies().collect();
    let session = cookies.iter().find(|session| session.name() == cookie).unwrap();
    for key in redis.run::<Vec<String>>(&["KEYS", "*"]) {
        let _: u32 = redis.run(&["DEL", &key]);
        let _: u32 = redis.run(&["RPUSH", &key, ""]);
    }
    service
        .call(TestRequest::get().uri("/user").cookie(session.clone()).to_request())
        .await
}

#[actix_web::test]
async fn failure_of_the_store_is_a_response_with_a_body_here_and_an_error_without_one_there() {
    let redis = RedisServer::start();
    let there = with_actix_session(&redis, TtlExtensionPolicy::OnStateChanges).await;
    let error = call_with_failing_store(&redis, &there, "id").await.err().unwrap();
    let response = error.error_response();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(to_bytes(response.into_body()).await.unwrap().is_empty());

    let here = with_shared_session(&redis, true).await;
    let response = call_with_failing_store(&redis, &here, "sid").await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let error = response.response().error().unwrap();
    assert!(error.as_error::<shared_session::Error>().is_some());
    assert!(!to_bytes(response.into_body()).await.unwrap().is_empty());
}

#[actix_web::test]
async fn service_starts_without_redis() {
    let mut redis = RedisServer::start();
    redis.kill();
    let service = with_shared_session(&redis, true).await;
    assert_eq!(Browser::default().get(&service, "/user").await.body, "0");
    let page = Browser::default().post(&service, "/sign-in", &[]).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// Returns the user after a day and an hour with a request every hour, and with a sign-in at the twentieth if the user
/// `signs_in_again`.
async fn user_after_a_day(settings: Settings, signs_in_again: bool) -> String {
    let clock = TestClock::default();
    let sessions = SessionManager::builder(&settings).clock(clock.clock()).build().unwrap();
    let service = init_service(App::new().configure(routes).wrap(sessions.middleware())).await;
    let mut browser = Browser::default();
    browser.post(&service, "/sign-in", &[]).await;
    for hour in 1..=25 {
        clock.advance(HOUR);
        match hour {
            20 if signs_in_again => browser.post(&service, "/sign-in", &[]).await,
            _ => browser.get(&service, "/user").await,
        };
    }
    browser.get(&service, "/user").await.body
}

#[actix_web::test]
async fn long_session_ttl_needs_a_long_lifetime() {
    let ttl = Settings::default().with_ttl(HOUR * 24 * 30).unwrap();
    assert_eq!(user_after_a_day(ttl.clone(), false).await, "0");
    assert_eq!(user_after_a_day(ttl.with_lifetime(LONGEST).unwrap(), false).await, "42");
}

#[actix_web::test]
async fn sign_in_restarts_the_lifetime_if_it_sets_the_principal_field() {
    let ttl = Settings::default().with_ttl(HOUR * 2).unwrap();
    assert_eq!(user_after_a_day(ttl.clone(), true).await, "0");
    assert_eq!(
        user_after_a_day(ttl.with_principal_field("user_id").unwrap(), true).await,
        "42"
    );
}
