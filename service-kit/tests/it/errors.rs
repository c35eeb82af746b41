//! Error pages, which keep the status and the headers of the error.

use actix_web::error::ErrorInternalServerError;
use actix_web::web::{self, ServiceConfig};
use service_kit::Failure;
use service_kit::testing::{self, Running, browser};

fn start(arguments: &[&str]) -> Running {
    let routes = |config: &mut ServiceConfig| {
        let unavailable = async || Err::<&str, _>(Failure::Unavailable("secret reason".to_owned()));
        let broken = async || Err::<&str, _>(ErrorInternalServerError("secret reason"));
        let form = async |form: web::Form<Vec<(String, String)>>| format!("{:?}", form.0);
        config
            .route("/test/unavailable", web::get().to(unavailable))
            .route("/test/broken", web::get().to(broken))
            .route("/test/form", web::post().to(form));
    };
    testing::start(routes, arguments)
}

#[actix_web::test]
async fn error_page_hides_internal_reasons() {
    let server = start(&[]);
    for (path, status, message) in [
        ("/test/unavailable", 503, "cannot be reached at the moment"),
        ("/test/broken", 500, "it is not your fault"),
        ("/test/nothing", 404, "The address may be mistyped"),
    ] {
        let response = browser().get(server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8", "{path}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
        assert_eq!(response.headers().contains_key("retry-after"), status == 503, "{path}");
        let html = response.text().await.unwrap();
        assert!(html.contains("/test/style.css") && html.contains(message), "{html}");
        assert!(!html.contains("secret"), "{html}");
    }
}

#[actix_web::test]
async fn too_long_form_is_rejected() {
    let server = start(&[]);
    for (body, status) in [("a=b".to_owned(), 200), (format!("a={}", "b".repeat(50_000)), 413)] {
        let post = browser().post(server.url("/test/form")).body(body);
        let post = post.header("sec-fetch-site", "same-origin");
        let response = post.header("content-type", "application/x-www-form-urlencoded").send();
        assert_eq!(response.await.unwrap().status(), status);
    }
}

#[actix_web::test]
async fn session_error_is_a_page_or_json_as_the_client_accepts() {
    let server = start(&["--session-store", "redis://127.0.0.1:1"]);
    for (accept, kind, part) in [
        ("text/html", "text/html; charset=utf-8", "/test/style.css"),
        ("application/json", "application/problem+json", "\"status\":503"),
    ] {
        let request = browser().get(server.url("/test/unavailable"));
        let request = request.header("Cookie", format!("sid={}", "a".repeat(48)));
        let response = request.header("Accept", accept).send().await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["content-type"], kind);
        assert!(response.headers().contains_key("retry-after"));
        let body = response.text().await.unwrap();
        assert!(
            body.contains(part) && body.contains("You were not signed out"),
            "{body}"
        );
    }
}
