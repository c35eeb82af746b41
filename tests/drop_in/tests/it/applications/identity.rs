//! A service whose users are known through actix-identity.

use std::time::Duration;

use actix_identity::config::LogoutBehavior;
use actix_identity::{Identity, IdentityMiddleware};
use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::rt::time::sleep;
use actix_web::test::init_service;
use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, Responder, Result, web};

use super::super::middleware::Sessions;
use super::{e500, start};
use crate::support::Browser;

async fn greet(user: Option<Identity>, session: Session) -> Result<String> {
    let language: Option<String> = session.get("language")?;
    let language = language.unwrap_or_default();
    match user {
        Some(user) => Ok(format!("hello {} {language}", user.id().map_err(e500)?)),
        None => Ok(format!("hello stranger {language}")),
    }
}

/// Only signed-in users pass the extractor.
async fn account(user: Identity) -> Result<String> {
    user.id().map_err(e500)
}

async fn log_in(request: HttpRequest, name: web::Path<String>) -> Result<impl Responder> {
    Identity::login(&request.extensions(), name.into_inner()).map_err(e500)?;
    Ok(HttpResponse::Ok())
}

async fn log_out(user: Identity) -> impl Responder {
    user.logout();
    HttpResponse::Ok()
}

async fn language(session: Session) -> Result<impl Responder> {
    session.insert("language", "ko")?;
    Ok(HttpResponse::Ok())
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(greet))
        .route("/account", web::get().to(account))
        .route("/login/{name}", web::post().to(log_in))
        .route("/logout", web::post().to(log_out))
        .route("/language", web::post().to(language));
}

macro_rules! service {
    ($sessions:expr, $identity:expr) => {
        init_service(
            App::new()
                .configure(routes)
                .wrap($identity)
                .wrap($sessions.middleware()),
        )
        .await
    };
}

#[actix_web::test]
async fn user_is_known_between_log_in_and_log_out() {
    let (_redis, sessions) = start().await;
    let service = service!(sessions, IdentityMiddleware::default());
    let mut browser = Browser::default();
    assert_eq!(browser.get(&service, "/account").await.status, StatusCode::UNAUTHORIZED);
    browser.post(&service, "/login/kky", &[]).await;
    assert_eq!(browser.get(&service, "/account").await.body, "kky");
    assert_eq!(browser.post(&service, "/logout", &[]).await.status, StatusCode::OK);
    assert_eq!(browser.get(&service, "/account").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.cookie(Sessions::COOKIE), None);
}

#[actix_web::test]
async fn log_in_keeps_the_session_and_replaces_the_id() {
    let (_redis, sessions) = start().await;
    let service = service!(sessions, IdentityMiddleware::default());
    let mut browser = Browser::default();
    browser.post(&service, "/language", &[]).await;
    let mut before = browser.clone();
    browser.post(&service, "/login/kky", &[]).await;
    assert_eq!(browser.get(&service, "/").await.body, "hello kky ko");
    assert_eq!(before.get(&service, "/").await.body, "hello stranger ");
    browser.post(&service, "/login/other", &[]).await;
    assert_eq!(browser.get(&service, "/").await.body, "hello other ko");
}

#[actix_web::test]
async fn log_out_may_keep_the_other_fields() {
    let (_redis, sessions) = start().await;
    let identity = IdentityMiddleware::builder()
        .logout_behavior(LogoutBehavior::DeleteIdentityKeys)
        .id_key("userid");
    let service = service!(sessions, identity.clone().build());
    let mut browser = Browser::default();
    browser.post(&service, "/language", &[]).await;
    browser.post(&service, "/login/kky", &[]).await;
    browser.post(&service, "/logout", &[]).await;
    assert_eq!(browser.get(&service, "/").await.body, "hello stranger ko");
}

#[actix_web::test]
async fn user_is_signed_out_after_the_visit_deadline() {
    let (_redis, sessions) = start().await;
    let identity = IdentityMiddleware::builder().visit_deadline(Some(Duration::from_secs(2)));
    let service = service!(sessions, identity.clone().build());
    let mut browser = Browser::default();
    browser.post(&service, "/login/kky", &[]).await;
    for _ in 0..4 {
        // the time of the last visit is stored in whole seconds
        sleep(Duration::from_millis(800)).await;
        assert_eq!(browser.get(&service, "/account").await.body, "kky");
    }
    sleep(Duration::from_secs(3)).await;
    assert_eq!(browser.get(&service, "/account").await.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn user_is_signed_out_after_the_login_deadline() {
    let (_redis, sessions) = start().await;
    let identity = IdentityMiddleware::builder().login_deadline(Some(Duration::from_secs(2)));
    let service = service!(sessions, identity.clone().build());
    let mut browser = Browser::default();
    browser.post(&service, "/login/kky", &[]).await;
    assert_eq!(browser.get(&service, "/account").await.body, "kky");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(browser.get(&service, "/account").await.status, StatusCode::UNAUTHORIZED);
}
