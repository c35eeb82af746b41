//! The page of the lecture, and the addresses.

#![allow(clippy::unwrap_used)]

use actix_web::web::{self, Json};
use service_kit::Resources;
use service_kit::testing::{Running, browser, reqwest};
use shared_session::Session;
use task_service::{SERVICE, routes};

/// The service, beside one that puts whatever it is sent into the session.
fn start() -> Running {
    let beside_set = |resources: &Resources| {
        let tasks = routes(resources);
        move |config: &mut web::ServiceConfig| {
            config.route("/set", web::post().to(set));
            tasks(config);
        }
    };
    Running::start(&SERVICE, beside_set, &[])
}

async fn set(
    session: Session,
    Json((username, userid)): Json<(serde_json::Value, serde_json::Value)>,
) -> actix_web::Result<String> {
    session.insert("username", username)?;
    session.insert("userid", userid)?;
    Ok(String::new())
}

async fn lines(response: reqwest::Response) -> Vec<String> {
    let html = response.text().await.unwrap();
    html.lines()
        .filter(|line| line.starts_with("사용자"))
        .map(str::to_owned)
        .collect()
}

#[actix_web::test]
async fn the_lecture_page_is_blank_before_anything_was_set() {
    let server = start();
    let response = browser()
        .get(server.url("/task/redis_session_get"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(!response.headers().contains_key("set-cookie"));
    assert_eq!(lines(response).await, ["사용자 이름 : <br>", "사용자 아이디 : <br>"]);
}

#[actix_web::test]
async fn it_shows_whatever_the_session_holds() {
    let server = start();
    for (body, shown) in [
        (r#"["홍길동", "kky"]"#, ["홍길동", "kky"]),
        (
            r#"["<b>x</b> & y", "\"'"]"#,
            ["&#60;b&#62;x&#60;/b&#62; &#38; y", "&#34;&#39;"],
        ),
        (r#"["", null]"#, ["", ""]),
        ("[42, -1.5]", ["42", "-1.5"]),
        (r#"[true, ["a", {"b": 1}]]"#, ["true", "[&#34;a&#34;,{&#34;b&#34;:1}]"]),
    ] {
        let browser = browser();
        let post = browser
            .post(server.url("/set"))
            .header("Content-Type", "application/json")
            .header("Sec-Fetch-Site", "same-origin")
            .body(body);
        assert_eq!(post.send().await.unwrap().status(), 200);
        let response = browser.get(server.url("/task/redis_session_get")).send().await.unwrap();
        assert_eq!(response.status(), 200, "{body}");
        let [name, id] = shown;
        let expected = [format!("사용자 이름 : {name}<br>"), format!("사용자 아이디 : {id}<br>")];
        assert_eq!(lines(response).await, expected, "{body}");
    }
}

#[actix_web::test]
async fn the_address_without_its_slash_leads_to_the_page() {
    let server = start();
    let response = browser().get(server.url("/task")).send().await.unwrap();
    assert_eq!(response.status(), 301);
    assert_eq!(response.headers()["location"], "/task/");
}
