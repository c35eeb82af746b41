//! Tests `/user/reset` with links that the operator's command prints.

use crate::accounts::support::{PASSWORD, Stack};
use crate::program::run;

const NEW: &str = "battery staple 홍길동";

/// Returns the address of a link for anna.
fn link(stack: &Stack) -> String {
    let url = stack.redis.as_ref().unwrap().url();
    let output = run(
        &["accounts", "reset", "Anna", "--operator", "olga"],
        &[("SESSION_STORE", &url)],
    );
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let address = printed.lines().last().unwrap().to_owned();
    assert!(address.starts_with("/user/reset?token="), "{printed}");
    let log = String::from_utf8(output.stderr).unwrap();
    let (_, token) = address.split_once('=').unwrap();
    assert!(log.contains("password reset begun") && !log.contains(token), "{log}");
    address
}

#[actix_web::test]
async fn link_sets_a_password_once_and_ends_all_sessions() {
    let stack = Stack::redis();
    let anna = stack.signed_in("anna").await;
    let redis = stack.redis.as_ref().unwrap();
    let () = redis.run(&["SET", &format!("user:attempts:{}", stack.account("anna")), "100 0"]);
    assert_eq!(stack.browser(0).sign_in("anna", PASSWORD).await.status, 429);

    let link = link(&stack);
    let (_, token) = link.split_once('=').unwrap();
    let keys: Vec<String> = redis.run(&["KEYS", "user:reset:*"]);
    assert!(keys.len() == 1 && !keys[0].contains(token), "{keys:?}");
    assert!((3500..=3600).contains(&redis.run::<i64>(&["TTL", &keys[0]])));

    let browser = stack.browser(1);
    for _ in 0..2 {
        let form = browser.get(&link).await;
        assert_eq!((form.status, form.cookie()), (200, None));
        form.shows("value=\"anna\" autocomplete=\"username\"");
    }
    for (new, message) in [
        ("", "Enter a password"),
        ("Password123456", "most common"),
        ("by The anna, 1", "your name"),
    ] {
        let rejected = browser.post("/user/reset", &[("token", token), ("new", new)]).await;
        assert_eq!(rejected.status, 422);
        assert!(rejected.error("new").unwrap().contains(message), "{new}");
    }
    assert!(anna.is_signed_in().await);

    let fields = [("token", token), ("new", NEW)];
    let (one, other) = (stack.browser(0), stack.browser(1));
    let (one, other) = tokio::join!(one.post("/user/reset", &fields), other.post("/user/reset", &fields));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404], "{} {}", one.html, other.html);
    assert!(!anna.is_signed_in().await);
    assert_eq!(stack.browser(0).sign_in("anna", PASSWORD).await.status, 401);
    assert_eq!(stack.browser(1).sign_in("anna", NEW).await.status, 303);
    assert_eq!(browser.get(&link).await.status, 404);
}

#[actix_web::test]
async fn link_of_a_deleted_account_is_worthless() {
    let stack = Stack::redis();
    let anna = stack.signed_in("anna").await;
    let link = link(&stack);
    assert_eq!(anna.post("/user/delete", &[("password", PASSWORD)]).await.status, 200);
    stack.registered("anna").await;
    let (_, token) = link.split_once('=').unwrap();
    for unknown in [token, "", "x", &"x".repeat(22), "<b>"] {
        let browser = stack.browser(0);
        let page = browser.post("/user/reset", &[("token", unknown), ("new", NEW)]).await;
        assert_eq!(
            (page.status, page.html.contains("<form")),
            (404, false),
            "{}",
            page.html
        );
    }
    assert_eq!(stack.browser(0).sign_in("anna", PASSWORD).await.status, 303);
}
