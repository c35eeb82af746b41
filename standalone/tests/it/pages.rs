//! Tests both services in one process.

use service_kit::testing::{Browser, Running};
use shared_session_testkit::servers::RedisServer;
use standalone::{SERVICE, routes};

const BLANK: [&str; 2] = ["사용자 이름 : <br>", "사용자 아이디 : <br>"];
const FILLED: [&str; 2] = ["사용자 이름 : 홍길동<br>", "사용자 아이디 : kky<br>"];

async fn lines(browser: &Browser, path: &str) -> Vec<String> {
    let page = browser.get(path).await;
    assert_eq!(page.status, 200);
    let lines = page.html.lines().filter(|line| line.starts_with("사용자"));
    lines.map(str::to_owned).collect()
}

#[actix_web::test]
async fn services_share_the_session_of_one_browser() {
    let server = Running::start(&SERVICE, routes, &[]);
    let (one, other) = (Browser::new(&server), Browser::new(&server));
    assert_eq!(lines(&one, "/task/redis_session_get").await, BLANK);
    assert_eq!(lines(&one, "/user/redis_session_set").await, FILLED);
    assert_eq!(lines(&one, "/task/redis_session_get").await, FILLED);
    assert_eq!(lines(&other, "/task/redis_session_get").await, BLANK);
}

/// Both services show the session in the same way, with the same fields and values.
#[actix_web::test]
async fn services_show_the_same_session() {
    let server = Running::start(&SERVICE, routes, &[]);
    let browser = Browser::new(&server);
    let register = [
        ("id", "anna"),
        ("name", "<Anna>"),
        ("password", "correct horse battery"),
    ];
    assert_eq!(browser.post("/user/register", &register).await.status, 303);
    let mut panels = Vec::new();
    // the first page takes the message out of the session
    browser.get("/user/").await;
    for (path, service) in [("/user/", "user-service"), ("/task/", "task-service")] {
        let page = browser.get(path).await;
        let panel = page.between("<section class=\"card session\"", "</section>").unwrap();
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
        let password = ("password", "correct horse battery");
        for _ in 0..2 {
            let browser = Browser::new(&server);
            let register = [("id", "anna"), ("name", "Anna"), password];
            assert_eq!(browser.post("/user/register", &register).await.status, 303);
            let page = browser.get("/task/").await;
            page.shows("Your tasks");
            page.hides("buy milk");
            assert_eq!(browser.post("/task/", &[("title", "buy milk")]).await.status, 303);
            browser.get("/task/").await.shows("buy milk");
            assert_eq!(browser.post("/user/delete", &[password]).await.status, 200);
        }
    }
}

#[actix_web::test]
async fn addresses_of_the_lecture_work() {
    let server = Running::start(&SERVICE, routes, &[]);
    let browser = Browser::new(&server);
    assert_eq!(lines(&browser, "/task/redis_session_get.php").await, BLANK);
    assert_eq!(lines(&browser, "/user/redis_session_set.php").await, FILLED);
    assert_eq!(lines(&browser, "/task/redis_session_get.php").await, FILLED);
}

#[actix_web::test]
async fn root_redirects_to_the_first_page() {
    let server = Running::start(&SERVICE, routes, &[]);
    let browser = Browser::new(&server);
    let response = browser.get("/").await;
    assert_eq!((response.status, response.header("location")), (302, Some("/user/")));
    for path in ["/user/", "/task/", "/user/style.css", "/task/style.css"] {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
    }
}

/// Each service draws its own card of the session, and both show what either of them wrote.
#[actix_web::test]
async fn cards_show_what_the_other_service_wrote_until_the_session_ends() {
    let server = Running::start(&SERVICE, routes, &[]);
    let browser = Browser::new(&server);
    for id in ["user", "task"] {
        let note = [("name", "color"), ("value", "green")];
        let response = browser.post(&format!("/{id}/note"), &note).await;
        assert_eq!(response.redirects_to(), Some("/user/"));
    }
    for (id, name) in [("user", "user-service"), ("task", "task-service")] {
        let card = browser.get(&format!("/{id}/session.svg")).await;
        card.shows(&format!("<title>The session, as {name} reads it</title>"));
        card.shows(">user.color</text>");
        card.shows(">task.color</text>");
    }
    assert_eq!(browser.post("/user/logout", &[]).await.status, 303);
    for id in ["user", "task"] {
        browser.get(&format!("/{id}/session.svg")).await.shows("no session");
    }
}

#[actix_web::test]
async fn first_page_says_how_to_start_a_program_that_does_not_run() {
    let server = Running::start(&SERVICE, routes, &[]);
    let page = Browser::new(&server).get("/user/").await;
    for id in ["user", "task"] {
        page.shows(&format!("<img src=\"/{id}/session.svg\""));
    }
    for id in ["python", "node", "php"] {
        page.hides(&format!("/{id}/session.svg"));
    }
    page.shows("--profile polyglot up");
}

#[actix_web::test]
async fn every_page_says_which_service_it_is_from() {
    let server = Running::start(&SERVICE, routes, &[]);
    let browser = Browser::new(&server);
    for (path, service) in [
        ("/user/", "user-service"),
        ("/user/login", "user-service"),
        ("/user/redis_session_set", "user-service"),
        ("/user/nothing", "user-service"),
        ("/task/", "task-service"),
        ("/task/redis_session_get", "task-service"),
        ("/task/nothing", "task-service"),
    ] {
        let page = browser.get(path).await;
        page.shows(&format!("This page is from {service}."));
        page.shows("<a href=\"/user/\">Shared session</a>");
    }
}
