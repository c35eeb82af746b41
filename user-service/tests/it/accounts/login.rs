//! Tests `/user/login`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use user_service::hasher::{Argon2id, Hasher};

use crate::accounts::support::{self, Browser, PASSWORD, Response, Stack, send};

#[actix_web::test]
async fn sign_in_greets_the_user_and_redirects() {
    for stack in Stack::every_store() {
        let anna = stack.registered("anna").await;
        let form = anna.get("/user/login?next=/user/sessions%3Ffrom=20").await;
        assert_eq!(form.title(), "Sign in · shared session");
        assert!(
            form.html.contains("name=\"next\" value=\"/user/sessions?from=20\""),
            "{}",
            form.html
        );
        let fields = [("id", "anna"), ("password", PASSWORD), ("next", "/user/")];
        assert_eq!(anna.post("/user/login", &fields).await.redirects_to(), Some("/user/"));
        let page = stack.at_process(&anna, 1).get("/user/").await;
        assert_eq!(page.message(), Some("Hello, The anna."));
        assert!(page.html.contains("<h1>Hello, The anna</h1>"), "{}", page.html);
        assert!(
            page.html.contains("Signed in as <strong>The anna</strong>"),
            "{}",
            page.html
        );
        assert_eq!(anna.get("/user/").await.message(), None);
    }
}

/// Signs in as anna with the box "Stay signed in" checked.
async fn sign_in_to_stay(browser: &Browser, password: &str) -> Response {
    let fields = [("id", "anna"), ("password", password), ("remember", "yes")];
    browser.post("/user/login", &fields).await
}

/// Returns whether the browser keeps its cookie after it closes, for 90 days. Panics if it gets none.
fn is_kept(response: &Response) -> bool {
    assert_eq!(response.status, 303, "{}", response.html);
    let cookie = response.header("set-cookie").expect("no cookie");
    let age = cookie
        .split_once("; Max-Age=")
        .map(|(_, age)| age.parse::<u64>().unwrap());
    assert!(age.is_none_or(|age| (7_770_000..=7_776_000).contains(&age)), "{cookie}");
    age.is_some()
}

#[actix_web::test]
async fn user_who_checks_the_box_stays_signed_in() {
    let badge = "<span class=\"badge\">stays signed in</span>";
    for stack in Stack::every_store() {
        let (here, there) = (stack.registered("anna").await, stack.browser(1));
        assert!(!is_kept(&stack.browser(0).register("berta", "Berta", PASSWORD).await));
        let page = here.get("/user/login").await;
        page.shows("<label for=\"remember\">Stay signed in on this device</label>");
        page.hides(" checked>");
        // the page comes back as it was sent
        sign_in_to_stay(&there, "").await.shows(" checked>");
        sign_in_to_stay(&there, "a wrong one").await.shows(" checked>");
        there.sign_in("anna", "a wrong one").await.hides(" checked>");
        assert!(!is_kept(&here.sign_in("anna", PASSWORD).await));
        assert!(is_kept(&sign_in_to_stay(&there, PASSWORD).await));
        for (browser, this) in [(&here, false), (&there, true)] {
            let page = browser.get("/user/sessions").await;
            let devices: Vec<&str> = page.html.split("<li class=\"card row device\">").skip(1).collect();
            assert_eq!(devices.len(), 2);
            // this device is the first one
            let remembered: Vec<bool> = devices.iter().map(|device| device.contains(badge)).collect();
            assert_eq!(remembered, [this, !this]);
        }
        // a changed password renews the session, which stays what it was; another sign-in decides anew
        let new = "battery staple 홍길동";
        assert!(is_kept(
            &there
                .post("/user/password", &[("current", PASSWORD), ("new", new)])
                .await
        ));
        there.get("/user/sessions").await.shows(badge);
        assert!(!is_kept(&there.sign_in("anna", new).await));
        there.get("/user/sessions").await.hides(badge);
    }
}

#[actix_web::test]
async fn html_in_a_name_is_escaped() {
    let stack = Stack::memory();
    let browser = stack.browser(0);
    let name = "<script>alert(1)</script>";
    assert_eq!(browser.register("anna", name, PASSWORD).await.status, 303);
    for path in ["/user/login", "/user/", "/user/"] {
        let page = browser.get(path).await;
        // the first page has one script of its own
        let html = page
            .html
            .replace("<script src=\"/user/all_at_once.js\" defer></script>", "");
        assert!(!html.contains("<script"), "{html}");
        browser.sign_in("anna", PASSWORD).await;
    }
    assert!(browser.get("/user/").await.html.contains("&#60;script&#62;alert(1)"));
}

#[actix_web::test]
async fn lecture_page_signs_nobody_out_without_asking() {
    for stack in Stack::every_store() {
        let anna = stack.signed_in("anna").await;
        for site in ["same-origin", "cross-site"] {
            let get = anna.request("GET", "/user/redis_session_set");
            let page = send(get.header("sec-fetch-site", site)).await;
            assert!(page.html.contains("You will be signed out."), "{}", page.html);
            assert!(anna.is_signed_in().await);
        }
        assert!(
            anna.get("/user/redis_session_set")
                .await
                .html
                .contains("<button>Set the session")
        );
        assert!(!anna.get("/task/").await.html.contains("redis_session_set"));
        let done = anna.post("/user/redis_session_set", &[]).await;
        assert!(done.html.contains("사용자 아이디 : kky<br>"), "{}", done.html);
        assert!(!anna.is_signed_in().await);
    }
}

#[actix_web::test]
async fn incomplete_form_is_shown_again_with_its_input_and_errors() {
    let stack = Stack::memory();
    let (id, password) = (Some("Enter your user ID."), Some("Enter your password."));
    for (input, errors) in [
        (["", ""], [id, password]),
        (["  ", PASSWORD], [id, None]),
        (["<anna>", ""], [None, password]),
    ] {
        let browser = stack.browser(0);
        let fields = [("id", input[0]), ("password", input[1]), ("next", "/user/password")];
        let rejected = browser.post("/user/login", &fields).await;
        assert_eq!((rejected.status, rejected.cookie()), (422, None));
        assert_eq!([rejected.error("id"), rejected.error("password")], errors);
        assert_eq!(
            rejected.value("id"),
            input[0].replace('<', "&#60;").replace('>', "&#62;")
        );
        assert_eq!(rejected.value("password"), "");
        assert!(rejected.html.contains("name=\"next\" value=\"/user/password\""));
    }
    assert_eq!(stack.browser(0).post("/user/login", &[]).await.status, 422);
    assert_eq!(stack.hashes.take(), 0);
}

#[actix_web::test]
async fn response_and_work_do_not_reveal_whether_an_account_exists() {
    for stack in Stack::every_store() {
        stack.registered("anna").await;
        stack.hashes.take();
        let mut responses: Vec<String> = Vec::new();
        for id in ["anna", "nobody", "kky", "no id at all", "x"] {
            for password in ["a wrong password", "x", " ", &"x".repeat(1000)] {
                let rejected = stack.browser(1).sign_in(id, password).await;
                assert_eq!((rejected.status, stack.hashes.take()), (401, 1), "{id}");
                assert_eq!(rejected.error("id"), None);
                assert_eq!(
                    rejected.error("password"),
                    Some("The user ID or the password is incorrect.")
                );
                assert_eq!((rejected.value("id"), rejected.value("password")), (id, ""));
                assert_eq!(rejected.cookie(), None);
                responses.push(comparable(&rejected, id));
            }
        }
        for response in &responses {
            assert_eq!(response, &responses[0]);
        }
    }
}

/// Returns the headers and the page without the user ID and the headers that differ between any two responses.
fn comparable(response: &Response, id: &str) -> String {
    let headers = response.headers.iter().map(|(name, value)| (name.as_str(), value));
    let differs = ["date", "x-request-id", "content-length"];
    let headers: BTreeMap<_, _> = headers.filter(|(name, _)| !differs.contains(name)).collect();
    let html = response.html.replace(&format!("value=\"{id}\""), "value=\"\"");
    format!("{headers:?}{html}")
}

#[actix_web::test]
async fn sign_in_renews_the_session_so_that_a_planted_id_is_useless() {
    for stack in Stack::every_store() {
        stack.registered("anna").await;
        // an attacker creates a session and plants its cookie in the browser of anna
        let attacker = stack.browser(0);
        let planted = attacker.get("/user/redis_session_set").await;
        let planted = format!("sid={}", planted.cookie().unwrap());
        let anna = stack.browser(1);
        let form = anna.form("/user/login", &[("id", "anna"), ("password", PASSWORD)]);
        let done = send(form.header("cookie", &planted)).await;
        assert_eq!(done.status, 303);
        let cookie = done.cookie().unwrap().to_owned();
        assert_ne!(format!("sid={cookie}"), planted);
        assert!(anna.is_signed_in().await);
        for process in 0..2 {
            let with = stack
                .browser(process)
                .request("GET", "/user/")
                .header("cookie", &planted);
            let page = send(with).await;
            assert!(page.html.contains("No session yet"), "{}", page.html);
            assert!(!stack.at_process(&attacker, process).is_signed_in().await);
        }
    }
}

#[actix_web::test]
async fn sign_in_as_another_user_clears_the_session() {
    let stack = Stack::memory();
    stack.registered("berta").await;
    let browser = stack.signed_in("anna").await;
    assert_eq!(browser.sign_in("berta", PASSWORD).await.status, 303);
    let page = browser.get("/user/").await;
    assert!(
        page.html.contains("The berta") && !page.html.contains("anna"),
        "{}",
        page.html
    );
    // a wrong password changes nothing
    assert_eq!(browser.sign_in("anna", "a wrong password").await.status, 401);
    assert!(browser.get("/user/").await.html.contains("The berta"));
}

#[actix_web::test]
async fn sign_in_never_redirects_to_another_site() {
    let stack = Stack::memory();
    let anna = stack.registered("anna").await;
    let long = format!("/{}", "x".repeat(10_000));
    for (next, to) in [
        ("/user/sessions?from=20", "/user/sessions?from=20"),
        ("//evil.example", "/task/"),
        ("/\\evil.example", "/task/"),
        ("/\t/evil.example", "/task/"),
        ("/\r\nSet-Cookie: sid=x", "/task/"),
        ("https://evil.example/", "/task/"),
        ("https:evil.example", "/task/"),
        ("javascript:alert(1)", "/task/"),
        ("evil.example", "/task/"),
        ("/홍", "/task/"),
        ("", "/task/"),
        (&long, "/task/"),
    ] {
        let fields = [("id", "anna"), ("password", PASSWORD), ("next", next)];
        let done = anna.post("/user/login", &fields).await;
        assert_eq!(done.redirects_to(), Some(to), "{next}");
        let browser = stack.browser(0);
        let rejected = browser.post("/user/login", &[("next", next)]).await;
        assert!(
            rejected.html.contains(&format!("name=\"next\" value=\"{to}\"")),
            "{next}"
        );
    }
}

#[actix_web::test]
async fn concurrent_sign_ins_wait_for_the_hasher() {
    let stack = Stack::memory();
    for number in 0..10 {
        stack.registered(&format!("user-{number}")).await;
    }
    stack.hashes.take();
    let attempts = (0..20).map(|number| {
        let browser = stack.browser(0);
        let kind = if number % 2 == 0 { "user" } else { "nobody" };
        let id = format!("{kind}-{}", number / 2);
        rt::spawn(async move { browser.sign_in(&id, PASSWORD).await.status })
    });
    for (number, attempt) in attempts.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(attempt.await.unwrap(), if number % 2 == 0 { 303 } else { 401 });
    }
    assert_eq!(stack.hashes.take(), 20);
    assert!(stack.hashes.max_in_flight() <= 2);
}

#[actix_web::test]
async fn wrong_passwords_in_a_row_delay_sign_ins_and_no_session() {
    for stack in Stack::every_store() {
        let signed_in = stack.signed_in("anna").await;
        for id in ["anna", "nobody"] {
            stack.hashes.take();
            for number in 0..5 {
                let wrong = stack.browser(number).sign_in(id, "a wrong password").await;
                assert_eq!(wrong.status, 401, "{id} {number}");
                assert_eq!(wrong.header("www-authenticate"), Some("Form realm=\"shared session\""));
            }
            // the correct password is not verified either, from any address
            for number in 0..2 {
                let delayed = stack.browser(number).sign_in(id, PASSWORD).await;
                assert_eq!(
                    (delayed.status, delayed.header("retry-after")),
                    (429, Some("1")),
                    "{id}"
                );
                let message = "Too many wrong passwords were entered for this user ID. Please try again in one second.";
                assert_eq!((delayed.error("password"), delayed.error("id")), (Some(message), None));
                assert_eq!(delayed.value("id"), id);
                assert_eq!(delayed.cookie(), None);
            }
            assert_eq!(stack.hashes.take(), 5);
        }
        let change = [("current", PASSWORD), ("new", "battery staple 홍길동")];
        assert_eq!(signed_in.post("/user/password", &change).await.status, 303);
        // the new password makes the guesses at the old one worthless
        assert_eq!(stack.browser(0).sign_in("anna", change[1].1).await.status, 303);
    }
}

/// An account and an ID without one give the same responses at every count.
#[actix_web::test]
async fn hundred_wrong_passwords_end_sign_ins_until_the_password_is_changed() {
    let stack = Stack::redis();
    let signed_in = stack.signed_in("anna").await;
    let redis = stack.redis.as_ref().unwrap();
    for id in ["anna", "nobody"] {
        assert_eq!(stack.browser(0).sign_in(id, "a wrong password").await.status, 401);
    }
    let counts: Vec<String> = redis.run(&["KEYS", "user:attempts:*"]);
    assert_eq!(counts.len(), 2);
    assert!(
        counts.contains(&format!("user:attempts:{}", stack.account("anna"))),
        "{counts:?}"
    );
    for count in &counts {
        let () = redis.run(&["SET", count, "100 0", "KEEPTTL"]);
    }
    let mut responses = Vec::new();
    for id in ["anna", "nobody"] {
        let blocked = stack.browser(1).sign_in(id, PASSWORD).await;
        assert_eq!((blocked.status, blocked.header("retry-after")), (429, None));
        assert!(
            blocked
                .error("password")
                .unwrap()
                .contains("Change your password on a device")
        );
        responses.push(comparable(&blocked, id));
    }
    assert_eq!(responses[0], responses[1]);
    let change = [("current", PASSWORD), ("new", "battery staple 홍길동")];
    assert_eq!(signed_in.post("/user/password", &change).await.status, 303);
    assert_eq!(stack.browser(0).sign_in("anna", change[1].1).await.status, 303);
}

/// An earlier version left one, which could be planted.
#[actix_web::test]
async fn sign_in_sets_no_cookie_but_that_of_the_session_and_leaves_no_key_but_its_own() {
    let stack = Stack::redis();
    let anna = stack.registered("anna").await;
    let done = anna.sign_in("anna", PASSWORD).await;
    assert_eq!(done.headers.get_all("set-cookie").iter().count(), 1);
    let keys: Vec<String> = stack.redis.as_ref().unwrap().run(&["KEYS", "user:*"]);
    assert_eq!(keys, ["user:account:anna"]);
}

#[actix_web::test]
async fn sign_in_page_says_what_to_do_about_a_forgotten_password() {
    let page = Stack::memory().browser(0).get("/user/login").await;
    page.shows("Did you forget your password?");
}

#[actix_web::test]
async fn delay_ends_and_wrong_passwords_in_a_session_count_for_it_alone() {
    let stack = Stack::memory();
    let anna = stack.signed_in("anna").await;
    for _ in 0..5 {
        let change = [("current", "a wrong password"), ("new", "battery staple 홍길동")];
        assert_eq!(anna.post("/user/password", &change).await.status, 401);
    }
    let change = [("current", PASSWORD), ("new", "battery staple 홍길동")];
    let delayed = anna.post("/user/password", &change).await;
    assert_eq!((delayed.status, delayed.header("retry-after")), (429, Some("1")));
    assert!(
        delayed
            .error("current")
            .unwrap()
            .starts_with("Too many wrong passwords")
    );
    assert_eq!(stack.browser(0).sign_in("anna", PASSWORD).await.status, 303);
    rt::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(anna.post("/user/password", &change).await.status, 303);
}

#[actix_web::test]
async fn busy_hasher_is_reported_beside_the_password() {
    let busy = Hasher::new(Arc::new(Argon2id), 0, Duration::from_millis(10));
    let server = support::start(&busy, &[]);
    let browser = Browser::at(&server);
    for rejected in [
        browser.sign_in("anna", PASSWORD).await,
        browser.register("anna", "Anna", PASSWORD).await,
    ] {
        assert_eq!((rejected.status, rejected.header("retry-after")), (503, Some("1")));
        assert_eq!((rejected.value("id"), rejected.error("id")), ("anna", None));
        assert!(rejected.error("password").unwrap().starts_with("Too many users"));
    }
}

/// Gives the account `anna` a hash of "correct horse" that PHP's password_hash made, with a low cost. Returns the record.
fn store_outdated_hash(stack: &Stack) -> String {
    let old = "$argon2id$v=19$m=64,t=1,p=1$elNyRzJVdGRQRlRORkMyRQ$I/UP5TlFrwdcaI1st6G/gDSyDAH2ySz3nLcFFPChBZs";
    let record = format!("{{\"account\":\"a\",\"name\":\"Anna\",\"password\":\"{old}\",\"created\":5}}");
    let redis = stack.redis.as_ref().unwrap();
    let () = redis.run(&["SET", "user:account:anna", &record]);
    record
}

#[actix_web::test]
async fn outdated_hash_is_replaced_at_sign_in() {
    let stack = Stack::redis();
    stack.registered("anna").await;
    let redis = stack.redis.as_ref().unwrap();
    let get = || redis.run::<String>(&["GET", "user:account:anna"]);
    let record = store_outdated_hash(&stack);
    assert_eq!(stack.browser(1).sign_in("anna", PASSWORD).await.status, 401);
    assert_eq!(get(), record);
    stack.hashes.take();
    assert_eq!(stack.browser(1).sign_in("anna", "correct horse").await.status, 303);
    assert_eq!(stack.hashes.take(), 2);
    assert!(
        get().contains("m=19456,t=2,p=1") && get().ends_with(",\"created\":5}"),
        "{}",
        get()
    );
    assert_eq!(stack.browser(0).sign_in("anna", "correct horse").await.status, 303);
    assert_eq!(stack.hashes.take(), 1);
}

#[actix_web::test]
async fn concurrent_sign_ins_succeed_while_an_outdated_hash_is_replaced() {
    let stack = Stack::redis();
    stack.registered("anna").await;
    let record = store_outdated_hash(&stack);
    let sign_ins: Vec<_> = (0..5)
        .map(|process| {
            let browser = stack.browser(process);
            rt::spawn(async move { browser.sign_in("anna", "correct horse").await.status })
        })
        .collect();
    for sign_in in sign_ins {
        assert_eq!(sign_in.await.unwrap(), 303);
    }
    let redis = stack.redis.as_ref().unwrap();
    assert_ne!(redis.run::<String>(&["GET", "user:account:anna"]), record);
}
