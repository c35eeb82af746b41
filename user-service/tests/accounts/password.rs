//! `/user/password`.

use crate::support::{Answer, PASSWORD, Stack, Visitor, answer};

const NEW: &str = "battery staple 홍길동";

async fn change(visitor: &Visitor, current: &str, new: &str) -> Answer {
    let fields = [("current", current), ("new", new)];
    visitor.post("/user/password", &fields).await
}

#[actix_web::test]
async fn a_changed_password_ends_every_other_session_and_keeps_this_one() {
    for stack in Stack::each() {
        let here = stack.signed_in("anna").await;
        let (phone, tablet) = (stack.visitor(0), stack.visitor(1));
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
        assert_eq!(done.leads_to(), Some("/user/sessions"));
        assert!(done.cookie().is_some());
        let told = here.get("/user/").await;
        assert_eq!(
            told.message(),
            Some("Your password is changed. 2 other devices are signed out.")
        );
        for process in 0..2 {
            assert!(!stack.moved(&phone, process).is_signed_in().await);
            assert!(!stack.moved(&tablet, process).is_signed_in().await);
            assert!(stack.moved(&here, process).is_signed_in().await);
            assert!(stack.moved(&stranger, process).is_signed_in().await);
            let visitor = stack.visitor(process);
            assert_eq!(visitor.sign_in("anna", PASSWORD).await.status, 401);
            assert_eq!(visitor.sign_in("anna", NEW).await.status, 303);
        }
    }
}

#[actix_web::test]
async fn this_session_goes_on_under_another_id() {
    for stack in Stack::each() {
        let anna = stack.registered("anna").await;
        let cookie = anna.sign_in("anna", PASSWORD).await.cookie().unwrap().to_owned();
        let changed = change(&anna, PASSWORD, NEW).await.cookie().unwrap().to_owned();
        assert_ne!(cookie, changed);
        for (cookie, known) in [(cookie, false), (changed, true)] {
            let visit = stack.visitor(1).request("GET", "/user/");
            let page = answer(visit.header("cookie", format!("sid={cookie}"))).await;
            assert_eq!(page.html.contains("Signed in as"), known);
        }
    }
}

#[actix_web::test]
async fn what_is_wrong_stands_beside_its_field() {
    for stack in Stack::each() {
        let here = stack.signed_in("anna").await;
        let there = stack.visitor(1);
        assert_eq!(there.sign_in("anna", PASSWORD).await.status, 303);
        stack.hashes.take();
        let long = "ab".repeat(65);
        for (current, new, status, hashes, errors) in [
            ("", "", 422, 0, [Some("Enter your current"), Some("Enter a password")]),
            ("", NEW, 422, 0, [Some("Enter your current"), None]),
            (PASSWORD, "elevenchars", 422, 0, [None, Some("at least 12")]),
            (PASSWORD, &long, 422, 0, [None, Some("at most 128")]),
            (PASSWORD, "Password123456", 422, 0, [None, Some("most common")]),
            (PASSWORD, PASSWORD, 422, 0, [None, Some("This is the current password")]),
            ("a wrong one", NEW, 401, 1, [Some("not your current password"), None]),
        ] {
            let refused = change(&here, current, new).await;
            assert_eq!((refused.status, refused.cookie()), (status, None));
            assert_eq!(stack.hashes.take(), hashes);
            assert!(refused.title().starts_with("Not yet: "));
            for (field, error) in ["current", "new"].into_iter().zip(errors) {
                let told = refused.error(field);
                assert_eq!(told.is_some(), error.is_some(), "{told:?}");
                assert!(told.unwrap_or_default().contains(error.unwrap_or_default()), "{told:?}");
                assert_eq!(refused.value(field), "");
            }
        }
        assert_eq!(here.post("/user/password", &[]).await.status, 422);
        assert!(here.is_signed_in().await && there.is_signed_in().await);
        assert_eq!(stack.visitor(1).sign_in("anna", PASSWORD).await.status, 303);
    }
}

#[actix_web::test]
async fn of_two_changes_at_once_one_is_made() {
    for stack in Stack::each() {
        let one = stack.signed_in("anna").await;
        let other = stack.visitor(1);
        assert_eq!(other.sign_in("anna", PASSWORD).await.status, 303);
        let (first, second) = ("the first new one", "the second new one");
        let (mine, theirs) = tokio::join!(change(&one, PASSWORD, first), change(&other, PASSWORD, second));
        // the one that lost is told so beside the password, or its session is over by then
        let (made, lost) = if mine.status == 303 {
            (first, theirs)
        } else {
            (second, mine)
        };
        assert!([401, 409].contains(&lost.status) || lost.leads_to() == Some("/user/login?next=/user/password"));
        for (password, status) in [(PASSWORD, 401), (made, 303)] {
            assert_eq!(stack.visitor(0).sign_in("anna", password).await.status, status);
        }
        assert_eq!(
            usize::from(one.is_signed_in().await) + usize::from(other.is_signed_in().await),
            1
        );
    }
}

#[actix_web::test]
async fn who_is_not_signed_in_is_led_to_the_sign_in_and_back() {
    let stack = Stack::memory();
    let somebody = stack.visitor(0);
    let lecture = stack.visitor(0);
    assert_eq!(lecture.get("/user/redis_session_set").await.status, 200);
    for visitor in [&somebody, &lecture] {
        let to = Some("/user/login?next=/user/password");
        assert_eq!(visitor.get("/user/password").await.leads_to(), to);
        assert_eq!(change(visitor, PASSWORD, NEW).await.leads_to(), to);
    }
    assert_eq!(stack.hashes.take(), 0);
}
