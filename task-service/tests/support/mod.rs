//! What the tests of the service share: the service beside a sign-in, visitors, and what a page shows.

// each test file uses a part of it
#![allow(dead_code, clippy::unwrap_used)]

pub mod repository;

use actix_web::web::{self, Path, ServiceConfig};
use service_kit::site::{User, flash};
use service_kit::testing::reqwest::{Client, Response};
use service_kit::testing::{Running, browser};
use service_kit::{Failure, Resources};
use shared_session::Session;
use task_service::SERVICE;

/// The routes of the service, and routes that do what other services do to a session: sign in, leave a message, set a
/// field.
pub fn routes(resources: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    let tasks = task_service::routes(resources);
    move |config| {
        config
            .route("/as/{id}", web::get().to(sign_in))
            .route("/tell/{message}", web::get().to(tell))
            .route("/set/{name}", web::post().to(set));
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

async fn tell(session: Session, message: Path<String>) -> Result<String, Failure> {
    flash::put(&session, &message).map(|()| String::new())
}

async fn set(session: Session, name: Path<String>, json: String) -> actix_web::Result<String> {
    let value: serde_json::Value = serde_json::from_str(&json)?;
    session.insert(name.into_inner(), value)?;
    Ok(String::new())
}

pub fn start() -> Running {
    Running::start(&SERVICE, routes, &[])
}

/// The service over a Redis, patient, so that a busy machine answers nothing with 503.
pub fn start_with(store: &str) -> Running {
    Running::start(
        &SERVICE,
        routes,
        &["--session-store", store, "--session-store-timeout", "30s"],
    )
}

/// A visitor with a browser of their own.
#[derive(Clone)]
pub struct Person<'a> {
    server: &'a Running,
    browser: Client,
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub sets_cookie: bool,
    pub html: String,
}

impl<'a> Person<'a> {
    pub fn new(server: &'a Running) -> Self {
        Self {
            server,
            browser: browser(),
        }
    }

    /// The same visitor, who asks another server.
    pub fn at(&self, server: &'a Running) -> Self {
        Self {
            server,
            browser: self.browser.clone(),
        }
    }

    pub async fn signed_in(server: &'a Running, id: &str) -> Self {
        let person = Self::new(server);
        person.sign_in(id).await;
        person
    }

    pub async fn sign_in(&self, id: &str) {
        assert_eq!(self.get(&format!("/as/{id}")).await.status, 200);
    }

    pub async fn get(&self, path: &str) -> Answer {
        let answer = self.browser.get(self.server.url(path)).send().await;
        Answer::read(answer.unwrap()).await
    }

    /// Sends a form, as a browser does.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        self.post_as("application/x-www-form-urlencoded", path, body.join("&"))
            .await
    }

    /// What another service puts into the session.
    pub async fn set(&self, name: &str, json: &str) {
        let path = format!("/set/{name}");
        let answer = self.post_as("text/plain", &path, json.to_owned()).await;
        assert_eq!(answer.status, 200);
    }

    async fn post_as(&self, kind: &str, path: &str, body: String) -> Answer {
        let post = self.browser.post(self.server.url(path)).header("Content-Type", kind);
        let answer = post.header("Sec-Fetch-Site", "same-origin").body(body).send();
        Answer::read(answer.await.unwrap()).await
    }

    /// Sends a form that is about one task.
    pub async fn change(&self, id: &str, form: &str, field: (&str, &str)) -> Answer {
        self.post(&format!("/task/{id}/{form}"), &[field]).await
    }

    pub async fn delete(&self, id: &str) -> Answer {
        self.post(&format!("/task/{id}/delete"), &[]).await
    }

    pub async fn add(&self, title: &str) -> Answer {
        self.post("/task/", &[("title", title)]).await
    }

    /// The page.
    pub async fn page(&self) -> Answer {
        let page = self.get("/task/").await;
        assert_eq!(page.status, 200, "{}", page.html);
        page
    }

    /// Adds a task that must be taken, and tells its id.
    pub async fn added(&self, title: &str) -> String {
        assert_eq!(self.add(title).await.status, 303);
        let page = self.page().await;
        let at = page.titles().iter().rposition(|shown| shown == title).unwrap();
        page.ids().swap_remove(at)
    }
}

impl Answer {
    async fn read(response: Response) -> Self {
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

    pub fn leads_to(&self, path: &str) -> bool {
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

    /// The titles of the list, in its order, as they stand in the page.
    pub fn titles(&self) -> Vec<String> {
        between(&self.html, "<span class=\"title\" dir=\"auto\">", "</span>")
    }

    pub fn ids(&self) -> Vec<String> {
        between(&self.html, "id=\"task-", "\"")
    }

    /// What the visitor is told above the page.
    pub fn message(&self) -> Option<String> {
        between(&self.html, "<p class=\"message\" role=\"status\">", "</p>").pop()
    }

    /// What stands beside fields, as the id of the field and the sentence.
    pub fn errors(&self) -> Vec<(String, String)> {
        let errors = between(&self.html, "<span class=\"error\" id=\"", "</span>");
        let errors = errors.iter().filter_map(|error| error.split_once("-error\">"));
        errors
            .map(|(field, sentence)| (field.to_owned(), sentence.to_owned()))
            .collect()
    }

    /// What a field holds.
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
