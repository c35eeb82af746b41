//! `/user/register`.

use actix_web::rt;
use service_kit::testing::Running;
use user_service::{SERVICE, routes};

use crate::support::{self, PASSWORD, Stack, answer};

#[actix_web::test]
async fn who_registers_can_sign_in_in_every_process() {
    for stack in Stack::each() {
        let anna = stack.visitor(0);
        let form = anna.get("/user/register").await;
        assert_eq!((form.status, form.cookie()), (200, None));
        assert_eq!(form.title(), "Register · shared session");
        for field in ["id", "name", "password"] {
            assert_eq!((form.value(field), form.error(field)), ("", None));
        }
        let done = anna.register(" Anna ", " <b>Anna</b> ", PASSWORD).await;
        assert_eq!(done.leads_to(), Some("/user/login"));
        let login = anna.get("/user/login").await;
        let told = "You are registered, &#60;b&#62;Anna&#60;/b&#62;. Sign in to go on.";
        assert_eq!(login.message(), Some(told));
        assert!(!anna.is_signed_in().await);
        for process in 0..2 {
            let visitor = stack.visitor(process);
            assert_eq!(visitor.sign_in("ANNA", PASSWORD).await.leads_to(), Some("/task/"));
            assert!(visitor.is_signed_in().await);
        }
    }
}

#[actix_web::test]
async fn what_is_wrong_stands_beside_its_field_and_what_was_typed_stays() {
    let stack = Stack::memory();
    let id = "An id has";
    let (long_name, long_password) = ("홍".repeat(51), "ab".repeat(65));
    for (typed, errors) in [
        (
            ["", "", ""],
            [Some("Enter an id"), Some("Enter a name"), Some("Enter a password")],
        ),
        (["ab", "Anna", PASSWORD], [Some(id), None, None]),
        (["-abc", "Anna", PASSWORD], [Some(id), None, None]),
        (["<script>", "<script>", PASSWORD], [Some(id), None, None]),
        (["anna", " ", PASSWORD], [None, Some("Enter a name"), None]),
        (["anna", &long_name, PASSWORD], [None, Some("at most 50"), None]),
        (["anna", "an\nna", PASSWORD], [None, Some("control characters"), None]),
        (["anna", "Anna", "elevenchars"], [None, None, Some("at least 12")]),
        (["anna", "Anna", &long_password], [None, None, Some("at most 128")]),
        (["anna", "Anna", "password123456"], [None, None, Some("most common")]),
        (
            ["annaannaanna", "Anna", "AnnaAnnaAnna"],
            [None, None, Some("your id or your name")],
        ),
    ] {
        let visitor = stack.visitor(0);
        let refused = visitor.register(typed[0], typed[1], typed[2]).await;
        assert_eq!((refused.status, refused.cookie()), (422, None), "{typed:?}");
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        assert!(refused.title().starts_with("Not yet: "));
        for ((field, error), typed) in ["id", "name", "password"].into_iter().zip(errors).zip(typed) {
            let told = refused.error(field);
            assert_eq!(told.is_some(), error.is_some(), "{typed}: {told:?}");
            assert!(told.unwrap_or_default().contains(error.unwrap_or_default()), "{told:?}");
            let shown = if field == "password" { "" } else { typed };
            assert_eq!(refused.value(field), escaped(shown));
        }
        assert_eq!(refused.html.matches("<script").count(), 0);
    }
    assert_eq!(stack.hashes.take(), 0);
}

fn escaped(text: &str) -> String {
    text.replace('<', "&#60;").replace('>', "&#62;")
}

#[actix_web::test]
async fn an_id_that_is_taken_is_refused_after_the_same_work() {
    for stack in Stack::each() {
        assert_eq!(stack.visitor(0).register("anna", "Anna", PASSWORD).await.status, 303);
        assert_eq!(stack.hashes.take(), 1);
        for (id, process) in [("anna", 0), ("ANNA", 1), ("kky", 0), ("Kky", 1)] {
            let visitor = stack.visitor(process);
            let refused = visitor.register(id, "Berta", "another password").await;
            assert_eq!((refused.status, stack.hashes.take()), (409, 1), "{id}");
            assert_eq!(refused.error("id"), Some("This id is taken. Choose another one."));
            assert_eq!((refused.value("id"), refused.value("name")), (id, "Berta"));
            assert_eq!((refused.error("password"), refused.value("password")), (None, ""));
            assert_eq!(visitor.sign_in(id, "another password").await.status, 401);
            stack.hashes.take();
        }
        assert_eq!(stack.visitor(1).sign_in("anna", PASSWORD).await.status, 303);
    }
}

#[actix_web::test]
async fn of_many_who_want_one_id_at_once_one_has_it() {
    for stack in Stack::each() {
        let attempts = (0..20).map(|number| {
            let visitor = stack.visitor(number);
            rt::spawn(async move {
                let password = format!("the password of {number}");
                (visitor.register("anna", "Anna", &password).await.status, password)
            })
        });
        let attempts: Vec<_> = attempts.collect();
        let mut had = Vec::new();
        for attempt in attempts {
            let (status, password) = attempt.await.unwrap();
            assert!(status == 303 || status == 409, "{status}");
            if status == 303 {
                had.push(password);
            }
        }
        assert_eq!(had.len(), 1);
        assert_eq!(stack.visitor(1).sign_in("anna", &had[0]).await.status, 303);
    }
}

#[actix_web::test]
async fn a_form_that_is_none_is_told_so_and_head_is_answered() {
    let stack = Stack::memory();
    let visitor = stack.visitor(0);
    let nothing = visitor.post("/user/register", &[]).await;
    assert_eq!(nothing.status, 422);
    let long = "x".repeat(20_000);
    assert_eq!(visitor.register(&long, "Anna", PASSWORD).await.status, 413);
    let other = visitor
        .request("POST", "/user/register")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(answer(other).await.status, 403);
    let (get, head) = (
        visitor.get("/user/register").await,
        answer(visitor.request("HEAD", "/user/register")).await,
    );
    assert_eq!((head.status, head.html.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    let put = visitor
        .request("PUT", "/user/register")
        .header("sec-fetch-site", "same-origin");
    let put = answer(put).await;
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, HEAD, POST")));
}

#[actix_web::test]
async fn who_is_signed_in_has_nothing_to_do_here() {
    let stack = Stack::memory();
    let anna = stack.signed_in("anna").await;
    for (path, to) in [
        ("/user/register", "/user/"),
        ("/user/login", "/user/"),
        ("/user/login?next=/user/password", "/user/password"),
        ("/user/login?next=//elsewhere.example", "/task/"),
    ] {
        assert_eq!(anna.get(path).await.leads_to(), Some(to), "{path}");
    }
    let berta = anna.register("berta", "Berta", PASSWORD).await;
    assert_eq!(berta.leads_to(), Some("/user/"));
    assert_eq!(stack.visitor(0).sign_in("berta", PASSWORD).await.status, 401);
}

/// With the program's own hasher, and over a Redis that lost and got back its connections.
#[actix_web::test]
async fn an_account_outlives_the_processes() {
    let mut redis = support::durable_redis();
    let url = redis.url();
    let arguments = ["--session-store", url.as_str(), "--session-store-timeout", "10s"];
    let first = Running::start(&SERVICE, routes, &arguments);
    let visitor = support::visitor(&first);
    assert_eq!(visitor.register("anna", "Anna", PASSWORD).await.status, 303);
    first.stop().await.unwrap();
    redis.kill();
    redis.restart(&[]);
    let second = Running::start(&SERVICE, routes, &arguments);
    let visitor = support::visitor(&second);
    assert_eq!(visitor.sign_in("anna", PASSWORD).await.status, 303);
}
