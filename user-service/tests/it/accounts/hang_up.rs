//! Tests clients that hang up while a form is processed: either nothing of it happens, or all of it.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};
use secrecy::SecretString;
use service_kit::testing::Running;
use service_kit::testing::reqwest::{Request, Url};
use service_kit::{Failure, Resources};
use shared_session_testkit::servers::RedisServer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::sleep;
use user_service::hasher::{Argon2id, HashFunction, Hasher};
use user_service::{SERVICE, routes_with_hasher};

use super::support::{self, Browser, PASSWORD};

const NEW: &str = "battery staple";
const LONG: Duration = Duration::from_secs(60);

/// Argon2id that stops at one of its calls until the test goes on.
#[derive(Default)]
struct Gate(Mutex<Option<Stop>>);

struct Stop {
    calls_before: usize,
    entered: Arc<Notify>,
    go_on: Receiver<()>,
}

impl Gate {
    /// Makes the call after this number of calls wait. Returns what tells that it waits, and what lets it go on.
    fn stop_after(&self, calls_before: usize) -> (Arc<Notify>, Sender<()>) {
        let (sender, go_on) = mpsc::channel();
        let entered = Arc::new(Notify::new());
        *self.0.lock().unwrap() = Some(Stop {
            calls_before,
            entered: entered.clone(),
            go_on,
        });
        (entered, sender)
    }

    fn pass(&self) {
        let mut stop = self.0.lock().unwrap();
        match stop.as_mut() {
            Some(waits) if waits.calls_before > 0 => waits.calls_before -= 1,
            _ => {
                let reached = stop.take();
                drop(stop);
                if let Some(reached) = reached {
                    reached.entered.notify_one();
                    let _ = reached.go_on.recv();
                }
            }
        }
    }
}

impl HashFunction for Gate {
    fn hash(&self, password: &SecretString) -> Result<String, Failure> {
        self.pass();
        Argon2id.hash(password)
    }

    fn verify(&self, password: &SecretString, hash: &str) -> Result<bool, Failure> {
        self.pass();
        Argon2id.verify(password, hash)
    }

    fn is_current(&self, hash: &str) -> bool {
        Argon2id.is_current(hash)
    }
}

/// Tells when a handler is dropped before its end.
struct Cut {
    told: Arc<Notify>,
    is_complete: bool,
}

impl Drop for Cut {
    fn drop(&mut self) {
        if !self.is_complete {
            self.told.notify_one();
        }
    }
}

/// A service whose client hangs up, and another one that shows what became of it.
struct Stack {
    redis: RedisServer,
    gate: Arc<Gate>,
    cut: Arc<Notify>,
    service: Running,
    other: Running,
}

impl Stack {
    fn start() -> Self {
        let redis = support::durable_redis();
        let url = redis.url();
        let arguments = ["--session-store", &*url, "--session-store-timeout", "60s"];
        let arguments = [&arguments[..], &["--shutdown-timeout", "60s"]].concat();
        let (gate, cut) = (Arc::<Gate>::default(), Arc::<Notify>::default());
        let hasher = Hasher::new(gate.clone(), 2, LONG);
        let told = cut.clone();
        let routes = |resources: &Resources| {
            let routes = routes_with_hasher(resources, hasher);
            move |config: &mut ServiceConfig| {
                let told = told.clone();
                let watch = move |request: ServiceRequest, next: Next<BoxBody>| {
                    let told = told.clone();
                    async move {
                        let mut cut = Cut {
                            told,
                            is_complete: false,
                        };
                        let response = next.call(request).await;
                        cut.is_complete = true;
                        response
                    }
                };
                config.service(web::scope("").wrap(from_fn(watch)).configure(routes.clone()));
            }
        };
        Self {
            service: Running::start(&SERVICE, routes, &arguments),
            other: support::start(&Hasher::default(), &arguments),
            redis,
            gate,
            cut,
        }
    }

    /// Sends a form, and hangs up when the hasher has been called `calls` times and, if `in_redis`, Redis has received the
    /// first change after that. Returns when the service has processed what it processes.
    async fn hang_up(self, browser: &Browser, form: Form<'_>, calls: usize, in_redis: bool) -> (RedisServer, Running) {
        let (entered, go_on) = self.gate.stop_after(calls - 1);
        let client = send_raw(&browser.form(form.path, form.fields).build().unwrap(), form.cookie).await;
        entered.notified().await;
        if in_redis {
            let () = self.redis.run(&["CLIENT", "PAUSE", "1000000", "WRITE"]);
            go_on.send(()).unwrap();
            while !self
                .redis
                .run::<String>(&["INFO", "clients"])
                .contains("\nblocked_clients:1")
            {
                sleep(Duration::from_millis(5)).await;
            }
        }
        client.set_zero_linger().unwrap();
        drop(client);
        self.cut.notified().await;
        if in_redis {
            let () = self.redis.run(&["CLIENT", "UNPAUSE"]);
        } else {
            go_on.send(()).unwrap();
        }
        self.service.stop().await.unwrap();
        (self.redis, self.other)
    }
}

#[derive(Clone, Copy)]
struct Form<'a> {
    path: &'a str,
    fields: &'a [(&'a str, &'a str)],
    cookie: &'a str,
}

/// Sends a request on a connection of its own.
async fn send_raw(request: &Request, cookie: &str) -> TcpStream {
    let url: &Url = request.url();
    let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
    let mut text = format!("{} {} HTTP/1.1\r\nhost: localhost\r\n", request.method(), url.path());
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    text += &format!("cookie: sid={cookie}\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut client = TcpStream::connect(("127.0.0.1", url.port().unwrap())).await.unwrap();
    client.write_all(&[text.as_bytes(), body].concat()).await.unwrap();
    client
}

/// The moments at which clients hang up, for a form that needs this number of hashes.
fn moments(hashes: usize) -> impl Iterator<Item = (usize, bool)> {
    (1..=hashes).flat_map(|calls| [(calls, false), (calls, true)])
}

#[actix_web::test]
async fn password_change_signs_other_devices_out_although_the_client_is_gone() {
    for (calls, in_redis) in moments(2) {
        let stack = Stack::start();
        let (here, there) = (Browser::at(&stack.service), Browser::at(&stack.other));
        assert_eq!(there.register("anna", "Anna", PASSWORD).await.status, 303);
        let cookie = here.sign_in("anna", PASSWORD).await.cookie().unwrap().to_owned();
        let form = Form {
            path: "/user/password",
            fields: &[("current", PASSWORD), ("new", NEW)],
            cookie: &cookie,
        };
        let (_redis, other) = stack.hang_up(&here, form, calls, in_redis).await;
        assert!(
            !there.is_signed_in().await,
            "after {calls} hashes, in Redis: {in_redis}"
        );
        let browser = Browser::at(&other);
        assert_eq!(browser.sign_in("anna", PASSWORD).await.status, 401);
        assert_eq!(browser.sign_in("anna", NEW).await.status, 303);
    }
}

#[actix_web::test]
async fn attempt_is_settled_although_the_client_is_gone() {
    for (calls, in_redis) in moments(1) {
        for (password, counted) in [(PASSWORD, 0), ("a wrong one", 1)] {
            if in_redis && counted == 1 {
                // a wrong password was counted before, and changes nothing
                continue;
            }
            let stack = Stack::start();
            let here = Browser::at(&stack.service);
            assert_eq!(here.register("anna", "Anna", PASSWORD).await.status, 303);
            let form = Form {
                path: "/user/login",
                fields: &[("id", "anna"), ("password", password)],
                cookie: "",
            };
            let (redis, _other) = stack.hang_up(&here, form, calls, in_redis).await;
            assert_eq!(
                redis.run::<u64>(&["EXISTS", &format!("user:attempts:{}", support::account(&redis, "anna"))]),
                counted,
                "{in_redis}"
            );
        }
    }
}
