//! The lecture's page `/task/redis_session_get`, and the redirect from `/task`.

use service_kit::testing::browser;

use crate::support::{Browser, start};

fn lines(html: &str) -> Vec<&str> {
    html.lines().filter(|line| line.starts_with("사용자")).collect()
}

#[actix_web::test]
async fn page_is_blank_without_a_session() {
    let server = start();
    let request = browser().get(server.url("/task/redis_session_get"));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(!response.headers().contains_key("set-cookie"));
    let html = response.text().await.unwrap();
    assert_eq!(lines(&html), ["사용자 이름 : <br>", "사용자 아이디 : <br>"]);
}

#[actix_web::test]
async fn page_shows_session_fields_of_any_type() {
    let server = start();
    for (fields, shown) in [
        ([r#""홍길동""#, r#""kky""#], ["홍길동", "kky"]),
        (
            [r#""<b>x</b> & y""#, r#""\"'""#],
            ["&#60;b&#62;x&#60;/b&#62; &#38; y", "&#34;&#39;"],
        ),
        ([r#""""#, "null"], ["", ""]),
        (["42", "-1.5"], ["42", "-1.5"]),
        (
            ["true", r#"["a", {"b": 1}]"#],
            ["true", "[&#34;a&#34;,{&#34;b&#34;:1}]"],
        ),
    ] {
        let browser = Browser::new(&server);
        browser.set_field("username", fields[0]).await;
        browser.set_field("userid", fields[1]).await;
        let response = browser.get("/task/redis_session_get").await;
        assert_eq!(response.status, 200, "{fields:?}");
        let [name, id] = shown;
        let expected = [format!("사용자 이름 : {name}<br>"), format!("사용자 아이디 : {id}<br>")];
        assert_eq!(lines(&response.html), expected, "{fields:?}");
    }
}

#[actix_web::test]
async fn address_without_slash_redirects_permanently() {
    let server = start();
    let response = browser().get(server.url("/task")).send().await.unwrap();
    assert_eq!(response.status(), 301);
    assert_eq!(response.headers()["location"], "/task/");
}
