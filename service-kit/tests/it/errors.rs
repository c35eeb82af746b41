//! Error pages, which keep the status and the headers of the error.

use actix_web::error::ErrorInternalServerError;
use actix_web::web::{self, ServiceConfig};
use service_kit::Failure;
use service_kit::site::User;
use service_kit::testing::{self, Browser, Running, browser, send};
use shared_session::{CurrentSession, Remember, Session};

fn start(arguments: &[&str]) -> Running {
    let routes = |config: &mut ServiceConfig| {
        let unavailable = async || Err::<&str, _>(Failure::Unavailable("secret reason".to_owned()));
        let broken = async || Err::<&str, _>(ErrorInternalServerError("secret reason"));
        let form = async |form: web::Form<Vec<(String, String)>>| format!("{:?}", form.0);
        let sign_in = async |session: Session, current: CurrentSession| {
            let [account, id, name] = ["account-of-anna", "anna", "Anna <b>"].map(str::to_owned);
            let user = User { account, id, name };
            user.sign_in(&session, &current, Remember::No).map(|()| "")
        };
        for path in ["/task/", "/user/login", "/user/password"] {
            config.route(path, web::post().to(unavailable));
        }
        config
            .route("/task/form", web::post().to(form))
            .route("/test/sign-in", web::get().to(sign_in))
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

#[actix_web::test]
async fn error_page_has_the_navigation_of_its_user() {
    let server = start(&[]);
    let browser = Browser::new(&server);
    for (name, links) in [
        (None, vec!["Account", "Tasks", "Sign in", "Register"]),
        (Some("Anna &#60;b&#62;"), vec!["Account", "Tasks", "Devices"]),
    ] {
        for path in ["/test/unavailable", "/test/nothing"] {
            let page = browser.get(path).await;
            assert_eq!(page.between("<strong>", "</strong>"), name);
            let shown: Vec<_> = page.all_between("<li><a href=\"", "</a></li>").collect();
            let shown: Vec<_> = shown.iter().filter_map(|link| link.split('>').next_back()).collect();
            assert_eq!(shown, links);
        }
        browser.get("/test/sign-in").await;
    }
    // nobody knows whether a user is signed in whose session cannot be loaded
    let server = start(&["--session-store", "redis://127.0.0.1:1"]);
    let request = Browser::new(&server).request("GET", "/test/unavailable");
    let page = send(request.header("cookie", format!("sid={}", "a".repeat(48)))).await;
    page.shows("<a href=\"/task/\">Tasks</a>");
    page.hides("Sign in");
}

#[actix_web::test]
async fn error_page_of_a_form_says_whether_it_was_carried_out() {
    const MAYBE: &str = "What you sent may have been carried out: look before you send it again.";
    const NOTHING: &str = "Nothing was changed.";
    let server = start(&[]);
    let browser = Browser::new(&server);
    for (path, status, outcome) in [("/user/password", 503, MAYBE), ("/test/nothing", 404, NOTHING)] {
        let page = browser.post(path, &[("a", "b")]).await;
        assert_eq!(page.status, status);
        page.shows(outcome);
        page.hides(if outcome == MAYBE { NOTHING } else { MAYBE });
    }
    // before the handler is called, nothing can have changed
    let server = start(&["--session-store", "redis://127.0.0.1:1"]);
    let request = Browser::new(&server).form("/user/password", &[("a", "b")]);
    let page = send(request.header("cookie", format!("sid={}", "a".repeat(48)))).await;
    assert_eq!(page.status, 503);
    page.shows(NOTHING);
    for path in ["/test/unavailable", "/test/nothing"] {
        let page = browser.get(path).await;
        page.hides(NOTHING);
        page.hides(MAYBE);
    }
}

#[actix_web::test]
async fn failed_form_is_shown_again_without_its_password() {
    let typed = "buy <milk> & \"빵\"";
    let escaped = "buy &#60;milk&#62; &#38; &#34;빵&#34;";
    let login = [
        ("next", "/task/?page=2"),
        ("id", "anna"),
        ("password", "secret words"),
        ("id", typed),
    ];
    for (arguments, cookie) in [(&[][..], ""), (&["--session-store", "redis://127.0.0.1:1"], "sid=")] {
        let server = start(arguments);
        let browser = Browser::new(&server);
        let post = async |path: &str, fields: &[(&str, &str)]| {
            let form = browser.form(path, fields);
            send(form.header("cookie", format!("{cookie}{}", "a".repeat(48)))).await
        };
        let page = post("/user/login?a=b", &login[..3]).await;
        assert_eq!(page.status, 503);
        page.shows("<form class=\"card\" method=\"post\" action=\"/user/login?a=b\">");
        page.shows("<input type=\"hidden\" name=\"next\" value=\"/task/?page=2\">");
        assert_eq!((page.value("id"), page.value("password")), ("anna", ""));
        page.shows("<button>Send again</button>");
        page.shows("href=\"/user/login\">Go to Sign in</a>");
        page.hides("secret");

        let page = post("/task/", &[("title", typed), ("user", "anna")]).await;
        assert_eq!((page.status, page.value("title")), (503, escaped));
        // forms of passwords and buttons are not sent again with one click
        let page = post("/user/password", &[("id", "anna"), ("current", "secret words")]).await;
        assert_eq!(page.status, 503);
        page.hides("<form");
        page.hides("secret");
    }
    let server = start(&[]);
    let browser = Browser::new(&server);
    let long = "x".repeat(20_000);
    let page = browser.post("/task/form", &[("title", &long)]).await;
    assert_eq!((page.status, page.value("title")), (413, &*long));
    page.shows("Nothing was changed.");
    // the handler gets the whole form nevertheless
    let page = browser.post("/task/form", &login).await;
    page.shows(&format!(
        "{:?}",
        login.map(|(name, value)| (name.to_owned(), value.to_owned()))
    ));
    let from_elsewhere = browser.request("POST", "/task/").body("title=milk");
    let from_elsewhere = from_elsewhere.header("content-type", "application/x-www-form-urlencoded");
    let refused = send(from_elsewhere.header("sec-fetch-site", "cross-site")).await;
    assert_eq!(refused.status, 403);
    refused.hides("<form");
}
