//! Tests sign-ins whose session is stored after the account was deleted, or after its password was changed.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::middleware::{Next, from_fn};
use actix_web::rt;
use actix_web::web::{self, ServiceConfig};
use secrecy::{ExposeSecret, SecretString};
use service_kit::testing::Running;
use service_kit::{Failure, Resources};
use tokio::sync::Notify;
use user_service::hasher::{Argon2id, HashFunction, Hasher};
use user_service::{SERVICE, routes_with_hasher};

use super::support::{self, Browser, PASSWORD, Response, send};

const NEW: &str = "battery staple";
const HOLD: &str = "x-hold";

/// Holds a request back after its handler and before its session is stored.
#[derive(Default)]
struct Hold {
    arrived: Notify,
    go: Notify,
}

/// Starts a service that holds requests with the header [`HOLD`].
fn start(hold: &Arc<Hold>, hasher: Hasher, store: &str) -> Running {
    let hold = hold.clone();
    let routes = move |resources: &Resources| {
        let routes = routes_with_hasher(resources, hasher);
        move |config: &mut ServiceConfig| {
            let hold = hold.clone();
            let wait = move |request: ServiceRequest, next: Next<BoxBody>| {
                let hold = request.headers().contains_key(HOLD).then(|| hold.clone());
                async move {
                    let response = next.call(request).await;
                    if let Some(hold) = hold {
                        hold.arrived.notify_one();
                        hold.go.notified().await;
                    }
                    response
                }
            };
            config.service(web::scope("").wrap(from_fn(wait)).configure(routes.clone()));
        }
    };
    let arguments = ["--session-store", store, "--session-store-timeout", "30s"];
    Running::start(&SERVICE, routes, &arguments)
}

/// Signs in as anna, and does something else after the password was verified and before the session is stored.
async fn sign_in_around(browser: &Browser, hold: &Hold, meanwhile: impl Future) -> Response {
    let form = browser.form("/user/login", &[("id", "anna"), ("password", PASSWORD)]);
    let sign_in = rt::spawn(send(form.header(HOLD, "1")));
    hold.arrived.notified().await;
    meanwhile.await;
    hold.go.notify_one();
    sign_in.await.unwrap()
}

/// Runs a check on each store, in a browser without a session and in one with a session, which the sign-in renews. The check
/// gets a browser whose user is signed in as anna, and another one.
async fn on_every_store(check: impl AsyncFn(&Hold, &Browser, &Browser, &Running)) {
    let redis = support::durable_redis();
    for store in ["memory:", &redis.url()] {
        for has_session in [false, true] {
            let hold = Arc::<Hold>::default();
            let server = start(&hold, Hasher::default(), store);
            let (owner, other) = (Browser::at(&server), Browser::at(&server));
            assert_eq!(owner.register("anna", "Anna", PASSWORD).await.status, 303);
            if has_session {
                assert!(other.get("/user/redis_session_set").await.cookie().is_some());
            }
            check(&hold, &owner, &other, &server).await;
            let () = redis.run(&["FLUSHALL"]);
        }
    }
}

fn devices(page: &Response) -> usize {
    assert_eq!(page.status, 200);
    page.html.matches("<li class=\"card row device\"").count()
}

#[actix_web::test]
async fn session_that_is_stored_after_the_deletion_ends_and_never_belongs_to_the_next_owner() {
    on_every_store(async |hold, owner, ghost, server| {
        let next = Browser::at(server);
        let done = sign_in_around(ghost, hold, async {
            assert_eq!(owner.post("/user/delete", &[("password", PASSWORD)]).await.status, 200);
            assert_eq!(next.register("anna", "Another Anna", PASSWORD).await.status, 303);
        });
        let done = done.await;
        assert_eq!((done.status, done.cookie()), (409, None), "{}", done.html);
        assert!(!ghost.is_signed_in().await && next.is_signed_in().await);
        assert_eq!(devices(&next.get("/user/sessions").await), 1);
    })
    .await;
}

#[actix_web::test]
async fn session_of_an_old_password_that_is_stored_after_the_change_ends() {
    on_every_store(async |hold, owner, late, _| {
        let done = sign_in_around(late, hold, async {
            let change = [("current", PASSWORD), ("new", NEW)];
            assert_eq!(owner.post("/user/password", &change).await.status, 303);
        });
        let done = done.await;
        assert_eq!((done.status, done.cookie()), (409, None), "{}", done.html);
        assert!(!late.is_signed_in().await && owner.is_signed_in().await);
        assert_eq!(devices(&owner.get("/user/sessions").await), 1);
        assert_eq!(late.sign_in("anna", NEW).await.status, 303);
    })
    .await;
}

/// Hashes nothing, so that other steps take most of the time.
struct Plain;

impl HashFunction for Plain {
    fn hash(&self, password: &SecretString) -> Result<String, Failure> {
        Ok(password.expose_secret().to_owned())
    }

    fn verify(&self, password: &SecretString, hash: &str) -> Result<bool, Failure> {
        // the service has a constant hash for unknown users
        Ok(password.expose_secret() == hash && !Argon2id.is_current(hash))
    }

    fn is_current(&self, _: &str) -> bool {
        true
    }
}

#[actix_web::test]
async fn concurrent_sign_ins_leave_no_session_of_a_deleted_account() {
    let redis = support::durable_redis();
    let hasher = Hasher::new(Arc::new(Plain), 8, Duration::from_secs(60));
    let servers = [(); 2].map(|()| start(&Arc::default(), hasher.clone(), &redis.url()));
    for round in 0..40 {
        let owner = Browser::at(&servers[0]);
        assert_eq!(owner.register("anna", "Anna", PASSWORD).await.status, 303);
        let sign_ins: Vec<_> = (0..4)
            .map(|number| {
                let browser = Browser::at(&servers[number % 2]);
                rt::spawn(async move {
                    let status = browser.sign_in("anna", PASSWORD).await.status;
                    (browser, status)
                })
            })
            .collect();
        assert_eq!(owner.post("/user/delete", &[("password", PASSWORD)]).await.status, 200);
        assert_eq!(owner.register("anna", "Another Anna", NEW).await.status, 303);
        for sign_in in sign_ins {
            let (browser, status) = sign_in.await.unwrap();
            assert!([303, 401, 409].contains(&status), "{status}");
            assert!(!browser.is_signed_in().await, "round {round}: {status}");
        }
        assert_eq!(devices(&owner.get("/user/sessions").await), 1, "round {round}");
        assert_eq!(owner.post("/user/delete", &[("password", NEW)]).await.status, 200);
    }
}
