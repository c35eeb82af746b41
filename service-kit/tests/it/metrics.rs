//! `/metrics` shows what known requests did.

use actix_web::web::{self, ServiceConfig};
use service_kit::testing::{Running, SERVICE, browser, reqwest, start};
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

/// Returns the sample that counts these requests.
fn requests(method: &str, route: &str, status: u16) -> String {
    let labels =
        format!("http_request_method=\"{method}\",http_route=\"{route}\",http_response_status_code=\"{status}\"");
    format!("http_server_request_duration_seconds_count{{{labels}}}")
}

#[actix_web::test]
async fn metrics_tell_what_requests_did() {
    if !alone(metrics_tell_what_requests_did) {
        return;
    }
    let service = start(routes, &[]);
    let before = metrics(&service).await;
    assert_eq!(sample(&before, "session_circuit_breaker_open"), Some(0.0), "{before}");
    // else the first increment would be none for Prometheus
    for counter in [
        "session_created_total",
        "session_renewed_total",
        "session_destroyed_total",
        "session_revoked_total",
        "session_compare_and_set_retries_total",
        "session_requests_refused_total{http_response_status_code=\"503\"}",
        "log_lines_lost_total",
    ] {
        assert_eq!(sample(&before, counter), Some(0.0), "{counter}:\n{before}");
    }
    let build_info = format!(
        "build_info{{service=\"{}\",version=\"{}\"}}",
        SERVICE.name, SERVICE.version
    );
    assert_eq!(sample(&before, &build_info), Some(1.0), "{before}");

    let (one, other) = (browser(), browser());
    for (browser, path) in [(&one, "/test/set"), (&other, "/test/set"), (&one, "/test/end")] {
        assert_eq!(browser.get(service.url(path)).send().await.unwrap().status(), 200);
    }
    // whatever clients ask for, the labels have few values
    for number in 0..3 {
        let url = service.url(&format!("/test/secret-{number}?secret"));
        assert_eq!(one.get(&url).send().await.unwrap().status(), 404);
        let invented = format!("SECRET{number}").parse().unwrap();
        assert_eq!(one.request(invented, &url).send().await.unwrap().status(), 403);
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
        (&requests("GET", "/test/set", 200), 2.0),
        (&requests("GET", "", 404), 3.0),
        (&requests("_OTHER", "", 403), 3.0),
    ] {
        assert_eq!(sample(&after, name), Some(value), "{name}:\n{after}");
    }
    assert!(after.contains("# TYPE session_created_total counter"), "{after}");
    assert!(!after.to_lowercase().contains("secret"), "{after}");

    let documentation = include_str!("../../../docs/monitoring.md");
    let names = after
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for name in names {
        assert!(
            documentation.contains(&format!("| `{name}` |")),
            "{name} is not in the table"
        );
    }
}
