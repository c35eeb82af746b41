//! Tests `/user/password`.

use crate::accounts::support::{Browser, PASSWORD, Response, Stack, send};

const NEW: &str = "battery staple 홍길동";

async fn change(browser: &Browser, current: &str, new: &str) -> Response {
    let fields = [("current", current), ("new", new)];
    browser.post("/user/password", &fields).await
}

#[actix_web::test]
async fn password_change_revokes_every_other_session() {
    for stack in Stack::every_store() {
        let here = stack.signed_in("anna").await;
        let (phone, tablet) = (stack.browser(0), stack.browser(1));
        let stranger = stack.signed_in("berta").await;
        for device in [&phone, &tablet] {
            assert_eq!(device.sign_in("anna", PASSWORD).await.status, 303);
        }
        let before = here.get("/user/password").await;
        assert_eq!(
            (before.status, before.title()),
            (200, "Change your password · shared session")
        );
        assert!(before.html.contains("value=\"anna\" autocomplete=\"username\""));

        let done = change(&here, PASSWORD, NEW).await;
        assert_eq!(done.redirects_to(), Some("/user/sessions"));
        assert!(done.cookie().is_some());
        let message = here.get("/user/").await;
        assert_eq!(
            message.message(),
            Some("Your password was changed. 2 other devices were signed out.")
        );
        for process in 0..2 {
            assert!(!stack.at_process(&phone, process).is_signed_in().await);
            assert!(!stack.at_process(&tablet, process).is_signed_in().await);
            assert!(stack.at_process(&here, process).is_signed_in().await);
            assert!(stack.at_process(&stranger, process).is_signed_in().await);
            let browser = stack.browser(process);
            assert_eq!(browser.sign_in("anna", PASSWORD).await.status, 401);
            assert_eq!(browser.sign_in("anna", NEW).await.status, 303);
        }
    }
}

#[actix_web::test]
async fn password_change_renews_this_session() {
    for stack in Stack::every_store() {
        let anna = stack.registered("anna").await;
        let cookie = anna.sign_in("anna", PASSWORD).await.cookie().unwrap().to_owned();
        let changed = change(&anna, PASSWORD, NEW).await.cookie().unwrap().to_owned();
        assert_ne!(cookie, changed);
        for (cookie, known) in [(cookie, false), (changed, true)] {
            let visit = stack.browser(1).request("GET", "/user/");
            let page = send(visit.header("cookie", format!("sid={cookie}"))).await;
            assert_eq!(page.html.contains("Signed in as"), known);
        }
    }
}

#[actix_web::test]
async fn invalid_form_is_shown_again_with_its_errors() {
    for stack in Stack::every_store() {
        let here = stack.signed_in("anna").await;
        let there = stack.browser(1);
        assert_eq!(there.sign_in("anna", PASSWORD).await.status, 303);
        stack.hashes.take();
        let long = "ab".repeat(65);
        for (current, new, status, hashes, errors) in [
            ("", "", 422, 0, [Some("Enter your current"), Some("Enter a password")]),
            ("", NEW, 422, 0, [Some("Enter your current"), None]),
            (PASSWORD, "elevenchars", 422, 0, [None, Some("at least 12")]),
            (PASSWORD, &long, 422, 0, [None, Some("at most 128")]),
            (PASSWORD, "Password123456", 422, 0, [None, Some("most common")]),
            (
                PASSWORD,
                PASSWORD,
                422,
                0,
                [None, Some("This is your current password")],
            ),
            ("a wrong one", NEW, 401, 2, [Some("not your current password"), None]),
        ] {
            let rejected = change(&here, current, new).await;
            assert_eq!((rejected.status, rejected.cookie()), (status, None));
            assert_eq!(stack.hashes.take(), hashes);
            assert!(rejected.title().starts_with("Error: "));
            for (field, error) in ["current", "new"].into_iter().zip(errors) {
                let message = rejected.error(field);
                assert_eq!(message.is_some(), error.is_some(), "{message:?}");
                assert!(
                    message.unwrap_or_default().contains(error.unwrap_or_default()),
                    "{message:?}"
                );
                assert_eq!(rejected.value(field), "");
            }
        }
        assert_eq!(here.post("/user/password", &[]).await.status, 422);
        assert!(here.is_signed_in().await && there.is_signed_in().await);
        assert_eq!(stack.browser(1).sign_in("anna", PASSWORD).await.status, 303);
    }
}

#[actix_web::test]
async fn concurrent_password_changes_make_one_change() {
    for stack in Stack::every_store() {
        let one = stack.signed_in("anna").await;
        let other = stack.browser(1);
        assert_eq!(other.sign_in("anna", PASSWORD).await.status, 303);
        let (first, second) = ("the first new one", "the second new one");
        let (mine, theirs) = tokio::join!(change(&one, PASSWORD, first), change(&other, PASSWORD, second));
        // the other change fails with an error beside the password, or because its session was revoked
        let (made, lost) = if mine.status == 303 {
            (first, theirs)
        } else {
            (second, mine)
        };
        assert!([401, 409].contains(&lost.status) || lost.redirects_to() == Some("/user/login?next=/user/password"));
        for (password, status) in [(PASSWORD, 401), (made, 303)] {
            assert_eq!(stack.browser(0).sign_in("anna", password).await.status, status);
        }
        assert_eq!(
            usize::from(one.is_signed_in().await) + usize::from(other.is_signed_in().await),
            1
        );
    }
}

#[actix_web::test]
async fn form_that_is_sent_again_finds_the_password_changed() {
    for stack in Stack::every_store() {
        let anna = stack.signed_in("anna").await;
        assert_eq!(
            change(&anna, PASSWORD, NEW).await.redirects_to(),
            Some("/user/sessions")
        );
        // more often than there may be wrong passwords
        for _ in 0..8 {
            assert_eq!(
                change(&anna, PASSWORD, NEW).await.redirects_to(),
                Some("/user/sessions")
            );
            let message = anna.get("/user/").await;
            assert_eq!(
                message.message(),
                Some("Your password was already changed. No other device was signed in.")
            );
        }
        assert!(anna.is_signed_in().await);
        assert_eq!(stack.browser(1).sign_in("anna", NEW).await.status, 303);
    }
}

#[actix_web::test]
async fn form_that_is_sent_twice_at_once_changes_the_password_once() {
    for stack in Stack::every_store() {
        let anna = stack.signed_in("anna").await;
        let again = stack.at_process(&anna, 1);
        let (one, other) = tokio::join!(change(&anna, PASSWORD, NEW), change(&again, PASSWORD, NEW));
        for response in [one, other] {
            assert_ne!(response.status, 401, "{}", response.html);
            assert!(
                !response.html.contains("not your current password"),
                "{}",
                response.html
            );
        }
        assert_eq!(stack.browser(0).sign_in("anna", NEW).await.status, 303);
        assert_eq!(stack.browser(1).sign_in("anna", PASSWORD).await.status, 401);
    }
}

/// The browser did not get the renewed id of the first response.
#[actix_web::test]
async fn form_that_is_sent_again_without_a_session_signs_in_with_the_new_password() {
    for stack in Stack::every_store() {
        let anna = stack.signed_in("anna").await;
        assert_eq!(change(&anna, PASSWORD, NEW).await.status, 303);
        let browser = stack.browser(1);
        let form = |current, new| [("id", "anna"), ("current", current), ("new", new)];
        let to = Some("/user/login?next=/user/password");
        for fields in [form("", NEW), form(NEW, "a wrong one"), form(NEW, "")] {
            assert_eq!(browser.post("/user/password", &fields).await.redirects_to(), to);
            assert!(!browser.is_signed_in().await);
        }
        let again = browser.post("/user/password", &form(PASSWORD, NEW)).await;
        assert_eq!(again.redirects_to(), Some("/user/sessions"));
        let page = browser.get("/user/").await;
        assert_eq!(
            page.message(),
            Some("Your password was already changed, and you are signed in with it.")
        );
        assert!(browser.is_signed_in().await && anna.is_signed_in().await);
    }
}

#[actix_web::test]
async fn signed_out_user_is_redirected_to_the_sign_in() {
    let stack = Stack::memory();
    let signed_out = stack.browser(0);
    let lecture = stack.browser(0);
    assert_eq!(lecture.get("/user/redis_session_set").await.status, 200);
    for browser in [&signed_out, &lecture] {
        let to = Some("/user/login?next=/user/password");
        assert_eq!(browser.get("/user/password").await.redirects_to(), to);
        assert_eq!(change(browser, PASSWORD, NEW).await.redirects_to(), to);
    }
    assert_eq!(stack.hashes.take(), 0);
}
