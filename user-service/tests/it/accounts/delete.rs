//! Tests `/user/delete`.

use crate::accounts::support::{PASSWORD, Stack, send};

#[actix_web::test]
async fn deleted_account_is_gone_with_its_sessions_and_its_tasks() {
    for stack in Stack::every_store() {
        let anna = stack.signed_in("anna").await;
        let other = stack.browser(1);
        assert_eq!(other.sign_in("anna", PASSWORD).await.status, 303);
        let berta = stack.signed_in("berta").await;
        let mut lists = Vec::new();
        if let Some(redis) = &stack.redis {
            lists.extend(["anna", "berta"].map(|user| format!("task:list:{}", stack.account(user))));
            for list in &lists {
                let _: u64 = redis.run(&["HSET", list, "id", "a task"]);
            }
        }
        let form = anna.get("/user/delete").await;
        assert_eq!(
            (form.status, form.title()),
            (200, "Delete your account · shared session")
        );
        assert!(form.html.contains("value=\"anna\" autocomplete=\"username\""));

        for (password, status, error) in [
            ("", 422, "Enter your password."),
            ("a wrong one", 401, "This is not your password."),
        ] {
            let rejected = anna.post("/user/delete", &[("password", password)]).await;
            assert_eq!((rejected.status, rejected.error("password")), (status, Some(error)));
            assert_eq!(rejected.value("password"), "");
        }
        assert!(anna.is_signed_in().await && other.is_signed_in().await);

        let done = anna.post("/user/delete", &[("password", PASSWORD)]).await;
        assert_eq!((done.status, done.cookie()), (200, Some("")), "{}", done.html);
        assert!(done.html.contains("<h1>Your account was deleted</h1>"), "{}", done.html);
        assert!(!done.html.contains("Signed in as"), "{}", done.html);
        for process in 0..2 {
            for browser in [&anna, &other] {
                assert!(!stack.at_process(browser, process).is_signed_in().await);
            }
            assert!(stack.at_process(&berta, process).is_signed_in().await);
            assert_eq!(stack.browser(process).sign_in("anna", PASSWORD).await.status, 401);
        }
        if let Some(redis) = &stack.redis {
            let keys: Vec<String> = redis.run(&["KEYS", "task:*"]);
            assert_eq!(keys, lists[1..]);
            let keys: Vec<String> = redis.run(&["KEYS", "user:account:*"]);
            assert_eq!(keys, ["user:account:berta"]);
        }
        // the ID is free, and a new account gets nothing of the old one, not even what a request in flight stores
        if let Some(redis) = &stack.redis {
            let _: u64 = redis.run(&["HSET", &lists[0], "id", "stored by a request in flight"]);
        }
        stack.signed_in("anna").await;
        if stack.redis.is_some() {
            assert_ne!(format!("task:list:{}", stack.account("anna")), lists[0]);
        }
    }
}

#[actix_web::test]
async fn deletion_that_fails_can_be_tried_again() {
    let stack = Stack::redis();
    let anna = stack.signed_in("anna").await;
    let redis = stack.redis.as_ref().unwrap();
    let () = redis.run(&["ACL", "SETUSER", "default", "resetkeys", "~user:*", "~session:*"]);
    let failed = anna.post("/user/delete", &[("password", PASSWORD)]).await;
    assert_eq!(failed.status, 503, "{}", failed.html);
    assert_eq!(redis.run::<u64>(&["EXISTS", "user:account:anna"]), 1);
    let () = redis.run(&["ACL", "SETUSER", "default", "allkeys"]);
    assert_eq!(anna.sign_in("anna", PASSWORD).await.status, 303);
    assert_eq!(anna.post("/user/delete", &[("password", PASSWORD)]).await.status, 200);
}

#[actix_web::test]
async fn only_a_form_of_this_site_with_a_user_deletes() {
    let stack = Stack::memory();
    let to = Some("/user/login?next=/user/delete");
    let signed_out = stack.browser(0);
    assert_eq!(signed_out.get("/user/delete").await.redirects_to(), to);
    let fields = [("password", PASSWORD)];
    assert_eq!(signed_out.post("/user/delete", &fields).await.redirects_to(), to);
    let anna = stack.signed_in("anna").await;
    let other = anna.request("POST", "/user/delete");
    let other = other.header("sec-fetch-site", "cross-site");
    assert_eq!(send(other).await.status, 403);
    assert!(anna.is_signed_in().await);
}
