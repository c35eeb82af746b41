//! Support for the HTTP tests: two real servers on free ports that share a store, and requests with a session cookie.

mod actix_service;
mod axum_service;

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::{
    CurrentSession, Error, ExtendIdleTimeout, Handle, Remember, SessionInfo, SessionManager, Settings,
};
use shared_session_testkit::TestClock;
use shared_session_testkit::servers::RedisServer;
use tokio::sync::Semaphore;

/// What lets the requests of a service in. Every promise about HTTP holds through each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Actix,
    Axum,
}

/// Turns each function into a test for each store and each door. A function takes what `$open` makes of the [`Door`].
macro_rules! through_every_door {
    (@ $open:path, { $($name:ident)+ }) => {
        mod actix {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::super::$name($open($crate::support::Door::Actix)).await; })+
        }
        mod axum {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::super::$name($open($crate::support::Door::Axum)).await; })+
        }
    };
    ($($store:ident = $open:path),+; $names:tt) => {
        $(mod $store {
            $crate::support::through_every_door! { @ $open, $names }
        })+
    };
}
pub(crate) use through_every_door;

/// Holds handlers back. A handler that is told to `wait` adds a permit to `arrived` and takes one from `go`.
#[derive(Default)]
pub struct Gate {
    arrived: Permits,
    go: Permits,
    /// The handle of the session that was stored last, as [`CurrentSession::once_stored`] got it.
    stored: Mutex<Option<Option<Handle>>>,
}

struct Permits(Semaphore);

impl Default for Permits {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Permits {
    async fn take(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

impl Gate {
    /// Waits until one more handler waits.
    pub async fn arrived(&self) {
        self.arrived.take().await;
    }

    /// Lets one waiting handler continue.
    pub fn open(&self) {
        self.go.0.add_permits(1);
    }

    /// Takes what [`CurrentSession::once_stored`] got: the handle of a session, or none if the session was ended.
    pub fn take_stored(&self) -> Option<Option<Handle>> {
        self.stored.lock().unwrap().take()
    }

    /// Waits in a handler.
    async fn wait(&self) {
        // queue before announcing it, so that handlers continue in the order of their arrival
        let (mut go, mut arrived) = (pin!(self.go.take()), false);
        let queued = poll_fn(|context| {
            let polled = go.as_mut().poll(context);
            if !std::mem::replace(&mut arrived, true) {
                self.arrived.0.add_permits(1);
            }
            polled
        });
        queued.await;
    }
}

/// Two services that share a store.
pub struct Stack {
    pub door: Door,
    pub clock: TestClock,
    pub gate: Arc<Gate>,
    pub redis: Option<RedisServer>,
    /// The sessions of each service.
    pub sessions: Vec<SessionManager>,
    addresses: Vec<String>,
    client: Client,
    cookie_name: String,
}

pub fn settings() -> Settings {
    // long, so that a busy machine fails no test that is about something else
    Settings::default().with_store_timeout(Duration::from_secs(20)).unwrap()
}

impl Stack {
    pub fn in_memory(door: Door) -> Self {
        Self::with_settings(door, &settings())
    }

    /// Starts services with sessions in memory.
    pub fn with_settings(door: Door, settings: &Settings) -> Self {
        let clock = TestClock::default();
        let backend = Arc::new(Memory::new(clock.clock()));
        Self::over(door, backend, clock, settings)
    }

    pub fn in_redis(door: Door) -> Self {
        let redis = RedisServer::start();
        let backend = Arc::new(redis.backend(Duration::from_secs(10)));
        let mut stack = Self::over(door, backend, TestClock::default(), &settings());
        stack.redis = Some(redis);
        stack
    }

    pub fn over(door: Door, backend: Arc<dyn Backend>, clock: TestClock, settings: &Settings) -> Self {
        Self::with_workers(2, door, backend, clock, settings)
    }

    /// Starts services with so many worker threads each.
    pub fn with_workers(
        workers: usize,
        door: Door,
        backend: Arc<dyn Backend>,
        clock: TestClock,
        settings: &Settings,
    ) -> Self {
        let gate = Arc::new(Gate::default());
        let sessions = (0..2).map(|_| {
            let builder = SessionManager::builder(settings)
                .backend(backend.clone())
                .clock(clock.clock());
            builder.build().unwrap()
        });
        let sessions: Vec<SessionManager> = sessions.collect();
        let addresses = sessions.iter().map(|sessions| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let serve = match door {
                Door::Actix => actix_service::serve,
                Door::Axum => axum_service::serve,
            };
            serve(listener, sessions.clone(), gate.clone(), workers);
            address
        });
        Self {
            door,
            addresses: addresses.collect(),
            sessions,
            clock,
            gate,
            redis: None,
            client: Client::new(),
            cookie_name: settings.cookie_name().to_owned(),
        }
    }

    /// Moves the time forward, for the sessions and for their records.
    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
        if let Some(redis) = &self.redis {
            redis.age(time);
        }
    }

    /// Sends a request to a service, with a session cookie.
    pub fn send(&self, service: usize, path: &str, cookie: Option<&str>) -> impl Future<Output = TestResponse> + use<> {
        self.send_from(service, path, cookie, b"")
    }

    /// Sends a request with a `User-Agent`.
    pub fn send_from(
        &self,
        service: usize,
        path: &str,
        cookie: Option<&str>,
        device: &[u8],
    ) -> impl Future<Output = TestResponse> + use<> {
        let mut request = self.request(service, path);
        if !device.is_empty() {
            request = request.header("user-agent", device);
        }
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("{}={cookie}", self.cookie_name));
        }
        TestResponse::to(request)
    }

    /// Returns a request to a service, for a test that adds headers.
    pub fn request(&self, service: usize, path: &str) -> RequestBuilder {
        let address = self.address(service % self.addresses.len());
        let method = if path.contains("/do/") || path.starts_with("/revoke") {
            Method::POST
        } else {
            Method::GET
        };
        self.client.request(method, format!("{address}{path}"))
    }

    /// Returns the fields of a session, as a service sees them.
    pub async fn fields(&self, service: usize, cookie: &str) -> HashMap<String, String> {
        let response = self.send(service, "/all", Some(cookie)).await;
        assert_eq!(response.status, 200);
        serde_json::from_str(&response.body).unwrap()
    }

    /// Creates a session by `ops`, and returns its cookie.
    pub async fn new_session(&self, ops: &str) -> String {
        self.send(0, &format!("/do/{ops}"), None)
            .await
            .cookie
            .expect("no session was created")
    }

    pub fn address(&self, service: usize) -> &str {
        &self.addresses[service]
    }
}

/// A response, read to its end.
#[derive(Debug)]
pub struct TestResponse {
    pub status: StatusCode,
    pub cookie: Option<String>,
    pub set_cookie: Option<String>,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl TestResponse {
    pub async fn to(request: RequestBuilder) -> Self {
        Self::read(request.send().await.unwrap()).await
    }

    async fn read(response: Response) -> Self {
        let headers = response.headers().clone();
        let set_cookie = headers
            .get("set-cookie")
            .map(|value| value.to_str().unwrap().to_owned());
        let cookie = set_cookie.as_deref().and_then(|cookie| {
            let value = cookie.split_once('=')?.1.split(';').next()?;
            (!value.is_empty()).then(|| value.to_owned())
        });
        Self {
            status: response.status(),
            cookie,
            set_cookie,
            headers,
            body: response.text().await.unwrap(),
        }
    }
}

/// Returns the parts of an operation such as `insert:a:1`.
fn words(op: &str) -> (&str, &str, &str) {
    let mut words = op.splitn(3, ':');
    let mut next = || words.next().unwrap_or_default();
    (next(), next(), next())
}

/// Does an operation that has nothing to do with the session.
async fn act_beside(verb: &str, name: &str, gate: &Gate) {
    match verb {
        "nothing" => {}
        "block" => std::thread::sleep(Duration::from_millis(name.parse().unwrap())),
        "wait" => gate.wait().await,
        other => panic!("unknown operation: {other}"),
    }
}

/// Lets the request wait at the gate once its session is stored, write the handle of the session, and then fail if `name` says
/// so.
fn once_stored(current: &CurrentSession, gate: &Arc<Gate>, name: &str) {
    let (gate, fails) = (gate.clone(), name == "fail");
    current.once_stored(async move |handle| {
        gate.wait().await;
        *gate.stored.lock().unwrap() = Some(handle);
        if fails { Err(Error::Ended) } else { Ok(()) }
    });
}

/// Returns the user of an operation such as `sign_in:7:remember`, and whether that user stays signed in.
fn user(name: &str, value: &str) -> (Value, Remember) {
    (serde_json::from_str(name).unwrap(), Remember::from(value == "remember"))
}

/// The body of a response to operations.
fn thread() -> String {
    format!("{:?}", std::thread::current().id())
}

/// A response has the headers of the request that have this prefix.
const RETURNED: &str = "return-";

/// A request extends the idle timeout, or does not, if it has this header.
const EXTENDS: &str = "x-extends";

fn extends(value: &[u8]) -> ExtendIdleTimeout {
    ExtendIdleTimeout(value == b"true")
}

/// Shows when the session began, and when it ends, in milliseconds since 1970.
fn times(current: &CurrentSession) -> Value {
    let milliseconds = |time: SystemTime| u64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let times = [current.created(), current.idle_end(), current.lifetime_end()];
    let times = times.map(|time| time.map(milliseconds));
    json!({"times": times, "size": current.size(), "remembered": current.remembered()})
}

fn shown(sessions: &[SessionInfo]) -> Value {
    let shown = sessions.iter().map(|session| {
        json!({
            "handle": session.handle.to_string(),
            "device": session.device,
            "current": session.current,
            "remembered": session.remembered,
        })
    });
    shown.collect()
}
