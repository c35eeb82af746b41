//! Support for the HTTP tests: two real servers on free ports that share a store, and requests with a session cookie.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::error::ErrorNotFound;
use actix_web::http::KeepAlive;
use actix_web::{App, HttpServer, Responder, web};
use reqwest::{Client, Method, Response, StatusCode};
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::{CurrentSession, Handle, Registry, Session, SessionManager, Settings};
use shared_session_testkit::TestClock;
use shared_session_testkit::servers::RedisServer;
use tokio::sync::Semaphore;

/// Holds handlers back. A handler that is told to `wait` adds a permit to `arrived` and takes one from `go`.
#[derive(Default)]
pub struct Gate {
    arrived: Permits,
    go: Permits,
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
}

/// Two services that share a store.
pub struct Stack {
    pub clock: TestClock,
    pub gate: Arc<Gate>,
    pub redis: Option<RedisServer>,
    /// The sessions of each service.
    pub sessions: Vec<SessionManager>,
    services: Vec<(String, ServerHandle)>,
    client: Client,
    cookie_name: String,
}

pub fn settings() -> Settings {
    // long, so that a busy machine fails no test that is about something else
    Settings::default().with_store_timeout(Duration::from_secs(20)).unwrap()
}

impl Stack {
    pub fn in_memory() -> Self {
        let clock = TestClock::default();
        let backend = Arc::new(Memory::new(clock.clock()));
        Self::over(backend, clock, &settings())
    }

    pub fn in_redis() -> Self {
        let redis = RedisServer::start();
        let backend = Arc::new(redis.backend(Duration::from_secs(10)));
        let mut stack = Self::over(backend, TestClock::default(), &settings());
        stack.redis = Some(redis);
        stack
    }

    pub fn over(backend: Arc<dyn Backend>, clock: TestClock, settings: &Settings) -> Self {
        Self::with_workers(2, backend, clock, settings)
    }

    /// Starts services with so many worker threads each.
    pub fn with_workers(workers: usize, backend: Arc<dyn Backend>, clock: TestClock, settings: &Settings) -> Self {
        let gate = Arc::new(Gate::default());
        let sessions = (0..2).map(|_| {
            let builder = SessionManager::builder(settings)
                .backend(backend.clone())
                .clock(clock.clock());
            builder.build().unwrap()
        });
        let sessions: Vec<SessionManager> = sessions.collect();
        let services = sessions
            .iter()
            .map(|sessions| serve(sessions.clone(), gate.clone(), workers));
        Self {
            services: services.collect(),
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
        let (address, _) = &self.services[service % self.services.len()];
        let reads = path == "/all" || path.starts_with("/sessions/");
        let method = if reads { Method::GET } else { Method::POST };
        let mut request = self.client.request(method, format!("{address}{path}"));
        if !device.is_empty() {
            request = request.header("user-agent", device);
        }
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("{}={cookie}", self.cookie_name));
        }
        async move { TestResponse::read(request.send().await.unwrap()).await }
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
        &self.services[service].0
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
    pub async fn read(response: Response) -> Self {
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

async fn all(session: Session) -> impl Responder {
    web::Json(session.entries().clone())
}

/// Applies the operations in the path to the session: `insert:a:1,remove:b,clear,update:a,renew,purge,wait`. `insert`
/// takes JSON, and `update` appends the digit 1 to a number. `block:100` blocks the worker thread for 100 ms. The response
/// names the thread.
async fn act(session: Session, ops: web::Path<String>, gate: web::Data<Gate>) -> actix_web::Result<impl Responder> {
    for op in ops.split(',') {
        let mut words = op.splitn(3, ':');
        let (verb, name, value) = (
            words.next().unwrap(),
            words.next().unwrap_or(""),
            words.next().unwrap_or(""),
        );
        match verb {
            "insert" => session.insert(name, serde_json::from_str::<serde_json::Value>(value).unwrap())?,
            "update" => session.update(name, |number: u64| number * 10 + 1)?,
            "remove" => drop(session.remove(name)),
            "clear" => session.clear(),
            "renew" => session.renew(),
            "purge" => session.purge(),
            "nothing" => {}
            "block" => std::thread::sleep(Duration::from_millis(name.parse().unwrap())),
            "wait" => {
                // queue before announcing it, so that handlers continue in the order of their arrival
                let (mut go, mut arrived) = (pin!(gate.go.take()), false);
                let queued = poll_fn(|context| {
                    let polled = go.as_mut().poll(context);
                    if !std::mem::replace(&mut arrived, true) {
                        gate.arrived.0.add_permits(1);
                    }
                    polled
                });
                queued.await;
            }
            other => panic!("unknown operation: {other}"),
        }
    }
    Ok(format!("{:?}", std::thread::current().id()))
}

async fn list(registry: web::Data<Registry>, current: CurrentSession, user: web::Path<String>) -> impl Responder {
    let page = registry.list(&user, &current, 0, 100).await?;
    let sessions = page.sessions.iter().map(|session| {
        serde_json::json!({
            "handle": session.handle.to_string(),
            "device": session.device,
            "current": session.current,
        })
    });
    Ok::<_, shared_session::Error>(web::Json(sessions.collect::<Vec<_>>()))
}

async fn revoke(registry: web::Data<Registry>, path: web::Path<(String, String)>) -> actix_web::Result<String> {
    let handle: Handle = path.1.parse().map_err(ErrorNotFound)?;
    if !registry.revoke(&path.0, &handle).await? {
        return Err(ErrorNotFound("no such session"));
    }
    Ok("1".to_owned())
}

async fn revoke_all(registry: web::Data<Registry>, user: web::Path<String>) -> actix_web::Result<String> {
    Ok(registry.revoke_all(&user).await?.to_string())
}

async fn revoke_others(
    registry: web::Data<Registry>,
    current: CurrentSession,
    user: web::Path<String>,
) -> actix_web::Result<String> {
    Ok(registry.revoke_others(&user, &current).await?.to_string())
}

fn serve(sessions: SessionManager, gate: Arc<Gate>, workers: usize) -> (String, ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = move || {
        App::new()
            .wrap(sessions.middleware())
            .app_data(web::Data::from(gate.clone()))
            .app_data(web::Data::new(sessions.registry()))
            .route("/sessions/{user}", web::get().to(list))
            .route("/revoke/{user}/{handle}", web::post().to(revoke))
            .route("/revoke/{user}", web::post().to(revoke_all))
            .route("/revoke-others/{user}", web::post().to(revoke_others))
            .route("/all", web::get().to(all))
            .route("/do/{ops}", web::post().to(act))
    };
    let server = HttpServer::new(app)
        .workers(workers)
        // a connection that the server closes while the client takes it again fails a request
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
    let handle = server.handle();
    // each service has its own thread and runtime, as a process would
    std::thread::spawn(move || actix_web::rt::System::new().block_on(server));
    (address, handle)
}
