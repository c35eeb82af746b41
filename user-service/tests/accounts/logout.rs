//! `/user/logout`.

use crate::support::{Stack, answer};

#[actix_web::test]
async fn who_signs_out_is_nobody_in_every_process() {
    for stack in Stack::each() {
        let anna = stack.signed_in("anna").await;
        let known = stack.moved(&anna, 1);
        assert!(known.is_signed_in().await);
        let cookie = anna.sign_in("anna", crate::support::PASSWORD).await;
        let cookie = format!("sid={}", cookie.cookie().unwrap());
        let done = anna.post("/user/logout", &[]).await;
        assert_eq!(done.leads_to(), Some("/user/login"));
        assert_eq!(done.header("clear-site-data"), Some("\"cache\""));
        assert_eq!(done.cookie(), Some(""));
        for process in 0..2 {
            assert!(!stack.moved(&anna, process).is_signed_in().await);
            // nor does the cookie open anything to who kept it
            let kept = stack
                .visitor(process)
                .request("GET", "/user/")
                .header("cookie", &cookie);
            assert!(answer(kept).await.html.contains("No session yet"));
        }
    }
}

#[actix_web::test]
async fn it_is_a_form_of_this_site_and_may_be_sent_twice() {
    let stack = Stack::memory();
    let anna = stack.signed_in("anna").await;
    assert_eq!(anna.get("/user/logout").await.status, 405);
    let other = anna
        .request("POST", "/user/logout")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(answer(other).await.status, 403);
    assert!(anna.is_signed_in().await);
    for _ in 0..2 {
        assert_eq!(anna.post("/user/logout", &[]).await.leads_to(), Some("/user/login"));
    }
    assert!(!anna.is_signed_in().await);
}
