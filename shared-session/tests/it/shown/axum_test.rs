use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use axum::routing::get;
use shared_session::{SessionManager, Settings};
use tower::ServiceExt; // the feature `util`

#[tokio::test]
async fn visits_are_counted() {
    let sessions = SessionManager::new(&Settings::default()).unwrap();
    let app = Router::new().route("/", get(count)).layer(sessions.layer());
    let visit = async |cookie: &str| {
        let request = Request::get("/").header(header::COOKIE, cookie).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };
    let first = visit("").await;
    let cookie = first.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
    let second = to_bytes(visit(cookie).await.into_body(), 1000).await.unwrap();
    assert_eq!(second, "visit 2");
}
