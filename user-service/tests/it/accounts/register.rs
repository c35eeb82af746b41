//! Tests `/user/register`.

use actix_web::rt;
use service_kit::testing::Running;
use user_service::{SERVICE, routes};

use crate::accounts::support::{self, Browser, PASSWORD, Stack, send};

#[actix_web::test]
async fn registered_user_is_signed_in_and_can_sign_in_at_every_process() {
    for stack in Stack::every_store() {
        let anna = stack.browser(0);
        let form = anna.get("/user/register").await;
        assert_eq!((form.status, form.cookie()), (200, None));
        assert_eq!(form.title(), "Register · shared session");
        for field in ["id", "name", "password"] {
            assert_eq!((form.value(field), form.error(field)), ("", None));
        }
        let done = anna.register(" Anna ", " <b>Anna</b> ", PASSWORD).await;
        assert_eq!(done.redirects_to(), Some("/task/"));
        assert!(done.cookie().is_some());
        let page = stack.at_process(&anna, 1).get("/user/").await;
        assert_eq!(page.message(), Some("Welcome, &#60;b&#62;Anna&#60;/b&#62;."));
        assert!(anna.is_signed_in().await);
        for process in 0..2 {
            let browser = stack.browser(process);
            assert_eq!(browser.sign_in("ANNA", PASSWORD).await.redirects_to(), Some("/task/"));
            assert!(browser.is_signed_in().await);
        }
    }
}

/// A user who was sent to the sign-in from a page gets there also by registering.
#[actix_web::test]
async fn page_that_the_user_came_for_survives_registration() {
    let stack = Stack::memory();
    let anna = stack.browser(0);
    let next = "/user/sessions?from=20&x=1";
    let login = anna.get("/user/login?next=/user/sessions%3Ffrom=20%26x=1").await;
    let link = "href=\"/user/register?next=/user/sessions%3Ffrom%3D20%26x%3D1\"";
    assert!(login.html.contains(link), "{}", login.html);
    let form = anna.get("/user/register?next=/user/sessions%3Ffrom%3D20%26x%3D1").await;
    let hidden = "name=\"next\" value=\"/user/sessions?from=20&#38;x=1\"";
    assert!(form.html.contains(hidden), "{}", form.html);
    let fields = [("id", "anna"), ("name", "Anna"), ("password", "short"), ("next", next)];
    let rejected = anna.post("/user/register", &fields).await;
    assert!(rejected.html.contains(hidden), "{}", rejected.html);
    // the other way the user ID is kept as well
    let link = "href=\"/user/login?next=/user/sessions%3Ffrom%3D20%26x%3D1&amp;id=anna\"";
    assert!(rejected.html.contains(link), "{}", rejected.html);
    let login = anna.get("/user/login?next=/task/&id=<anna>").await;
    assert_eq!(login.value("id"), "&#60;anna&#62;");
    let fields = [("id", "anna"), ("name", "Anna"), ("password", PASSWORD), ("next", next)];
    assert_eq!(anna.post("/user/register", &fields).await.redirects_to(), Some(next));
    let fields = [
        ("id", "berta"),
        ("name", "B"),
        ("password", PASSWORD),
        ("next", "//evil.example"),
    ];
    let berta = stack.browser(0).post("/user/register", &fields).await;
    assert_eq!(berta.redirects_to(), Some("/task/"));
}

#[actix_web::test]
async fn registration_that_renews_a_session_makes_a_planted_id_useless() {
    let stack = Stack::memory();
    let attacker = stack.browser(0);
    let planted = attacker.get("/user/redis_session_set").await;
    let planted = format!("sid={}", planted.cookie().unwrap());
    let anna = stack.browser(0);
    let fields = [("id", "anna"), ("name", "Anna"), ("password", PASSWORD)];
    let done = send(anna.form("/user/register", &fields).header("cookie", &planted)).await;
    assert_eq!(done.status, 303);
    assert!(anna.is_signed_in().await && !attacker.is_signed_in().await);
}

/// Redis permits accounts, but refuses to store sessions, as it does if it becomes full in between.
#[actix_web::test]
async fn account_that_was_stored_is_reported_although_the_session_was_not() {
    let stack = Stack::redis();
    let redis = stack.redis.as_ref().unwrap();
    let () = redis.run(&["ACL", "SETUSER", "default", "resetkeys", "~user:*", "~task:*"]);
    let anna = stack.browser(0);
    let done = anna.register("anna", "Anna", PASSWORD).await;
    assert_eq!((done.status, done.cookie()), (200, None), "{}", done.html);
    assert_eq!(done.header("cache-control"), Some("no-store"));
    assert!(!done.headers.contains_key("retry-after"));
    assert!(done.html.contains("<h1>Your account was created</h1>"), "{}", done.html);
    let link = "/user/login?id=anna";
    assert!(done.html.contains(&format!("href=\"{link}\"")), "{}", done.html);
    let () = redis.run(&["ACL", "SETUSER", "default", "allkeys"]);
    while anna.get("/user/").await.status != 200 {}
    assert_eq!(anna.get(link).await.value("id"), "anna");
    assert_eq!(anna.sign_in("anna", PASSWORD).await.status, 303);
}

/// A full Redis refuses the account too, so the user can try again later with the same ID.
#[actix_web::test]
async fn full_redis_stores_no_account() {
    let stack = Stack::redis();
    let redis = stack.redis.as_ref().unwrap();
    let () = redis.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let anna = stack.browser(0);
    assert_eq!(anna.register("anna", "Anna", PASSWORD).await.status, 503);
    assert_eq!(redis.run::<u64>(&["DBSIZE"]), 0);
    let () = redis.run(&["CONFIG", "SET", "maxmemory", "0"]);
    while anna.register("anna", "Anna", PASSWORD).await.status == 503 {}
    assert!(anna.is_signed_in().await);
}

#[actix_web::test]
async fn invalid_form_is_shown_again_with_its_input_and_errors() {
    let stack = Stack::memory();
    let id = "A user ID";
    let (long_name, long_password) = ("홍".repeat(51), "ab".repeat(65));
    for (input, errors) in [
        (
            ["", "", ""],
            [Some("Enter a user ID"), Some("Enter a name"), Some("Enter a password")],
        ),
        (["ab", "Anna", PASSWORD], [Some(id), None, None]),
        (["-abc", "Anna", PASSWORD], [Some(id), None, None]),
        (["<script>", "<script>", PASSWORD], [Some(id), None, None]),
        (["anna", " ", PASSWORD], [None, Some("Enter a name"), None]),
        (["anna", &long_name, PASSWORD], [None, Some("at most 50"), None]),
        (["anna", "an\nna", PASSWORD], [None, Some("control characters"), None]),
        (
            ["anna", "an\u{202e}na", PASSWORD],
            [None, Some("invisible characters"), None],
        ),
        (["anna", "Anna", "elevenchars"], [None, None, Some("at least 12")]),
        (["anna", "Anna", &long_password], [None, None, Some("at most 128")]),
        (["anna", "Anna", "password123456"], [None, None, Some("most common")]),
        (
            ["annaannaanna", "Anna", "AnnaAnnaAnna"],
            [None, None, Some("your user ID or your name")],
        ),
    ] {
        let browser = stack.browser(0);
        let rejected = browser.register(input[0], input[1], input[2]).await;
        assert_eq!((rejected.status, rejected.cookie()), (422, None), "{input:?}");
        assert_eq!(rejected.header("cache-control"), Some("no-store"));
        assert!(rejected.title().starts_with("Error: "));
        for ((field, error), input) in ["id", "name", "password"].into_iter().zip(errors).zip(input) {
            let message = rejected.error(field);
            assert_eq!(message.is_some(), error.is_some(), "{input}: {message:?}");
            assert!(
                message.unwrap_or_default().contains(error.unwrap_or_default()),
                "{message:?}"
            );
            let shown = if field == "password" { "" } else { input };
            assert_eq!(rejected.value(field), escaped(shown));
        }
        assert_eq!(rejected.html.matches("<script").count(), 0);
    }
    assert_eq!(stack.hashes.take(), 0);
}

fn escaped(text: &str) -> String {
    text.replace('<', "&#60;").replace('>', "&#62;")
}

#[actix_web::test]
async fn taken_id_is_rejected_after_the_same_work() {
    for stack in Stack::every_store() {
        assert_eq!(stack.browser(0).register("anna", "Anna", PASSWORD).await.status, 303);
        assert_eq!(stack.hashes.take(), 1);
        for (id, process) in [("anna", 0), ("ANNA", 1), ("kky", 0), ("Admin", 1)] {
            let browser = stack.browser(process);
            let rejected = browser.register(id, "Berta", "another password").await;
            assert_eq!((rejected.status, stack.hashes.take()), (409, 1), "{id}");
            assert_eq!(
                rejected.error("id"),
                Some("This user ID is taken. Choose another one. If you have just registered it, sign in below.")
            );
            assert_eq!((rejected.value("id"), rejected.value("name")), (id, "Berta"));
            assert_eq!((rejected.error("password"), rejected.value("password")), (None, ""));
            assert_eq!(browser.sign_in(id, "another password").await.status, 401);
            stack.hashes.take();
        }
        assert_eq!(stack.browser(1).sign_in("anna", PASSWORD).await.status, 303);
    }
}

/// The browser may not have got the response to the first form, and then has no session.
#[actix_web::test]
async fn form_that_is_sent_twice_registers_once_and_signs_in() {
    for stack in Stack::every_store() {
        let form = stack.browser(0).get("/user/register").await;
        let token = form.html.split("name=\"token\" value=\"").nth(1).unwrap();
        let token = token.split('"').next().unwrap().to_owned();
        let fields = [
            ("id", "anna"),
            ("name", "Anna"),
            ("password", PASSWORD),
            ("token", &token),
        ];
        let (one, other) = (stack.browser(0), stack.browser(1));
        let responses = tokio::join!(
            one.post("/user/register", &fields),
            other.post("/user/register", &fields)
        );
        for (browser, response) in [(&one, responses.0), (&other, responses.1)] {
            assert_eq!(response.redirects_to(), Some("/task/"), "{}", response.html);
            assert!(browser.is_signed_in().await);
        }
        let fields = [
            ("id", "anna"),
            ("name", "Anna"),
            ("password", "another password"),
            ("token", &token),
        ];
        let rejected = stack.browser(0).post("/user/register", &fields).await;
        assert_eq!(rejected.status, 409, "the token does not replace the password");
        let fields = [("id", "anna"), ("name", "Anna"), ("password", PASSWORD), ("token", "")];
        assert_eq!(stack.browser(0).post("/user/register", &fields).await.status, 409);
    }
}

#[actix_web::test]
async fn concurrent_registrations_of_one_id_create_one_account() {
    for stack in Stack::every_store() {
        let attempts = (0..20).map(|number| {
            let browser = stack.browser(number);
            rt::spawn(async move {
                let password = format!("the password of {number}");
                (browser.register("anna", "Anna", &password).await.status, password)
            })
        });
        let attempts: Vec<_> = attempts.collect();
        let mut registered = Vec::new();
        for attempt in attempts {
            let (status, password) = attempt.await.unwrap();
            assert!(status == 303 || status == 409, "{status}");
            if status == 303 {
                registered.push(password);
            }
        }
        assert_eq!(registered.len(), 1);
        assert_eq!(stack.browser(1).sign_in("anna", &registered[0]).await.status, 303);
    }
}

#[actix_web::test]
async fn unusual_requests_get_the_right_status() {
    let stack = Stack::memory();
    let browser = stack.browser(0);
    let nothing = browser.post("/user/register", &[]).await;
    assert_eq!(nothing.status, 422);
    let long = "x".repeat(20_000);
    assert_eq!(browser.register(&long, "Anna", PASSWORD).await.status, 413);
    let other = browser
        .request("POST", "/user/register")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(send(other).await.status, 403);
    let (get, head) = (
        browser.get("/user/register").await,
        send(browser.request("HEAD", "/user/register")).await,
    );
    assert_eq!((head.status, head.html.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    let put = browser
        .request("PUT", "/user/register")
        .header("sec-fetch-site", "same-origin");
    let put = send(put).await;
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, HEAD, POST")));
}

#[actix_web::test]
async fn signed_in_user_is_redirected_away() {
    let stack = Stack::memory();
    let anna = stack.signed_in("anna").await;
    for (path, to) in [
        ("/user/register", "/user/"),
        ("/user/login", "/user/"),
        ("/user/login?next=/user/password", "/user/password"),
        ("/user/login?next=//elsewhere.example", "/task/"),
    ] {
        assert_eq!(anna.get(path).await.redirects_to(), Some(to), "{path}");
    }
    let berta = anna.register("berta", "Berta", PASSWORD).await;
    assert_eq!(berta.redirects_to(), Some("/user/"));
    assert_eq!(stack.browser(0).sign_in("berta", PASSWORD).await.status, 401);
}

/// Runs the service with its own hasher, and restarts Redis in between.
#[actix_web::test]
async fn account_outlives_the_processes() {
    let mut redis = support::durable_redis();
    let url = redis.url();
    let arguments = ["--session-store", url.as_str(), "--session-store-timeout", "10s"];
    let first = Running::start(&SERVICE, routes, &arguments);
    let browser = Browser::at(&first);
    assert_eq!(browser.register("anna", "Anna", PASSWORD).await.status, 303);
    first.stop().await.unwrap();
    redis.kill();
    redis.restart(&[]);
    let second = Running::start(&SERVICE, routes, &arguments);
    let browser = Browser::at(&second);
    assert_eq!(browser.sign_in("anna", PASSWORD).await.status, 303);
}
