//! Tests the pages under `/user` that need no account.

use service_kit::testing::{Running, browser};
use user_service::{SERVICE, routes};

#[actix_web::test]
async fn lecture_page_sets_the_session_and_shows_it() {
    let server = Running::start(&SERVICE, routes, &[]);
    let browser = browser();
    let response = browser.get(server.url("/user/redis_session_set")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(response.headers().contains_key("set-cookie"));
    let html = response.text().await.unwrap();
    assert!(html.contains("<html lang=\"ko\">"), "{html}");
    let lines: Vec<_> = html.lines().collect();
    assert!(lines.contains(&"사용자 이름 : 홍길동<br>"), "{html}");
    assert!(lines.contains(&"사용자 아이디 : kky<br>"), "{html}");

    let html = browser
        .get(server.url("/user/"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(html.contains("You have a session"), "{html}");
    assert!(html.contains("<strong>홍길동</strong>"), "{html}");
    assert!(html.contains("<code>userid</code> and <code>username</code>"), "{html}");
}

#[actix_web::test]
async fn first_page_creates_no_session() {
    let server = Running::start(&SERVICE, routes, &[]);
    let response = browser().get(server.url("/user/")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(!response.headers().contains_key("set-cookie"));
    let html = response.text().await.unwrap();
    assert!(html.contains("No session yet"), "{html}");
    for link in ["/task/", "/user/redis_session_set", "/task/redis_session_get"] {
        assert!(html.contains(&format!("href=\"{link}\"")), "{link}: {html}");
    }
}

#[actix_web::test]
async fn address_without_a_slash_redirects_permanently() {
    let server = Running::start(&SERVICE, routes, &[]);
    let response = browser().get(server.url("/user")).send().await.unwrap();
    assert_eq!(response.status(), 301);
    assert_eq!(response.headers()["location"], "/user/");
}

#[actix_web::test]
async fn request_without_a_cookie_is_served_while_the_store_is_unavailable() {
    let server = Running::start(&SERVICE, routes, &["--session-store", "redis://127.0.0.1:1"]);
    let response = browser().get(server.url("/user/")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let response = browser()
        .get(server.url("/user/redis_session_set"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("set-cookie"));
}
