//! Tests both services in one process.

use service_kit::testing::reqwest::Client;
use service_kit::testing::{Running, browser};
use shared_session_testkit::servers::RedisServer;
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

/// Both services show the session in the same way, with the same fields and values.
#[actix_web::test]
async fn services_show_the_same_session() {
    let server = Running::start(&SERVICE, routes, &[]);
    let browser = browser();
    let register = browser.post(server.url("/user/register"));
    let register = register.header("content-type", "application/x-www-form-urlencoded");
    let register = register.header("sec-fetch-site", "same-origin");
    let register = register.body("id=anna&name=<Anna>&password=correct+horse+battery");
    assert_eq!(register.send().await.unwrap().status(), 303);
    let mut panels = Vec::new();
    // the first page takes the message out of the session
    for (path, service) in [("/user/", ""), ("/user/", "user-service"), ("/task/", "task-service")] {
        let html = browser
            .get(server.url(path))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let (_, panel) = html.split_once("<section class=\"card session\"").unwrap();
        let (panel, _) = panel.split_once("</section>").unwrap();
        if service.is_empty() {
            continue;
        }
        assert!(
            panel.contains(&format!("Your session, as {service} sees it")),
            "{panel}"
        );
        assert!(panel.contains("<code>&#34;&#60;Anna&#62;&#34;</code>"), "{panel}");
        assert!(panel.contains("<dt>Signed in, id renewed</dt>"), "{panel}");
        panels.push(panel.replace(service, ""));
    }
    assert_eq!(panels[0], panels[1]);
}

#[actix_web::test]
async fn tasks_are_deleted_with_the_account() {
    let redis = RedisServer::start();
    for store in ["memory:", &redis.url()] {
        let server = Running::start(&SERVICE, routes, &["--session-store", store]);
        let password = "correct horse battery";
        let register = format!("id=anna&name=Anna&password={password}");
        for round in 0..2 {
            let browser = browser();
            let post = async |path: &str, body: &str| {
                let post = browser.post(server.url(path)).body(body.to_owned());
                let post = post.header("content-type", "application/x-www-form-urlencoded");
                post.header("sec-fetch-site", "same-origin").send().await.unwrap()
            };
            assert_eq!(post("/user/register", &register).await.status(), 303);
            let page = browser.get(server.url("/task/")).send().await.unwrap();
            let html = page.text().await.unwrap();
            assert!(
                html.contains("Your tasks") && !html.contains("buy milk"),
                "round {round}: {html}"
            );
            assert_eq!(post("/task/", "title=buy+milk").await.status(), 303);
            let page = browser.get(server.url("/task/")).send().await.unwrap();
            assert!(page.text().await.unwrap().contains("buy milk"));
            let deleted = post("/user/delete", &format!("password={password}")).await;
            assert_eq!(deleted.status(), 200);
        }
    }
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
