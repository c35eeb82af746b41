//! The routes `/healthz` and `/readyz`.

use service_kit::testing::{browser, start};

#[actix_web::test]
async fn service_is_alive_and_ready() {
    let server = start(|_| {}, &[]);
    for path in ["/healthz", "/readyz"] {
        let response = browser().get(server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
        let response = browser().head(server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "HEAD {path}");
    }
}

#[actix_web::test]
async fn service_without_its_store_is_alive_but_not_ready() {
    let server = start(|_| {}, &["--session-store", "redis://127.0.0.1:1"]);
    for (path, status) in [("/healthz", 200), ("/readyz", 503)] {
        // both routes ignore the session
        let request = browser()
            .get(server.url(path))
            .header("Cookie", format!("sid={}", "a".repeat(48)));
        assert_eq!(request.send().await.unwrap().status(), status, "{path}");
    }
}
