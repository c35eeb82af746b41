//! The service beside a test sign-in, a browser that uses it, and a parser for its pages.

// each test file uses a part of it
pub mod repository;

use actix_web::web::{self, Path, ServiceConfig};
use service_kit::site::{User, flash};
use service_kit::testing::reqwest::{self, Client};
use service_kit::testing::{Running, browser};
use service_kit::{Failure, Resources};
use shared_session::Session;
use task_service::SERVICE;

/// Returns the service's routes, and routes that change the session as other services do: sign in, leave a message, set a
/// field.
pub fn routes(resources: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    let tasks = task_service::routes(resources);
    move |config| {
        config
            .route("/test/sign-in/{id}", web::get().to(sign_in))
            .route("/test/message/{message}", web::get().to(leave_message))
            .route("/test/field/{name}", web::post().to(set_field));
        tasks(config);
    }
}

async fn sign_in(session: Session, id: Path<String>) -> Result<String, Failure> {
    let user = User {
        name: id.to_uppercase(),
        id: id.into_inner(),
    };
    user.sign_in(&session).map(|()| String::new())
}

async fn leave_message(session: Session, message: Path<String>) -> Result<String, Failure> {
    flash::put(&session, &message).map(|()| String::new())
}

async fn set_field(session: Session, name: Path<String>, json: String) -> actix_web::Result<String> {
    let value: serde_json::Value = serde_json::from_str(&json)?;
    session.insert(name.into_inner(), value)?;
    Ok(String::new())
}

pub fn start() -> Running {
    Running::start(&SERVICE, routes, &[])
}

/// Starts the service over a store, with a timeout that a busy machine does not exceed.
pub fn start_with(store: &str) -> Running {
    Running::start(
        &SERVICE,
        routes,
        &["--session-store", store, "--session-store-timeout", "30s"],
    )
}

/// A browser with its own cookies.
#[derive(Clone)]
pub struct Browser<'a> {
    server: &'a Running,
    client: Client,
}

/// A response with its body.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub location: Option<String>,
    pub sets_cookie: bool,
    pub html: String,
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a Running) -> Self {
        Self {
            server,
            client: browser(),
        }
    }

    /// Returns the same browser, but its requests go to another server.
    pub fn at(&self, server: &'a Running) -> Self {
        Self {
            server,
            client: self.client.clone(),
        }
    }

    pub async fn signed_in(server: &'a Running, id: &str) -> Self {
        let browser = Self::new(server);
        browser.sign_in(id).await;
        browser
    }

    pub async fn sign_in(&self, id: &str) {
        assert_eq!(self.get(&format!("/test/sign-in/{id}")).await.status, 200);
    }

    pub async fn get(&self, path: &str) -> Response {
        let response = self.client.get(self.server.url(path)).send().await;
        Response::read(response.unwrap()).await
    }

    /// Submits a form.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let body: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        self.post_body("application/x-www-form-urlencoded", path, body.join("&"))
            .await
    }

    /// Sets a field of the session, as another service does.
    pub async fn set_field(&self, name: &str, json: &str) {
        let path = format!("/test/field/{name}");
        let response = self.post_body("text/plain", &path, json.to_owned()).await;
        assert_eq!(response.status, 200);
    }

    async fn post_body(&self, content_type: &str, path: &str, body: String) -> Response {
        let post = self.client.post(self.server.url(path)).body(body);
        let post = post.header("Content-Type", content_type);
        let response = post.header("Sec-Fetch-Site", "same-origin").send().await;
        Response::read(response.unwrap()).await
    }

    /// Submits a form of one task.
    pub async fn change(&self, id: &str, form: &str, field: (&str, &str)) -> Response {
        self.post(&format!("/task/{id}/{form}"), &[field]).await
    }

    pub async fn delete(&self, id: &str) -> Response {
        self.post(&format!("/task/{id}/delete"), &[]).await
    }

    pub async fn add(&self, title: &str) -> Response {
        self.post("/task/", &[("title", title)]).await
    }

    /// Gets `/task/`, which must succeed.
    pub async fn page(&self) -> Response {
        let page = self.get("/task/").await;
        assert_eq!(page.status, 200, "{}", page.html);
        page
    }

    /// Adds a task, which must succeed. Returns its id.
    pub async fn add_task(&self, title: &str) -> String {
        assert_eq!(self.add(title).await.status, 303);
        let page = self.page().await;
        let index = page.titles().iter().rposition(|shown| shown == title).unwrap();
        page.ids().swap_remove(index)
    }
}

impl Response {
    async fn read(response: reqwest::Response) -> Self {
        let headers = response.headers();
        Self {
            status: response.status().as_u16(),
            location: headers
                .get("location")
                .map(|location| location.to_str().unwrap().to_owned()),
            sets_cookie: headers.contains_key("set-cookie"),
            html: response.text().await.unwrap(),
        }
    }

    pub fn redirects_to(&self, path: &str) -> bool {
        self.status == 303 && self.location.as_deref() == Some(path)
    }

    #[track_caller]
    pub fn shows(&self, part: &str) {
        assert!(self.html.contains(part), "{part:?} is not in {}", self.html);
    }

    #[track_caller]
    pub fn hides(&self, part: &str) {
        assert!(!self.html.contains(part), "{part:?} is in {}", self.html);
    }

    /// Returns the titles of the list as escaped HTML.
    pub fn titles(&self) -> Vec<String> {
        between(&self.html, "<span class=\"title\" dir=\"auto\">", "</span>")
    }

    pub fn ids(&self) -> Vec<String> {
        between(&self.html, "id=\"task-", "\"")
    }

    /// Returns the message above the page.
    pub fn message(&self) -> Option<String> {
        between(&self.html, "<p class=\"message\" role=\"status\">", "</p>").pop()
    }

    /// Returns the errors beside form fields, as pairs of the field's id and the error message.
    pub fn errors(&self) -> Vec<(String, String)> {
        let errors = between(&self.html, "<span class=\"error\" id=\"", "</span>");
        let errors = errors.iter().filter_map(|error| error.split_once("-error\">"));
        errors
            .map(|(field, message)| (field.to_owned(), message.to_owned()))
            .collect()
    }

    /// Returns the value of a form field.
    pub fn value_of(&self, field: &str) -> String {
        let tag = between(&self.html, &format!("<input id=\"{field}\""), ">");
        between(&tag[0], "value=\"", "\"").swap_remove(0)
    }
}

fn between(html: &str, before: &str, after: &str) -> Vec<String> {
    let parts = html.split(before).skip(1);
    parts.map(|part| part.split(after).next().unwrap().to_owned()).collect()
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
