//! The request id.
use actix_web::error::ErrorImATeapot;
use actix_web::web;

use service_kit::testing::reqwest::header::HeaderValue;
use service_kit::testing::{self, Running, browser};

fn start() -> Running {
    let routes = |config: &mut web::ServiceConfig| {
        let error = async || Err::<String, _>(ErrorImATeapot("no coffee"));
        config.route("/test/error", web::get().to(error));
    };
    testing::start(routes, &[])
}

async fn response_id(server: &Running, path: &str, id: Option<&[u8]>) -> String {
    let mut request = browser().get(server.url(path));
    if let Some(id) = id {
        request = request.header("X-Request-Id", HeaderValue::from_bytes(id).unwrap());
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.headers().get_all("x-request-id").iter().count(), 1);
    response.headers()["x-request-id"].to_str().unwrap().to_owned()
}

#[actix_web::test]
async fn valid_id_is_returned_on_every_path() {
    let server = start();
    for path in ["/healthz", "/test/style.css", "/test/nothing", "/test/error"] {
        for id in ["0123456789abcdef0123456789abcdef", "A-b_9", "x", &"y".repeat(64)] {
            assert_eq!(response_id(&server, path, Some(id.as_bytes())).await, id, "{path}");
        }
    }
}

#[actix_web::test]
async fn invalid_id_is_replaced_by_a_new_one() {
    let server = start();
    let long = "y".repeat(65);
    let invalid: [Option<&[u8]>; 7] = [
        None,
        Some(b""),
        Some(b"a b"),
        Some(b"a\"b"),
        Some(b"<b>"),
        Some("é".as_bytes()),
        Some(long.as_bytes()),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for id in invalid {
        let new = response_id(&server, "/healthz", id).await;
        assert_eq!(new.len(), 32, "{new}");
        assert!(new.bytes().all(|byte| byte.is_ascii_hexdigit()), "{new}");
        assert!(seen.insert(new));
    }
}
