//! Starts servers, and visits them with browsers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use service_kit::testing::reqwest::header::HeaderMap;
use service_kit::testing::reqwest::{Client, RequestBuilder, Url};
use service_kit::testing::{self, Running};
use service_kit::{Failure, Resources};
use shared_session_testkit::servers::RedisServer;
use user_service::hasher::{Argon2id, HashFunction, Hasher};
use user_service::{SERVICE, routes_with_hasher};

pub const PASSWORD: &str = "correct horse <b>&\"'";

/// One or more processes of the service.
pub struct Stack {
    servers: Vec<Running>,
    pub hashes: Arc<CountingArgon2id>,
    pub redis: Option<RedisServer>,
}

impl Stack {
    /// Starts one process that keeps everything in memory.
    pub fn memory() -> Self {
        Self::start(1, "memory:", None)
    }

    /// Starts two processes that share a Redis.
    pub fn redis() -> Self {
        let redis = durable_redis();
        Self::start(2, &redis.url(), Some(redis))
    }

    /// Starts a stack for each kind of store.
    pub fn every_store() -> [Self; 2] {
        [Self::memory(), Self::redis()]
    }

    fn start(processes: usize, store: &str, redis: Option<RedisServer>) -> Self {
        let hashes = Arc::new(CountingArgon2id::default());
        let hasher = Hasher::new(hashes.clone(), 2, Duration::from_secs(60));
        // a long timeout, so that tests pass on a busy machine
        let arguments = ["--session-store", store, "--session-store-timeout", "10s"];
        let servers = (0..processes).map(|_| start(&hasher, &arguments));
        Self {
            servers: servers.collect(),
            hashes,
            redis,
        }
    }

    /// Returns a new browser that visits the process with this number, modulo the number of processes.
    pub fn browser(&self, process: usize) -> Browser {
        Browser::at(self.server(process))
    }

    /// Returns the same browser, with the same cookies, at another process.
    pub fn at_process(&self, browser: &Browser, process: usize) -> Browser {
        Browser {
            base: self.server(process).url(""),
            client: browser.client.clone(),
        }
    }

    fn server(&self, process: usize) -> &Running {
        &self.servers[process % self.servers.len()]
    }

    /// Returns a browser whose user has registered at the first process, and signed out again.
    pub async fn registered(&self, id: &str) -> Browser {
        let browser = self.browser(0);
        let response = browser.register(id, &format!("The {id}"), PASSWORD).await;
        assert_eq!(response.status, 303, "{}", response.html);
        assert_eq!(browser.post("/user/logout", &[]).await.status, 303);
        browser
    }

    /// Returns a browser whose user has registered, and signed in at the first process.
    pub async fn signed_in(&self, id: &str) -> Browser {
        let browser = self.registered(id).await;
        assert_eq!(browser.sign_in(id, PASSWORD).await.status, 303);
        browser
    }
}

/// Starts a Redis that writes to disk before it replies. By default it may lose the last second if it is killed.
pub fn durable_redis() -> RedisServer {
    let redis = RedisServer::start();
    let () = redis.run(&["CONFIG", "SET", "appendfsync", "always"]);
    redis
}

/// Starts the service with this password hasher.
pub fn start(hasher: &Hasher, arguments: &[&str]) -> Running {
    let routes = |resources: &Resources| routes_with_hasher(resources, hasher.clone());
    Running::start(&SERVICE, routes, arguments)
}

/// Argon2id that counts its calls.
#[derive(Default)]
pub struct CountingArgon2id {
    done: AtomicUsize,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
}

impl CountingArgon2id {
    /// Returns the number of calls since the last `take`.
    pub fn take(&self) -> usize {
        self.done.swap(0, Ordering::SeqCst)
    }

    pub fn max_in_flight(&self) -> usize {
        self.max_in_flight.load(Ordering::SeqCst)
    }

    fn count<T>(&self, work: impl FnOnce() -> T) -> T {
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.max_in_flight.fetch_max(in_flight, Ordering::SeqCst);
        let result = work();
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.done.fetch_add(1, Ordering::SeqCst);
        result
    }
}

impl HashFunction for CountingArgon2id {
    fn hash(&self, password: &SecretString) -> Result<String, Failure> {
        self.count(|| Argon2id.hash(password))
    }

    fn verify(&self, password: &SecretString, hash: &str) -> Result<bool, Failure> {
        self.count(|| Argon2id.verify(password, hash))
    }

    fn is_current(&self, hash: &str) -> bool {
        Argon2id.is_current(hash)
    }
}

/// A browser with its own cookies, and the process that it visits. It follows no redirect.
pub struct Browser {
    base: String,
    client: Client,
}

/// A response with its whole body.
#[derive(Clone)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
}

impl Browser {
    /// Returns a new browser that visits this server.
    pub fn at(server: &Running) -> Self {
        Self {
            base: server.url(""),
            client: testing::browser(),
        }
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.client.request(method.parse().unwrap(), url)
    }

    pub async fn get(&self, path: &str) -> Response {
        send(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        send(self.form(path, fields)).await
    }

    /// Returns the request that a browser sends if the user submits a form of this site.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let encoded = Url::parse_with_params("http://form/", fields).unwrap();
        self.request("POST", path)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded.query().unwrap_or_default().to_owned())
    }

    pub async fn register(&self, id: &str, name: &str, password: &str) -> Response {
        let fields = [("id", id), ("name", name), ("password", password)];
        self.post("/user/register", &fields).await
    }

    pub async fn sign_in(&self, id: &str, password: &str) -> Response {
        self.post("/user/login", &[("id", id), ("password", password)]).await
    }

    pub async fn is_signed_in(&self) -> bool {
        let html = self.get("/user/").await.html;
        let (signed_in, signed_out) = (html.contains("Signed in as"), html.contains("href=\"/user/login\""));
        assert_ne!(signed_in, signed_out, "{html}");
        signed_in
    }
}

pub async fn send(request: RequestBuilder) -> Response {
    let response = request.send().await.unwrap();
    Response {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        html: response.text().await.unwrap(),
    }
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Returns the address of a redirect.
    pub fn redirects_to(&self) -> Option<&str> {
        assert_eq!(self.status == 303, self.headers.contains_key("location"));
        self.header("location")
    }

    /// Returns the new value of the session cookie, empty if the cookie is removed.
    pub fn cookie(&self) -> Option<&str> {
        let mut cookies = self.headers.get_all("set-cookie").iter();
        let cookie = cookies.find_map(|cookie| cookie.to_str().unwrap().strip_prefix("sid="));
        cookie?.split(';').next()
    }

    /// Returns the error beside a form field. Checks that a screen reader reads it with the field.
    pub fn error(&self, field: &str) -> Option<&str> {
        let error = between(
            &self.html,
            &format!("<span class=\"error\" id=\"{field}-error\">"),
            "</span>",
        );
        let input = self.input(field);
        assert_eq!(
            error.is_some(),
            input.contains("aria-invalid=\"true\" autofocus"),
            "{input}"
        );
        assert_eq!(error.is_some(), input.contains(&format!("{field}-error")), "{input}");
        error
    }

    /// Returns the value of a form field, as escaped in the page.
    pub fn value(&self, field: &str) -> &str {
        between(self.input(field), " value=\"", "\"").unwrap()
    }

    fn input(&self, field: &str) -> &str {
        assert!(self.html.contains(&format!("<label for=\"{field}\">")), "{}", self.html);
        between(&self.html, &format!("<input id=\"{field}\""), ">").unwrap()
    }

    /// Returns the message that an earlier request left for this page.
    pub fn message(&self) -> Option<&str> {
        between(&self.html, "<p class=\"message\" role=\"status\">", "</p>")
    }

    pub fn title(&self) -> &str {
        between(&self.html, "<title>", "</title>").unwrap()
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}
