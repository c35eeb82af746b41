//! A limit of requests for each signed-in user, with actix-limitation.

use std::time::Duration;

use actix_limitation::{Limiter, RateLimiter};
use actix_session::{Session, SessionExt};
use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::test::init_service;
use actix_web::{App, HttpResponse, Result, web};

use super::start;
use crate::support::Browser;

async fn sign_in(session: Session, name: web::Path<String>) -> Result<HttpResponse> {
    session.insert("name", name.into_inner())?;
    Ok(HttpResponse::Ok().finish())
}

fn user(request: &ServiceRequest) -> Option<String> {
    let name: Option<String> = request.get_session().get("name").ok()?;
    name.map(|name| format!("limit:{name}"))
}

#[actix_web::test]
async fn each_user_has_a_limit() {
    let (redis, sessions) = start().await;
    let limiter = Limiter::builder(redis.url())
        .limit(2)
        .period(Duration::from_secs(600))
        .key_by(user)
        .build()
        .unwrap();
    let app = App::new()
        .app_data(web::Data::new(limiter))
        .route("/", web::get().to(HttpResponse::Ok))
        .route("/login/{name}", web::post().to(sign_in))
        .wrap(RateLimiter::default())
        .wrap(sessions.middleware());
    let service = init_service(app).await;
    let [mut anonymous, mut one, mut other] = [(); 3].map(|()| Browser::default());
    one.post(&service, "/login/one", &[]).await;
    other.post(&service, "/login/other", &[]).await;
    for (visit, expected) in [
        (1, StatusCode::OK),
        (2, StatusCode::OK),
        (3, StatusCode::TOO_MANY_REQUESTS),
    ] {
        assert_eq!(one.get(&service, "/").await.status, expected, "visit {visit}");
        assert_eq!(
            anonymous.get(&service, "/").await.status,
            StatusCode::OK,
            "visit {visit}"
        );
    }
    assert_eq!(other.get(&service, "/").await.status, StatusCode::OK);
}
