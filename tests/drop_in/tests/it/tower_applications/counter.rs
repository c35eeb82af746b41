//! Two counters, as tower-sessions' examples `counter` and `counter-extractor`: a handler with the session, and an extractor.

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use super::Sessions;
use crate::tower_support::Browser;

const COUNTER_KEY: &str = "counter";

#[derive(Default, Deserialize, Serialize)]
struct Counter(usize);

async fn handler(session: Session) -> String {
    let counter: Counter = session.get(COUNTER_KEY).await.unwrap().unwrap_or_default();
    session.insert(COUNTER_KEY, counter.0 + 1).await.unwrap();
    format!("Current count: {}", counter.0)
}

impl<S: Send + Sync> FromRequestParts<S> for Counter {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let session = Session::from_request_parts(parts, state).await?;
        let counter: Self = session.get(COUNTER_KEY).await.unwrap().unwrap_or_default();
        session.insert(COUNTER_KEY, counter.0 + 1).await.unwrap();
        Ok(counter)
    }
}

async fn extracted(counter: Counter) -> String {
    format!("Current count: {}", counter.0)
}

async fn renew(session: Session) -> Result<(), StatusCode> {
    session.cycle_id().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn forget(session: Session) -> Result<(), StatusCode> {
    let removed: Option<Counter> = session.remove(COUNTER_KEY).await.unwrap();
    removed.map(drop).ok_or(StatusCode::NOT_FOUND)
}

async fn end(session: Session) -> Result<(), StatusCode> {
    session.flush().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

fn app() -> Router {
    let routes = Router::new()
        .route("/", get(handler))
        .route("/extracted", get(extracted))
        .route("/renew", post(renew))
        .route("/forget", post(forget))
        .route("/end", post(end));
    Sessions::open().provide(routes)
}

#[tokio::test]
async fn count_grows_for_each_browser() {
    let (app, mut one, mut other) = (app(), Browser::default(), Browser::default());
    for count in 0..4 {
        let path = if count % 2 == 0 { "/" } else { "/extracted" };
        assert_eq!(one.get(&app, path).await.body, format!("Current count: {count}"));
    }
    assert_eq!(other.get(&app, "/extracted").await.body, "Current count: 0");
}

#[tokio::test]
async fn count_survives_a_renewal_and_not_its_end() {
    let (app, mut browser) = (app(), Browser::default());
    browser.get(&app, "/").await;
    let mut before = browser.clone();
    browser.post(&app, "/renew", "").await;
    assert_ne!(browser.cookie(Sessions::COOKIE), before.cookie(Sessions::COOKIE));
    assert_eq!(browser.get(&app, "/").await.body, "Current count: 1");
    assert_eq!(before.post(&app, "/forget", "").await.status, StatusCode::NOT_FOUND);
    let mut copy = browser.clone();
    browser.post(&app, "/end", "").await;
    assert_eq!(browser.cookie(Sessions::COOKIE), None);
    assert_eq!(copy.get(&app, "/").await.body, "Current count: 0");
}

#[tokio::test]
async fn field_can_be_removed() {
    let (app, mut browser) = (app(), Browser::default());
    assert_eq!(browser.post(&app, "/forget", "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.cookie(Sessions::COOKIE), None);
    browser.get(&app, "/").await;
    assert_eq!(browser.post(&app, "/forget", "").await.status, StatusCode::OK);
    assert_eq!(browser.get(&app, "/").await.body, "Current count: 0");
}
