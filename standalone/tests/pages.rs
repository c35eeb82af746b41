//! Tests both services in one process.

#![allow(clippy::unwrap_used)]

use service_kit::testing::reqwest::Client;
use service_kit::testing::{Running, browser};
use standalone::{SERVICE, routes};

const BLANK: [&str; 2] = ["사용자 이름 : <br>", "사용자 아이디 : <br>"];
const FILLED: [&str; 2] = ["사용자 이름 : 홍길동<br>", "사용자 아이디 : kky<br>"];

async fn lines(browser: &Client, url: String) -> Vec<String> {
    let response = browser.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let html = response.text().await.unwrap();
    html.lines()
        .filter(|line| line.starts_with("사용자"))
        .map(str::to_owned)
        .collect()
}

#[actix_web::test]
async fn services_share_the_session_of_one_browser() {
    let server = Running::start(&SERVICE, routes, &[]);
    let (one, other) = (browser(), browser());
    assert_eq!(lines(&one, server.url("/task/redis_session_get")).await, BLANK);
    assert_eq!(lines(&one, server.url("/user/redis_session_set")).await, FILLED);
    assert_eq!(lines(&one, server.url("/task/redis_session_get")).await, FILLED);
    assert_eq!(lines(&other, server.url("/task/redis_session_get")).await, BLANK);
}

#[actix_web::test]
async fn addresses_of_the_lecture_work() {
    let server = Running::start(&SERVICE, routes, &[]);
    let browser = browser();
    assert_eq!(lines(&browser, server.url("/task/redis_session_get.php")).await, BLANK);
    assert_eq!(lines(&browser, server.url("/user/redis_session_set.php")).await, FILLED);
    assert_eq!(lines(&browser, server.url("/task/redis_session_get.php")).await, FILLED);
}

#[actix_web::test]
async fn root_redirects_to_the_first_page() {
    let server = Running::start(&SERVICE, routes, &[]);
    let response = browser().get(server.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], "/user/");
    for path in ["/user/", "/task/", "/user/style.css", "/task/style.css"] {
        let response = browser().get(server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
}
