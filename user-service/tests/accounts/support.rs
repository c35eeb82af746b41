//! The servers, the browser and the person of these tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use service_kit::testing::reqwest::header::HeaderMap;
use service_kit::testing::reqwest::{Client, RequestBuilder, Url};
use service_kit::testing::{Running, browser};
use service_kit::{Failure, Resources};
use shared_session::testing::redis_server::RedisServer;
use user_service::hasher::{Argon2id, HashFunction, Hasher};
use user_service::{SERVICE, routes_with};

pub const PASSWORD: &str = "correct horse <b>&\"'";

/// The service, in one process or two.
pub struct Stack {
    servers: Vec<Running>,
    pub hashes: Arc<Counted>,
    pub redis: Option<RedisServer>,
}

impl Stack {
    pub fn memory() -> Self {
        Self::start(1, "memory:", None)
    }

    /// Two processes over one Redis.
    pub fn redis() -> Self {
        let redis = durable_redis();
        Self::start(2, &redis.url(), Some(redis))
    }

    /// Both of them.
    pub fn each() -> [Self; 2] {
        [Self::memory(), Self::redis()]
    }

    fn start(processes: usize, store: &str, redis: Option<RedisServer>) -> Self {
        let hashes = Arc::new(Counted::default());
        let hasher = Hasher::new(hashes.clone(), 2, Duration::from_secs(60));
        // ample, so that a busy machine fails no test
        let arguments = ["--session-store", store, "--session-store-timeout", "10s"];
        let servers = (0..processes).map(|_| start(&hasher, &arguments));
        Self {
            servers: servers.collect(),
            hashes,
            redis,
        }
    }

    /// A visitor of the process of this number, or of the only one.
    pub fn visitor(&self, process: usize) -> Visitor {
        Visitor {
            base: self.base(process),
            client: browser(),
        }
    }

    fn base(&self, process: usize) -> String {
        self.servers[process % self.servers.len()].url("")
    }

    /// The same visitor, who now comes to another process.
    pub fn moved(&self, visitor: &Visitor, process: usize) -> Visitor {
        Visitor {
            base: self.base(process),
            client: visitor.client.clone(),
        }
    }

    /// Somebody who registered.
    pub async fn registered(&self, id: &str) -> Visitor {
        let visitor = self.visitor(0);
        let answer = visitor.register(id, &format!("The {id}"), PASSWORD).await;
        assert_eq!(answer.status, 303, "{}", answer.html);
        visitor
    }

    /// Somebody who registered and signed in, both at the first process.
    pub async fn signed_in(&self, id: &str) -> Visitor {
        let visitor = self.registered(id).await;
        assert_eq!(visitor.sign_in(id, PASSWORD).await.status, 303);
        visitor
    }
}

/// A Redis that has on disk what it answered: by default it may lose the last second where it is killed.
pub fn durable_redis() -> RedisServer {
    let redis = RedisServer::start();
    let () = redis.run(&["CONFIG", "SET", "appendfsync", "always"]);
    redis
}

/// A visitor of a server.
pub fn visitor(server: &Running) -> Visitor {
    Visitor {
        base: server.url(""),
        client: browser(),
    }
}

/// Starts the service with another password hasher.
pub fn start(hasher: &Hasher, arguments: &[&str]) -> Running {
    let routes = |resources: &Resources| routes_with(resources, hasher.clone());
    Running::start(&SERVICE, routes, arguments)
}

/// Argon2id, counted.
#[derive(Default)]
pub struct Counted {
    done: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Counted {
    /// How many hashes were computed since this was asked the last time.
    pub fn take(&self) -> usize {
        self.done.swap(0, Ordering::SeqCst)
    }

    pub fn most_under_way(&self) -> usize {
        self.most_under_way.load(Ordering::SeqCst)
    }

    fn count<T>(&self, work: impl FnOnce() -> T) -> T {
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::SeqCst);
        let done = work();
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        self.done.fetch_add(1, Ordering::SeqCst);
        done
    }
}

impl HashFunction for Counted {
    fn hash(&self, password: &str) -> Result<String, Failure> {
        self.count(|| Argon2id.hash(password))
    }

    fn verify(&self, password: &str, hash: &str) -> Result<bool, Failure> {
        self.count(|| Argon2id.verify(password, hash))
    }

    fn is_current(&self, hash: &str) -> bool {
        Argon2id.is_current(hash)
    }
}

/// A browser, and the process it asks.
pub struct Visitor {
    base: String,
    client: Client,
}

/// An answer, read to its end.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
}

impl Visitor {
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.client.request(method.parse().unwrap(), url)
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request("GET", path)).await
    }

    /// Sends a form, as the page of it does.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        answer(self.form(path, fields)).await
    }

    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let encoded = Url::parse_with_params("http://form/", fields).unwrap();
        self.request("POST", path)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded.query().unwrap_or_default().to_owned())
    }

    pub async fn register(&self, id: &str, name: &str, password: &str) -> Answer {
        let fields = [("id", id), ("name", name), ("password", password)];
        self.post("/user/register", &fields).await
    }

    pub async fn sign_in(&self, id: &str, password: &str) -> Answer {
        self.post("/user/login", &[("id", id), ("password", password)]).await
    }

    /// Whether they are known.
    pub async fn is_signed_in(&self) -> bool {
        let html = self.get("/user/").await.html;
        let (known, unknown) = (html.contains("Signed in as"), html.contains("href=\"/user/login\""));
        assert_ne!(known, unknown, "{html}");
        known
    }
}

pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        html: response.text().await.unwrap(),
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Where it leads, if it does.
    pub fn leads_to(&self) -> Option<&str> {
        assert_eq!(self.status == 303, self.headers.contains_key("location"));
        self.header("location")
    }

    /// The value of the session's cookie, if it is set.
    pub fn cookie(&self) -> Option<&str> {
        self.header("set-cookie")?.strip_prefix("sid=")?.split(';').next()
    }

    /// What is said to be wrong with a field, which must be what a screen reader is told of it.
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

    /// What is typed in a field, as it stands in the page.
    pub fn value(&self, field: &str) -> &str {
        between(self.input(field), " value=\"", "\"").unwrap()
    }

    fn input(&self, field: &str) -> &str {
        assert!(self.html.contains(&format!("<label for=\"{field}\">")), "{}", self.html);
        between(&self.html, &format!("<input id=\"{field}\""), ">").unwrap()
    }

    /// What another page left to be told.
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
