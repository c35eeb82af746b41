//! `/user/login`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use service_kit::Failure;
use user_service::hasher::{Argon2id, HashFunction, Hasher};

use crate::support::{self, Answer, PASSWORD, Stack, answer};

#[actix_web::test]
async fn who_signs_in_is_greeted_and_goes_on() {
    for stack in Stack::each() {
        let anna = stack.registered("anna").await;
        let form = anna.get("/user/login?next=/user/sessions%3Ffrom=20").await;
        assert_eq!(form.title(), "Sign in · shared session");
        assert!(
            form.html.contains("name=\"next\" value=\"/user/sessions?from=20\""),
            "{}",
            form.html
        );
        let fields = [("id", "anna"), ("password", PASSWORD), ("next", "/user/")];
        assert_eq!(anna.post("/user/login", &fields).await.leads_to(), Some("/user/"));
        let page = stack.moved(&anna, 1).get("/user/").await;
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

#[actix_web::test]
async fn a_script_in_a_name_stays_text() {
    let stack = Stack::memory();
    let visitor = stack.visitor(0);
    let name = "<script>alert(1)</script>";
    assert_eq!(visitor.register("anna", name, PASSWORD).await.status, 303);
    for path in ["/user/login", "/user/", "/user/"] {
        let page = visitor.get(path).await;
        assert!(!page.html.contains("<script"), "{}", page.html);
        visitor.sign_in("anna", PASSWORD).await;
    }
    assert!(visitor.get("/user/").await.html.contains("&#60;script&#62;alert(1)"));
}

#[actix_web::test]
async fn what_is_missing_is_told_beside_it_and_what_was_typed_stays() {
    let stack = Stack::memory();
    let (id, password) = (Some("Enter your id."), Some("Enter your password."));
    for (typed, errors) in [
        (["", ""], [id, password]),
        (["  ", PASSWORD], [id, None]),
        (["<anna>", ""], [None, password]),
    ] {
        let visitor = stack.visitor(0);
        let fields = [("id", typed[0]), ("password", typed[1]), ("next", "/user/password")];
        let refused = visitor.post("/user/login", &fields).await;
        assert_eq!((refused.status, refused.cookie()), (422, None));
        assert_eq!([refused.error("id"), refused.error("password")], errors);
        assert_eq!(
            refused.value("id"),
            typed[0].replace('<', "&#60;").replace('>', "&#62;")
        );
        assert_eq!(refused.value("password"), "");
        assert!(refused.html.contains("name=\"next\" value=\"/user/password\""));
    }
    assert_eq!(stack.visitor(0).post("/user/login", &[]).await.status, 422);
    assert_eq!(stack.hashes.take(), 0);
}

#[actix_web::test]
async fn whether_the_person_exists_is_not_told_by_the_answer_or_the_work() {
    for stack in Stack::each() {
        stack.registered("anna").await;
        stack.hashes.take();
        let mut answers: Vec<String> = Vec::new();
        for id in ["anna", "nobody", "kky", "no id at all", "x"] {
            for password in ["a wrong password", "x", " ", &"x".repeat(1000)] {
                let refused = stack.visitor(1).sign_in(id, password).await;
                assert_eq!((refused.status, stack.hashes.take()), (401, 1), "{id}");
                assert_eq!(refused.error("id"), None);
                assert_eq!(refused.error("password"), Some("The id or the password is wrong."));
                assert_eq!((refused.value("id"), refused.value("password")), (id, ""));
                assert_eq!(refused.cookie(), None);
                answers.push(without_the_id(&refused, id));
            }
        }
        for answer in &answers {
            assert_eq!(answer, &answers[0]);
        }
    }
}

/// All of an answer but what differs between any two requests, or was typed.
fn without_the_id(answer: &Answer, id: &str) -> String {
    let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value));
    let differs = ["date", "x-request-id", "content-length"];
    let headers: BTreeMap<_, _> = headers.filter(|(name, _)| !differs.contains(name)).collect();
    let html = answer.html.replace(&format!("value=\"{id}\""), "value=\"\"");
    format!("{headers:?}{html}")
}

#[actix_web::test]
async fn a_sign_in_is_a_new_id_and_one_that_was_planted_is_worth_nothing() {
    for stack in Stack::each() {
        stack.registered("anna").await;
        // somebody begins a session and plants its cookie in the browser of anna
        let attacker = stack.visitor(0);
        let planted = attacker.get("/user/redis_session_set").await;
        let planted = format!("sid={}", planted.cookie().unwrap());
        let anna = stack.visitor(1);
        let form = anna.form("/user/login", &[("id", "anna"), ("password", PASSWORD)]);
        let done = answer(form.header("cookie", &planted)).await;
        assert_eq!(done.status, 303);
        let cookie = done.cookie().unwrap().to_owned();
        assert_ne!(format!("sid={cookie}"), planted);
        assert!(anna.is_signed_in().await);
        for process in 0..2 {
            let with = stack
                .visitor(process)
                .request("GET", "/user/")
                .header("cookie", &planted);
            let page = answer(with).await;
            assert!(page.html.contains("No session yet"), "{}", page.html);
            assert!(!stack.moved(&attacker, process).is_signed_in().await);
        }
    }
}

#[actix_web::test]
async fn who_signs_in_as_another_leaves_nothing_of_the_first() {
    let stack = Stack::memory();
    stack.registered("berta").await;
    let visitor = stack.signed_in("anna").await;
    assert_eq!(visitor.sign_in("berta", PASSWORD).await.status, 303);
    let page = visitor.get("/user/").await;
    assert!(
        page.html.contains("The berta") && !page.html.contains("anna"),
        "{}",
        page.html
    );
    // a wrong password leaves who is signed in
    assert_eq!(visitor.sign_in("anna", "a wrong password").await.status, 401);
    assert!(visitor.get("/user/").await.html.contains("The berta"));
}

#[actix_web::test]
async fn nobody_is_led_to_another_site() {
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
        assert_eq!(done.leads_to(), Some(to), "{next}");
        let visitor = stack.visitor(0);
        let refused = visitor.post("/user/login", &[("next", next)]).await;
        assert!(
            refused.html.contains(&format!("name=\"next\" value=\"{to}\"")),
            "{next}"
        );
    }
}

#[actix_web::test]
async fn many_at_once_wait_for_their_turn() {
    let stack = Stack::memory();
    stack.registered("anna").await;
    stack.hashes.take();
    let attempts = (0..20).map(|number| {
        let visitor = stack.visitor(0);
        let id = if number % 2 == 0 { "anna" } else { "nobody" };
        rt::spawn(async move { visitor.sign_in(id, PASSWORD).await.status })
    });
    for (number, attempt) in attempts.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(attempt.await.unwrap(), if number % 2 == 0 { 303 } else { 401 });
    }
    assert_eq!(stack.hashes.take(), 20);
    assert!(stack.hashes.most_under_way() <= 2);
}

#[actix_web::test]
async fn where_there_are_too_many_at_once_it_is_told_beside_the_password() {
    let nobodys_turn = Hasher::new(Arc::new(Argon2id), 0, Duration::from_millis(10));
    let server = support::start(&nobodys_turn, &[]);
    let visitor = support::visitor(&server);
    for refused in [
        visitor.sign_in("anna", PASSWORD).await,
        visitor.register("anna", "Anna", PASSWORD).await,
    ] {
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
        assert_eq!((refused.value("id"), refused.error("id")), ("anna", None));
        assert!(refused.error("password").unwrap().starts_with("Too many people"));
    }
}

/// Says yes to every password, but not before its test has done something else meanwhile.
struct Meanwhile(std::sync::Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl HashFunction for Meanwhile {
    fn hash(&self, password: &str) -> Result<String, Failure> {
        Argon2id.hash(password)
    }

    fn verify(&self, password: &str, hash: &str) -> Result<bool, Failure> {
        if let Some(meanwhile) = self.0.lock().unwrap().take() {
            meanwhile();
        }
        Argon2id.verify(password, hash)
    }

    fn is_current(&self, hash: &str) -> bool {
        Argon2id.is_current(hash)
    }
}

#[actix_web::test]
async fn a_password_that_is_changed_while_it_is_looked_at_lets_nobody_in() {
    let stack = Stack::redis();
    stack.registered("anna").await;
    let redis = stack.redis.as_ref().unwrap();
    let (url, key) = (redis.url(), "user:account:anna");
    let record: String = redis.run(&["GET", key]);
    let others = Argon2id.hash("another password").unwrap();
    let changed = format!("{{\"name\":\"Anna\",\"password\":\"{others}\",\"created\":5}}");
    for (value, status) in [(record, 303), (changed, 401)] {
        let (port, set) = (redis.port().to_string(), value.clone());
        let meanwhile = move || {
            let set = std::process::Command::new("redis-cli")
                .args(["-p", &port, "SET", key, &set])
                .output();
            assert!(set.unwrap().status.success());
        };
        let function = Meanwhile(std::sync::Mutex::new(Some(Box::new(meanwhile))));
        let hasher = Hasher::new(Arc::new(function), 2, Duration::from_secs(60));
        let server = support::start(&hasher, &["--session-store", &url, "--session-store-timeout", "10s"]);
        let visitor = support::visitor(&server);
        assert_eq!(visitor.sign_in("anna", PASSWORD).await.status, status);
        assert_eq!(redis.run::<String>(&["GET", key]), value);
    }
}

#[actix_web::test]
async fn a_hash_that_costs_too_little_is_made_anew() {
    let stack = Stack::redis();
    stack.registered("anna").await;
    let redis = stack.redis.as_ref().unwrap();
    let get = || redis.run::<String>(&["GET", "user:account:anna"]);
    // PHP's password_hash of "correct horse", of a small cost
    let old = "$argon2id$v=19$m=64,t=1,p=1$elNyRzJVdGRQRlRORkMyRQ$I/UP5TlFrwdcaI1st6G/gDSyDAH2ySz3nLcFFPChBZs";
    let record = format!("{{\"name\":\"Anna\",\"password\":\"{old}\",\"created\":5}}");
    let () = redis.run(&["SET", "user:account:anna", &record]);
    assert_eq!(stack.visitor(1).sign_in("anna", PASSWORD).await.status, 401);
    assert_eq!(get(), record);
    stack.hashes.take();
    assert_eq!(stack.visitor(1).sign_in("anna", "correct horse").await.status, 303);
    assert_eq!(stack.hashes.take(), 2);
    assert!(
        get().contains("m=19456,t=2,p=1") && get().ends_with(",\"created\":5}"),
        "{}",
        get()
    );
    assert_eq!(stack.visitor(0).sign_in("anna", "correct horse").await.status, 303);
    assert_eq!(stack.hashes.take(), 1);
}
