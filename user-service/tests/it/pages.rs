//! Tests the pages under `/user` that need no account.

use service_kit::testing::{Browser, Running, browser};
use user_service::{SERVICE, routes};

#[actix_web::test]
async fn lecture_page_sets_the_session_and_shows_it() {
    let server = Running::start(&SERVICE, routes, &[]);
    let browser = browser();
    let response = browser.get(server.url("/user/redis_session_set")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    let id = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
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
    assert!(html.contains("Your session, as user-service sees it"), "{html}");
    for (name, value) in [("userid", "kky"), ("username", "홍길동")] {
        let row = format!("<tr><th scope=\"row\"><code>{name}</code></th><td><code>&#34;{value}&#34;</code></td></tr>");
        assert!(html.contains(&row), "{html}");
    }
    for label in ["Created", "Last used", "Ends if unused", "Ends in any case", "Size"] {
        assert!(html.contains(&format!("<dt>{label}</dt>")), "{label}: {html}");
    }
    assert!(
        !html.contains("id renewed") && !html.contains(&id[..20]) && !html.contains(&id[20..]),
        "{html}"
    );
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

/// A link on another site must not change the session of whoever follows it.
#[actix_web::test]
async fn lecture_page_asks_before_it_sets_the_session_for_another_site() {
    let server = Running::start(&SERVICE, routes, &[]);
    let get = |site: &'static str| {
        let get = browser().get(server.url("/user/redis_session_set"));
        get.header("sec-fetch-site", site)
    };
    for (site, asks) in [
        ("cross-site", true),
        ("same-site", true),
        ("same-origin", false),
        ("none", false),
    ] {
        let response = get(site).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().contains_key("set-cookie"), !asks, "{site}");
        let html = response.text().await.unwrap();
        assert_eq!(
            html.contains("<button>Set the session</button>"),
            asks,
            "{site}: {html}"
        );
    }
    for (site, status) in [("same-origin", 200), ("cross-site", 403)] {
        let post = browser().post(server.url("/user/redis_session_set"));
        let response = post.header("sec-fetch-site", site).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().contains_key("set-cookie"), status == 200);
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

#[actix_web::test]
async fn first_page_shows_a_card_of_each_program() {
    let server = Running::start(&SERVICE, routes, &[]);
    let page = Browser::new(&server).get("/user/").await;
    for id in ["user", "task", "python", "node", "php"] {
        page.shows(&format!("<img src=\"/{id}/session.svg\""));
        page.shows(&format!("formaction=\"/{id}/note\""));
    }
}

/// Only the first page runs a script, and only one from this site.
#[actix_web::test]
async fn first_page_alone_permits_its_script() {
    let server = Running::start(&SERVICE, routes, &[]);
    let browser = Browser::new(&server);
    let page = browser.get("/user/").await;
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("script-src 'self'; connect-src 'self'")
    );
    let script = page.between("<script src=\"", "\"").unwrap();
    let script = browser.get(script).await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(browser.get("/user/login").await.header("content-security-policy"), None);
}

#[actix_web::test]
async fn first_page_counts_the_fields_that_were_written_at_once() {
    let server = Running::start(&SERVICE, routes, &[]);
    let browser = Browser::new(&server);
    for (by, message) in [
        ("", None),
        ("user", None),
        ("user,nobody", None),
        (
            "user,task",
            Some("2 programs wrote at the same moment. 1 of 2 fields are in the session."),
        ),
    ] {
        let note = [("name", "color"), ("value", "green")];
        assert_eq!(browser.post("/user/note", &note).await.status, 303);
        let page = browser.get(&format!("/user/?wrote=color&by={by}")).await;
        assert_eq!(page.message(), message);
    }
}
