//! `/metrics` shows what known requests did.

use actix_web::web::{self, ServiceConfig};
use service_kit::testing::{Running, browser, reqwest, start};
use shared_session::Session;
use shared_session_testkit::alone::alone;

fn routes(config: &mut ServiceConfig) {
    config
        .route(
            "/test/set",
            web::get().to(async |session: Session| session.insert("secret-name", "secret-value").map(|()| "done")),
        )
        .route(
            "/test/end",
            web::get().to(async |session: Session| {
                session.purge();
                "done"
            }),
        );
}

async fn metrics(service: &Running) -> String {
    let response = reqwest::get(service.url("/metrics")).await.unwrap();
    assert_eq!(response.status(), 200);
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert!(content_type.starts_with("text/plain; version=0.0.4"), "{content_type}");
    response.text().await.unwrap()
}

/// Returns the value of a sample, such as `session_created_total`.
fn sample(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

#[actix_web::test]
async fn metrics_tell_what_requests_did() {
    if !alone(metrics_tell_what_requests_did) {
        return;
    }
    let service = start(routes, &[]);
    let before = metrics(&service).await;
    assert_eq!(sample(&before, "session_circuit_breaker_open"), Some(0.0), "{before}");
    assert_eq!(sample(&before, "session_created_total"), None);

    let (one, other) = (browser(), browser());
    for (browser, path) in [(&one, "/test/set"), (&other, "/test/set"), (&one, "/test/end")] {
        assert_eq!(browser.get(service.url(path)).send().await.unwrap().status(), 200);
    }
    let after = metrics(&service).await;
    for (name, value) in [
        ("session_created_total", 2.0),
        ("session_destroyed_total", 1.0),
        ("session_record_size_bytes_count", 2.0),
        ("session_record_size_bytes_bucket{le=\"256\"}", 2.0),
        (
            "db_client_operation_duration_seconds_count{db_system_name=\"memory\",db_operation_name=\"create\"}",
            2.0,
        ),
        (
            "db_client_operation_duration_seconds_bucket{db_system_name=\"memory\",db_operation_name=\"load\",le=\"5\"}",
            1.0,
        ),
    ] {
        assert_eq!(sample(&after, name), Some(value), "{name}:\n{after}");
    }
    assert!(after.contains("# TYPE session_created_total counter"), "{after}");
    assert!(!after.contains("secret"), "{after}");

    let documentation = include_str!("../../../docs/deployment.md");
    let mut names: Vec<_> = after
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    names.extend([
        "session_renewed_total",
        "session_revoked_total",
        "session_requests_refused_total",
        "session_compare_and_set_retries_total",
    ]);
    for name in names {
        assert!(
            documentation.contains(&format!("| `{name}` |")),
            "{name} is not in the table"
        );
    }
}
