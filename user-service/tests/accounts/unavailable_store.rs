//! While the store is away: nothing is answered as done, and nobody is signed out.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use service_kit::Failure;
use service_kit::testing::Running;
use shared_session::testing::redis_server::RedisServer;
use user_service::hasher::{Argon2id, HashFunction, Hasher};

use crate::support::{self, PASSWORD, Stack};

const NEW: &str = "battery staple";

#[actix_web::test]
async fn without_its_store_every_form_says_so_and_keeps_the_session() {
    let mut stack = Stack::redis();
    let (anna, somebody) = (stack.signed_in("anna").await, stack.visitor(1));
    let mut redis = stack.redis.take().unwrap();
    redis.kill();
    for path in ["/user/register", "/user/login", "/user/"] {
        assert_eq!(somebody.get(path).await.status, 200, "{path}");
    }
    for refused in [
        somebody.register("berta", "Berta", PASSWORD).await,
        somebody.sign_in("anna", PASSWORD).await,
        anna.get("/user/").await,
        anna.get("/user/sessions").await,
        anna.post("/user/sessions/revoke-others", &[]).await,
        anna.post("/user/password", &[("current", PASSWORD), ("new", NEW)])
            .await,
        anna.post("/user/logout", &[]).await,
    ] {
        assert_eq!((refused.status, refused.cookie()), (503, None), "{}", refused.html);
        assert!(refused.headers.contains_key("retry-after"));
        assert!(refused.html.contains("<h1>Not at the moment</h1>"), "{}", refused.html);
        assert!(!refused.html.contains("changed"), "{}", refused.html);
    }
    redis.restart(&[]);
    // each process asks again in its own time
    for visitor in [&anna, &stack.moved(&anna, 1)] {
        while visitor.get("/user/").await.status != 200 {}
    }
    assert!(anna.is_signed_in().await);
    assert_eq!(somebody.register("berta", "Berta", PASSWORD).await.status, 303);
}

/// Forbids the index of who is signed in where, once the current password has been looked at: from then on nothing can
/// be revoked, while accounts and sessions are read and written.
struct Forbidding {
    redis: u16,
    armed: AtomicBool,
}

impl Forbidding {
    fn index(&self, rule: &str) {
        let port = self.redis.to_string();
        let command = ["-p", &port, "ACL", "SETUSER", "default", rule];
        let output = Command::new("redis-cli").args(command).output().unwrap();
        assert_eq!(output.stdout, b"OK\n");
    }
}

impl HashFunction for Forbidding {
    fn hash(&self, password: &str) -> Result<String, Failure> {
        if self.armed.swap(false, Ordering::SeqCst) {
            self.index("-@sortedset");
        }
        Argon2id.hash(password)
    }

    fn verify(&self, password: &str, hash: &str) -> Result<bool, Failure> {
        Argon2id.verify(password, hash)
    }

    fn is_current(&self, hash: &str) -> bool {
        Argon2id.is_current(hash)
    }
}

#[actix_web::test]
async fn a_changed_password_whose_other_sessions_stay_is_told_as_that() {
    let redis = RedisServer::start();
    let function = Arc::new(Forbidding {
        redis: redis.port(),
        armed: AtomicBool::new(false),
    });
    let service = support::service(&Hasher::new(function.clone(), 2, Duration::from_secs(60)));
    let url = redis.url();
    let server = Running::start(&service, &["--session-store", &url, "--session-store-timeout", "10s"]);
    let (here, there) = (support::visitor(&server), support::visitor(&server));
    assert_eq!(here.register("anna", "Anna", PASSWORD).await.status, 303);
    for device in [&here, &there] {
        assert_eq!(device.sign_in("anna", PASSWORD).await.status, 303);
        device.get("/user/").await;
    }
    function.armed.store(true, Ordering::SeqCst);
    let half = here
        .post("/user/password", &[("current", PASSWORD), ("new", NEW)])
        .await;
    assert_eq!((half.status, half.cookie()), (503, None), "{}", half.html);
    assert_eq!(half.header("retry-after"), Some("1"));
    assert!(half.html.contains("<h1>Your password is changed</h1>"), "{}", half.html);
    assert!(half.html.contains("action=\"/user/sessions/revoke-others\""));
    for path in ["/user/sessions/revoke-others", "/user/sessions/revoke"] {
        let handle = "x".repeat(42) + "A";
        let refused = here.post(path, &[("handle", &handle)]).await;
        assert_eq!(refused.status, 503);
        assert!(
            refused.html.contains("cannot be reached at the moment"),
            "{}",
            refused.html
        );
    }
    assert_eq!(here.get("/user/sessions").await.status, 503);
    assert!(there.is_signed_in().await);

    function.index("+@sortedset");
    assert_eq!(here.post("/user/sessions/revoke-others", &[]).await.status, 303);
    let page = here.get("/user/sessions").await;
    assert_eq!(page.message(), Some("The other device is signed out."));
    assert!(!there.is_signed_in().await);
    assert_eq!(there.sign_in("anna", NEW).await.status, 303);
}
