//! The service beside a test sign-in, a browser that uses it, and a parser for its pages.

// each test file uses a part of it
pub mod repository;

use std::ops::Deref;

use actix_web::web::{self, Path, ServiceConfig};
use service_kit::site::{User, flash};
use service_kit::testing::{self, Running, send};
use service_kit::{Failure, Resources};
use shared_session::{CurrentSession, Remember, Session};
use task_service::SERVICE;

pub use service_kit::testing::Response;

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

async fn sign_in(session: Session, current: CurrentSession, id: Path<String>) -> Result<String, Failure> {
    let user = User {
        account: format!("account-of-{id}"),
        name: id.to_uppercase(),
        id: id.into_inner(),
    };
    user.sign_in(&session, &current, Remember::No).map(|()| String::new())
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

/// A browser that visits the service.
#[derive(Clone)]
pub struct Browser(testing::Browser);

impl Deref for Browser {
    type Target = testing::Browser;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Browser {
    pub fn new(server: &Running) -> Self {
        Self(testing::Browser::new(server))
    }

    /// Returns the same browser, with the same cookies, at another server.
    pub fn at(&self, server: &Running) -> Self {
        Self(self.0.at(server))
    }

    pub async fn signed_in(server: &Running, id: &str) -> Self {
        let browser = Self::new(server);
        browser.sign_in(id).await;
        browser
    }

    pub async fn sign_in(&self, id: &str) {
        assert_eq!(self.get(&format!("/test/sign-in/{id}")).await.status, 200);
    }

    /// Sets a field of the session, as another service does.
    pub async fn set_field(&self, name: &str, json: &str) {
        let post = self.form(&format!("/test/field/{name}"), &[]).body(json.to_owned());
        assert_eq!(send(post).await.status, 200);
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
        let index = page.titles().iter().position(|shown| shown == title).unwrap();
        page.ids().swap_remove(index)
    }
}

/// A page with a list of tasks.
pub trait TaskPage {
    /// Returns the titles of the list as escaped HTML.
    fn titles(&self) -> Vec<String>;
    /// Returns the ids of the list.
    fn ids(&self) -> Vec<String>;
    /// Returns the ids of the form fields with an error.
    fn invalid_fields(&self) -> Vec<String>;
}

impl TaskPage for Response {
    fn titles(&self) -> Vec<String> {
        texts(self, "<span class=\"title\" dir=\"auto\">", "</span>")
    }

    fn ids(&self) -> Vec<String> {
        texts(self, "id=\"task-", "\"")
    }

    fn invalid_fields(&self) -> Vec<String> {
        texts(self, "<span class=\"error\" id=\"", "-error\">")
    }
}

fn texts(page: &Response, start: &str, end: &str) -> Vec<String> {
    page.all_between(start, end).map(str::to_owned).collect()
}
