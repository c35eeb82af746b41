//! Pages, missing pages, and the linked files.

use actix_web::web::ServiceConfig;
use service_kit::Service;
use service_kit::server::resource;
use service_kit::site::{Page, session_text};
use service_kit::testing::{Running, SERVICE, browser};
use shared_session::Session;

#[derive(askama::Template)]
#[template(source = "{{ text }}", ext = "html")]
struct TextPage {
    text: String,
}

/// Shows each field as text, sorted by name.
async fn fields(session: Session) -> actix_web::Result<Page<TextPage>> {
    session.insert("a", "<b>홍길동</b> & \"she\"")?;
    session.insert("b", 42)?;
    session.insert("c", [Some("x"), None])?;
    session.insert("d", None::<String>)?;
    session.insert("e", true)?;
    session.insert("f", "")?;
    let names = session_text::field_names(&session).into_iter().chain(["g".to_owned()]);
    let text: Vec<_> = names
        .map(|name| format!("{name}={}", session_text::field(&session, &name)))
        .collect();
    Ok(Page(TextPage { text: text.join("|") }))
}

fn start(arguments: &[&str]) -> Running {
    let routes = |config: &mut ServiceConfig| {
        config.service(resource("/test/fields", fields));
    };
    let service = Service {
        prefixes: &["/test", "/other"],
        ..SERVICE
    };
    Running::start(&service, |_| routes, arguments)
}

#[actix_web::test]
async fn page_shows_any_value_and_is_not_cached() {
    let server = start(&[]);
    let response = browser().get(server.url("/test/fields")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(
        response.text().await.unwrap(),
        "a=&#60;b&#62;홍길동&#60;/b&#62; &#38; &#34;she&#34;|b=42|c=[&#34;x&#34;,null]|d=|e=true|f=|g="
    );
}

#[actix_web::test]
async fn head_returns_the_headers_of_get_without_a_body() {
    let server = start(&[]);
    let get = browser().get(server.url("/test/fields")).send().await.unwrap();
    let head = browser().head(server.url("/test/fields")).send().await.unwrap();
    assert_eq!(head.status(), 200);
    for name in ["content-type", "content-length", "cache-control"] {
        assert_eq!(head.headers()[name], get.headers()[name], "{name}");
    }
    assert_eq!(head.text().await.unwrap(), "");
}

#[actix_web::test]
async fn other_methods_get_405_with_the_allowed_methods() {
    let server = start(&[]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        for path in ["/test/fields", "/test/style.css", "/healthz"] {
            let response = browser()
                .request(method.parse().unwrap(), server.url(path))
                .header("sec-fetch-site", "same-origin")
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 405, "{method} {path}");
            assert_eq!(response.headers()["allow"], "GET, HEAD", "{method} {path}");
            assert!(!response.headers().contains_key("set-cookie"), "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn missing_page_links_to_the_service_of_its_path() {
    let server = start(&[]);
    let home = [
        ("/test/x", "/test/"),
        ("/other/x/y", "/other/"),
        ("/otherwise", "/test/"),
        ("/", "/test/"),
        ("//example.com/<b>", "/test/"),
    ];
    for (path, home) in home {
        let response = browser().get(server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
        assert!(!response.headers().contains_key("set-cookie"), "{path}");
        let html = response.text().await.unwrap();
        let link = format!("href=\"{home}\">Go to the start page</a>");
        assert!(html.contains(&link), "{path}: {html}");
        assert!(!html.contains("example.com"), "{html}");
    }
}

#[actix_web::test]
async fn linked_files_are_cached_and_need_no_session() {
    // a browser with a cookie gets them even if the store is unavailable
    let server = start(&["--session-store", "redis://127.0.0.1:1"]);
    for (path, content_type) in [
        ("/test/style.css", "text/css; charset=utf-8"),
        ("/other/style.css", "text/css; charset=utf-8"),
        ("/test/icon.svg", "image/svg+xml"),
    ] {
        let request = browser()
            .get(server.url(path))
            .header("Cookie", format!("sid={}", "a".repeat(48)));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], content_type, "{path}");
        assert_eq!(response.headers()["cache-control"], "public, max-age=300", "{path}");
        assert!(!response.headers().contains_key("set-cookie"), "{path}");
    }
}
