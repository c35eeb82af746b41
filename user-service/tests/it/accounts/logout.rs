//! Tests `/user/logout`.

use crate::accounts::support::{PASSWORD, Stack, send};

#[actix_web::test]
async fn log_out_destroys_the_session_in_every_process() {
    for stack in Stack::every_store() {
        let anna = stack.signed_in("anna").await;
        let at_second = stack.at_process(&anna, 1);
        assert!(at_second.is_signed_in().await);
        let cookie = anna.sign_in("anna", PASSWORD).await;
        let cookie = format!("sid={}", cookie.cookie().unwrap());
        let done = anna.post("/user/logout", &[]).await;
        assert_eq!(done.redirects_to(), Some("/user/?signed-out"));
        let page = anna.get("/user/?signed-out").await;
        assert_eq!((page.message(), page.cookie()), (Some("You are signed out."), None));
        assert_eq!(anna.get("/user/").await.message(), None);
        assert_eq!(done.header("clear-site-data"), Some("\"cache\""));
        assert_eq!(done.cookie(), Some(""));
        for process in 0..2 {
            assert!(!stack.at_process(&anna, process).is_signed_in().await);
            // somebody who copied the cookie has no session either
            let copied = stack
                .browser(process)
                .request("GET", "/user/")
                .header("cookie", &cookie);
            assert!(send(copied).await.html.contains("No session yet"));
        }
    }
}

#[actix_web::test]
async fn only_a_form_of_this_site_logs_out_and_may_be_sent_twice() {
    let stack = Stack::memory();
    let anna = stack.signed_in("anna").await;
    assert_eq!(anna.get("/user/logout").await.redirects_to(), Some("/user/"));
    assert_ne!(
        anna.get("/user/?signed-out").await.message(),
        Some("You are signed out.")
    );
    let other = anna
        .request("POST", "/user/logout")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(send(other).await.status, 403);
    assert!(anna.is_signed_in().await);
    for _ in 0..2 {
        let done = anna.post("/user/logout", &[]).await;
        assert_eq!(done.redirects_to(), Some("/user/?signed-out"));
    }
    assert!(!anna.is_signed_in().await);
}
