//! Tests an unavailable store: no change is reported as done, and no user is signed out.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use service_kit::Failure;
use shared_session_testkit::servers::RedisServer;
use user_service::hasher::{Argon2id, HashFunction, Hasher};

use crate::accounts::support::{self, Browser, PASSWORD, Stack};

const NEW: &str = "battery staple";

#[actix_web::test]
async fn unavailable_store_fails_every_form_and_keeps_the_session() {
    let mut stack = Stack::redis();
    let (anna, signed_out) = (stack.signed_in("anna").await, stack.browser(1));
    let mut redis = stack.redis.take().unwrap();
    redis.kill();
    for path in ["/user/register", "/user/login", "/user/"] {
        assert_eq!(signed_out.get(path).await.status, 200, "{path}");
    }
    for rejected in [
        signed_out.register("berta", "Berta", PASSWORD).await,
        signed_out.sign_in("anna", PASSWORD).await,
        anna.get("/user/").await,
        anna.get("/user/sessions").await,
        anna.post("/user/sessions/revoke-others", &[]).await,
        anna.post("/user/password", &[("current", PASSWORD), ("new", NEW)])
            .await,
        anna.post("/user/logout", &[]).await,
    ] {
        assert_eq!((rejected.status, rejected.cookie()), (503, None), "{}", rejected.html);
        assert!(rejected.headers.contains_key("retry-after"));
        assert!(
            rejected.html.contains("<h1>Not available at the moment</h1>"),
            "{}",
            rejected.html
        );
        let claims = rejected.html.replace("Nothing was changed.", "");
        assert!(!claims.contains("changed"), "{claims}");
    }
    redis.restart(&[]);
    // the circuit breaker of each process closes at its own time
    for browser in [&anna, &stack.at_process(&anna, 1)] {
        while browser.get("/user/").await.status != 200 {}
    }
    assert!(anna.is_signed_in().await);
    assert_eq!(signed_out.register("berta", "Berta", PASSWORD).await.status, 303);
}

/// A sign-out frees memory, and the message about it needs some.
#[actix_web::test]
async fn full_store_still_signs_out_other_devices_and_the_page_says_so() {
    let stack = Stack::redis();
    let (anna, phone) = (stack.signed_in("anna").await, stack.browser(1));
    assert_eq!(phone.sign_in("anna", PASSWORD).await.status, 303);
    anna.get("/user/").await; // shows the message of the sign-in, which then leaves the session
    let redis = stack.redis.as_ref().unwrap();
    let () = redis.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let response = anna.post("/user/sessions/revoke-others", &[]).await;
    assert_eq!(response.status, 200, "{}", response.html);
    assert!(
        response.html.contains("<h1>Your other devices were signed out</h1>"),
        "{}",
        response.html
    );
    assert!(!phone.is_signed_in().await);
    assert!(anna.is_signed_in().await);
}

/// Makes Redis reject commands on the index of a user's sessions after the current password was verified: no session
/// can be revoked any more, but accounts and sessions can be read and written.
struct IndexBlocker {
    redis_port: u16,
    is_armed: AtomicBool,
}

impl IndexBlocker {
    fn set_acl(&self, rule: &str) {
        let port = self.redis_port.to_string();
        let command = ["-p", &port, "ACL", "SETUSER", "default", rule];
        let output = Command::new("redis-cli").args(command).output().unwrap();
        assert_eq!(output.stdout, b"OK\n");
    }
}

impl HashFunction for IndexBlocker {
    fn hash(&self, password: &SecretString) -> Result<String, Failure> {
        if self.is_armed.swap(false, Ordering::SeqCst) {
            self.set_acl("-@sortedset");
        }
        Argon2id.hash(password)
    }

    fn verify(&self, password: &SecretString, hash: &str) -> Result<bool, Failure> {
        Argon2id.verify(password, hash)
    }

    fn is_current(&self, hash: &str) -> bool {
        Argon2id.is_current(hash)
    }
}

#[actix_web::test]
async fn password_change_without_revocation_is_reported() {
    let redis = RedisServer::start();
    let function = Arc::new(IndexBlocker {
        redis_port: redis.port(),
        is_armed: AtomicBool::new(false),
    });
    let hasher = Hasher::new(function.clone(), 2, Duration::from_secs(60));
    let url = redis.url();
    let server = support::start(&hasher, &["--session-store", &url, "--session-store-timeout", "10s"]);
    let (here, there) = (Browser::at(&server), Browser::at(&server));
    assert_eq!(here.register("anna", "Anna", PASSWORD).await.status, 303);
    for device in [&here, &there] {
        assert_eq!(device.sign_in("anna", PASSWORD).await.status, 303);
        device.get("/user/").await;
    }
    function.is_armed.store(true, Ordering::SeqCst);
    let half_done = here
        .post("/user/password", &[("current", PASSWORD), ("new", NEW)])
        .await;
    assert_eq!(
        (half_done.status, half_done.cookie()),
        (503, None),
        "{}",
        half_done.html
    );
    assert_eq!(half_done.header("retry-after"), Some("1"));
    assert!(
        half_done.html.contains("<h1>Your password was changed</h1>"),
        "{}",
        half_done.html
    );
    assert!(half_done.html.contains("action=\"/user/sessions/revoke-others\""));
    for path in ["/user/sessions/revoke-others", "/user/sessions/revoke"] {
        let handle = "x".repeat(42) + "A";
        let rejected = here.post(path, &[("handle", &handle)]).await;
        assert_eq!(rejected.status, 503);
        assert!(
            rejected.html.contains("cannot be reached at the moment"),
            "{}",
            rejected.html
        );
    }
    assert_eq!(here.get("/user/sessions").await.status, 503);
    assert!(there.is_signed_in().await);

    function.set_acl("+@sortedset");
    assert_eq!(here.post("/user/sessions/revoke-others", &[]).await.status, 303);
    let page = here.get("/user/sessions").await;
    assert_eq!(page.message(), Some("One other device was signed out."));
    assert!(!there.is_signed_in().await);
    assert_eq!(there.sign_in("anna", NEW).await.status, 303);
}
