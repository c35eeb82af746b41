//! [`Browser`]: a client that keeps cookies.

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cookie::Cookie;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use reqwest::{Client, Method};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// After this time without a response, a request counts as unanswered. No experiment measures times; this is where a user gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A connection for each request: a response never depends on what happened to an earlier connection.
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let client = Client::builder().pool_max_idle_per_host(0).no_proxy().timeout(PATIENCE);
    client.build().expect("a client without TLS")
});

/// A client of the server under test. A clone has a copy of the cookies, and shares nothing.
pub(crate) struct Browser {
    port: u16,
    cookies: Arc<Mutex<Cookies>>,
}

/// Names and values, as the server sent them.
pub(crate) type Cookies = Vec<(String, String)>;

impl Clone for Browser {
    fn clone(&self) -> Self {
        Self {
            port: self.port,
            cookies: Arc::new(Mutex::new(self.cookies())),
        }
    }
}

/// The response to a request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status, or `None` if no complete response came in time.
    pub(crate) status: Option<u16>,
    pub(crate) body: String,
    /// Whether the response set or deleted a cookie.
    pub(crate) sets_cookie: bool,
}

impl Answer {
    /// Returns whether the request was answered as carried out.
    pub(crate) fn done(&self) -> bool {
        matches!(self.status, Some(200..=299))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{status}"),
            None => f.write_str("nothing"),
        }
    }
}

impl Browser {
    pub(super) fn new(port: u16) -> Self {
        let cookies = Arc::default();
        Self { port, cookies }
    }

    /// Returns another tab of this browser: both have the cookies that either gets.
    pub(crate) fn tab(&self) -> Self {
        self.tab_at(self.port)
    }

    /// Returns another tab, at another process of the server.
    pub(crate) fn tab_at(&self, port: u16) -> Self {
        let cookies = self.cookies.clone();
        Self { port, cookies }
    }

    pub(crate) fn cookies(&self) -> Cookies {
        self.lock().clone()
    }

    /// Returns the name of the session's cookie, which is the one that came last.
    pub(crate) fn cookie_name(&self) -> String {
        self.cookies().pop().map_or_else(String::new, |(name, _)| name)
    }

    /// Replaces all cookies.
    pub(crate) fn set_cookies(&self, cookies: Cookies) {
        *self.lock() = cookies;
    }

    fn lock(&self) -> MutexGuard<'_, Cookies> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the header `Cookie` that this browser sends.
    pub(crate) fn cookie_header(&self) -> String {
        let pairs: Vec<_> = self
            .lock()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    pub(crate) async fn sign_in(&self, user: &str) -> Answer {
        self.post("/session", user).await
    }

    pub(crate) async fn set(&self, name: &str, value: &str) -> Answer {
        self.post(&format!("/set?name={name}"), value).await
    }

    pub(crate) async fn slow(&self, name: &str, value: &str, wait: Duration) -> Answer {
        self.post(&format!("/slow?name={name}&wait={}", wait.as_millis()), value)
            .await
    }

    pub(crate) async fn log_out(&self) -> Answer {
        self.post("/logout", "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(Method::POST, path, body, self.header()).await
    }

    /// Reads the named fields, and returns the response as it came.
    pub(crate) async fn get(&self, names: &str) -> Answer {
        self.send(Method::GET, &format!("/session?names={names}"), "", self.header())
            .await
    }

    /// Reads with a header `Cookie` of any bytes.
    pub(crate) async fn get_with(&self, names: &str, cookie: &[u8]) -> Result<Answer> {
        let header = HeaderValue::from_bytes(cookie)?;
        Ok(self
            .send(Method::GET, &format!("/session?names={names}"), "", Some(header))
            .await)
    }

    /// Returns the named fields.
    ///
    /// # Errors
    ///
    /// Returns an error if the server answers with anything else.
    pub(crate) async fn show(&self, names: &str) -> Result<Map<String, Value>> {
        let answer = self.get(names).await;
        ensure!(answer.done(), "GET /session was answered with {answer}");
        let fields = serde_json::from_str(&answer.body);
        fields.with_context(|| {
            format!(
                "GET /session?names={names} returned no JSON object: {:.60}",
                answer.body
            )
        })
    }

    /// Returns whether the server shows a signed-in user, and `false` also if it answers with an error.
    pub(crate) async fn shows_user(&self, user: &str) -> bool {
        self.show("user")
            .await
            .is_ok_and(|fields| fields.get("user").is_some_and(|shown| shown == user))
    }

    /// Sends a request, and resets the connection after a time, whatever has come by then.
    pub(crate) async fn reset_during(&self, path: &str, body: &str, after: Duration) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let cookie = self.cookie_header();
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all((head + body).as_bytes()).await?;
        sleep(after).await;
        stream.set_zero_linger()?;
        Ok(())
    }

    fn header(&self) -> Option<HeaderValue> {
        if self.lock().is_empty() {
            None
        } else {
            HeaderValue::from_str(&self.cookie_header()).ok()
        }
    }

    async fn send(&self, method: Method, path: &str, body: &str, cookie: Option<HeaderValue>) -> Answer {
        let mut request = CLIENT.request(method, format!("http://127.0.0.1:{}{path}", self.port));
        request = request.header(CONTENT_TYPE, "text/plain").body(body.to_owned());
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        let unanswered = Answer {
            status: None,
            body: String::new(),
            sets_cookie: false,
        };
        let Ok(response) = request.send().await else {
            return unanswered;
        };
        let status = Some(response.status().as_u16());
        let sets_cookie = response.headers().contains_key(SET_COOKIE);
        let headers = response.headers().clone();
        let Ok(body) = response.text().await else {
            return unanswered;
        };
        self.keep(&headers);
        Answer {
            status,
            body,
            sets_cookie,
        }
    }

    /// Takes the cookies of a response, and drops those that it deletes.
    fn keep(&self, headers: &HeaderMap) {
        let cookies = headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|header| header.to_str().ok());
        for cookie in cookies.filter_map(|text| Cookie::parse(text).ok()) {
            self.lock().retain(|(name, _)| name != cookie.name());
            let is_past = cookie
                .expires_datetime()
                .is_some_and(|time| time <= OffsetDateTime::now_utc());
            let is_deleted = cookie
                .max_age()
                .map_or(is_past, |age| age.is_zero() || age.is_negative());
            if !is_deleted {
                self.lock().push((cookie.name().to_owned(), cookie.value().to_owned()));
            }
        }
    }
}
