//! The routes `/healthz` and `/readyz`.

use service_kit::testing::{browser, start};
use shared_session_testkit::servers::RedisServer;

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
async fn service_with_a_full_store_is_not_ready_and_its_metrics_say_why() {
    let redis = RedisServer::start();
    let server = start(|_| {}, &["--session-store", &redis.url()]);
    for (memory, status) in [("0", 200), ("1", 503)] {
        let () = redis.run(&["CONFIG", "SET", "maxmemory", memory]);
        let response = browser().get(server.url("/readyz")).send().await.unwrap();
        assert_eq!(response.status(), status, "maxmemory {memory}");
    }
    let metrics = browser().get(server.url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let refused = r#"{db_system_name="redis",db_operation_name="check",error_type="refused"} 1"#;
    let sample = format!("db_client_operation_duration_seconds_count{refused}");
    assert!(metrics.lines().any(|line| line == sample), "{metrics}");
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
