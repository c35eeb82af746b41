//! A counter with a log-in, in the style of the session examples of actix, with JSON responses.

use std::collections::HashMap;

use actix_session::{Session, SessionExt, SessionStatus};
use actix_web::test::init_service;
use actix_web::{App, HttpRequest, HttpResponse, Responder, Result, web};
use serde::{Deserialize, Serialize};

use super::super::middleware::Sessions;
use super::start;
use crate::support::Browser;

#[derive(Serialize)]
struct Visitor {
    name: Option<String>,
    count: u32,
}

fn visitor(session: &Session) -> Result<Visitor> {
    Ok(Visitor {
        name: session.get("name")?,
        count: session.get("count")?.unwrap_or(0),
    })
}

async fn show(session: Session) -> Result<impl Responder> {
    Ok(web::Json(visitor(&session)?))
}

async fn count(session: Session) -> Result<impl Responder> {
    let mut visitor = visitor(&session)?;
    visitor.count += 1;
    session.insert("count", visitor.count)?;
    Ok(web::Json(visitor))
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

async fn log_in(form: web::Form<Login>, session: Session) -> Result<impl Responder> {
    session.insert("name", &form.name)?;
    session.renew();
    Ok(web::Json(visitor(&session)?))
}

async fn log_out(request: HttpRequest) -> Result<HttpResponse> {
    let session = request.get_session();
    let Some(name) = session.remove_as::<String>("name") else {
        return Ok(HttpResponse::Ok().body("nobody is signed in"));
    };
    session.purge();
    assert!(matches!(session.status(), SessionStatus::Purged));
    let name = name.unwrap_or_default();
    Ok(HttpResponse::Ok().body(format!("signed out: {name}")))
}

/// Empties the session and keeps it.
async fn forget(session: Session) -> Result<HttpResponse> {
    session.clear();
    Ok(HttpResponse::Ok().finish())
}

/// Shows every entry, as JSON text.
async fn entries(session: Session) -> impl Responder {
    let entries: HashMap<String, String> = session.entries().clone();
    web::Json(entries)
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(show))
        .route("/count", web::post().to(count))
        .route("/login", web::post().to(log_in))
        .route("/logout", web::post().to(log_out))
        .route("/forget", web::post().to(forget))
        .route("/entries", web::get().to(entries));
}

macro_rules! service {
    ($sessions:expr) => {
        init_service(App::new().configure(routes).wrap($sessions.middleware())).await
    };
}

#[actix_web::test]
async fn count_grows_and_survives_a_log_in() {
    let (_redis, sessions) = start().await;
    let (service, mut browser) = (service!(sessions), Browser::default());
    assert_eq!(browser.get(&service, "/").await.body, r#"{"name":null,"count":0}"#);
    assert_eq!(browser.cookie(Sessions::COOKIE), None);
    browser.post(&service, "/count", &[]).await;
    assert_eq!(
        browser.post(&service, "/count", &[]).await.body,
        r#"{"name":null,"count":2}"#
    );
    let page = browser.post(&service, "/login", &[("name", "kky")]).await;
    assert_eq!(page.body, r#"{"name":"kky","count":2}"#);
    browser.post(&service, "/count", &[]).await;
    assert_eq!(browser.get(&service, "/").await.body, r#"{"name":"kky","count":3}"#);
    assert_eq!(
        browser.get(&service, "/entries").await.body.len(),
        r#"{"name":"\"kky\"","count":"3"}"#.len()
    );
}

#[actix_web::test]
async fn log_in_replaces_the_cookie() {
    let (_redis, sessions) = start().await;
    let (service, mut browser) = (service!(sessions), Browser::default());
    browser.post(&service, "/count", &[]).await;
    let mut before = browser.clone();
    browser.post(&service, "/login", &[("name", "kky")]).await;
    assert_ne!(before.cookie(Sessions::COOKIE), browser.cookie(Sessions::COOKIE));
    assert_eq!(before.get(&service, "/").await.body, r#"{"name":null,"count":0}"#);
}

#[actix_web::test]
async fn log_out_ends_the_session() {
    let (_redis, sessions) = start().await;
    let (service, mut browser) = (service!(sessions), Browser::default());
    assert_eq!(browser.post(&service, "/logout", &[]).await.body, "nobody is signed in");
    browser.post(&service, "/login", &[("name", "kky")]).await;
    let mut copy = browser.clone();
    assert_eq!(browser.post(&service, "/logout", &[]).await.body, "signed out: kky");
    assert_eq!(browser.cookie(Sessions::COOKIE), None);
    assert_eq!(copy.get(&service, "/").await.body, r#"{"name":null,"count":0}"#);
}

#[actix_web::test]
async fn cleared_session_is_empty() {
    let (_redis, sessions) = start().await;
    let (service, mut browser) = (service!(sessions), Browser::default());
    browser.post(&service, "/login", &[("name", "kky")]).await;
    browser.post(&service, "/forget", &[]).await;
    assert_eq!(browser.get(&service, "/entries").await.body, "{}");
}

#[actix_web::test]
async fn another_process_knows_the_session() {
    let (_redis, sessions) = start().await;
    let (one, other, mut browser) = (service!(sessions), service!(sessions), Browser::default());
    browser.post(&one, "/login", &[("name", "kky")]).await;
    assert_eq!(browser.get(&other, "/").await.body, r#"{"name":"kky","count":0}"#);
}
