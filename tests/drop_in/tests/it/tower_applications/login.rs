//! Log-in by a form, protected pages and a log-out, as axum-login's examples `sqlite` and `permissions`, with a list of users
//! in memory.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Form;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum_login::{AuthUser, AuthnBackend, AuthzBackend, UserId, login_required, permission_required};
use serde::Deserialize;

use super::Sessions;
use crate::tower_support::Browser;

#[derive(Clone, Debug)]
struct User {
    name: String,
    password: String,
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.name.clone()
    }

    /// A session ends when its user's password changes.
    fn session_auth_hash(&self) -> &[u8] {
        self.password.as_bytes()
    }
}

#[derive(Clone, Deserialize)]
struct Credentials {
    username: String,
    password: String,
    next: Option<String>,
}

/// Names and passwords.
#[derive(Clone)]
struct Users(Arc<Mutex<BTreeMap<String, String>>>);

impl Users {
    fn user(&self, name: &str) -> Option<User> {
        let password = self.0.lock().unwrap().get(name)?.clone();
        let name = name.to_owned();
        Some(User { name, password })
    }
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = Credentials;
    type Error = Infallible;

    async fn authenticate(&self, credentials: Credentials) -> Result<Option<User>, Infallible> {
        let user = self.user(&credentials.username);
        Ok(user.filter(|user| user.password == credentials.password))
    }

    async fn get_user(&self, name: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(self.user(name))
    }
}

impl AuthzBackend for Users {
    type Permission = String;

    async fn get_group_permissions(&self, user: &User) -> Result<HashSet<String>, Infallible> {
        let permissions: &[&str] = if user.name == "admin" {
            &["restricted.read"]
        } else {
            &[]
        };
        Ok(permissions.iter().map(ToString::to_string).collect())
    }
}

type AuthSession = axum_login::AuthSession<Users>;

async fn log_in(mut auth_session: AuthSession, Form(credentials): Form<Credentials>) -> Response {
    let next = credentials.next.clone();
    let user = match auth_session.authenticate(credentials).await {
        Ok(Some(user)) => user,
        Ok(None) => return Redirect::to("/login").into_response(),
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    if auth_session.login(&user).await.is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    Redirect::to(next.as_deref().unwrap_or("/")).into_response()
}

async fn log_out(mut auth_session: AuthSession) -> Response {
    match auth_session.logout().await {
        Ok(_) => Redirect::to("/login").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn protected(auth_session: AuthSession) -> Response {
    match auth_session.user {
        Some(user) => format!("Hello {}", user.name).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn app() -> (Router, Users) {
    let users = ["kky", "admin"].map(|name| (name.to_owned(), "secret".to_owned()));
    let users = Users(Arc::new(Mutex::new(users.into())));
    let routes = Router::new()
        .route("/restricted", get(async || "Secrets"))
        .route_layer(permission_required!(
            Users,
            login_url = "/login",
            "restricted.read".to_owned()
        ))
        .route("/", get(protected))
        .route_layer(login_required!(Users, login_url = "/login"))
        .route("/login", get(async || "Sign in").post(log_in))
        .route("/logout", post(log_out));
    (Sessions::open().provide_login(routes, users.clone()), users)
}

#[tokio::test]
async fn user_signs_in_and_out() {
    let ((app, _), mut browser) = (app(), Browser::default());
    let page = browser.get(&app, "/").await;
    assert_eq!(page.location.as_deref(), Some("/login?next=%2F"));
    let wrong = browser.post(&app, "/login", "username=kky&password=guess").await;
    assert_eq!(wrong.location.as_deref(), Some("/login"));
    assert_eq!(browser.cookie(Sessions::COOKIE), None);
    let page = browser
        .post(&app, "/login", "username=kky&password=secret&next=%2F")
        .await;
    assert_eq!(
        (page.status, page.location.as_deref()),
        (StatusCode::SEE_OTHER, Some("/"))
    );
    assert_eq!(browser.get(&app, "/").await.body, "Hello kky");
    let mut copy = browser.clone();
    browser.post(&app, "/logout", "").await;
    assert_eq!(browser.cookie(Sessions::COOKIE), None);
    for browser in [&mut browser, &mut copy] {
        assert!(
            browser.get(&app, "/").await.location.is_some(),
            "the user is still signed in"
        );
    }
}

#[tokio::test]
async fn signed_in_user_signs_in_as_another_one() {
    let ((app, _), mut browser) = (app(), Browser::default());
    browser.post(&app, "/login", "username=kky&password=secret").await;
    browser.post(&app, "/login", "username=admin&password=secret").await;
    assert_eq!(browser.get(&app, "/").await.body, "Hello admin");
}

#[tokio::test]
async fn permission_decides_about_a_page() {
    let ((app, _), mut browser) = (app(), Browser::default());
    browser.post(&app, "/login", "username=kky&password=secret").await;
    assert_ne!(browser.get(&app, "/restricted").await.status, StatusCode::OK);
    browser.post(&app, "/logout", "").await;
    browser.post(&app, "/login", "username=admin&password=secret").await;
    assert_eq!(browser.get(&app, "/restricted").await.body, "Secrets");
}

#[tokio::test]
async fn changed_password_ends_the_session() {
    let ((app, users), mut browser) = (app(), Browser::default());
    browser.post(&app, "/login", "username=kky&password=secret").await;
    let mut copy = browser.clone();
    users.0.lock().unwrap().insert("kky".to_owned(), "changed".to_owned());
    assert!(browser.get(&app, "/").await.location.is_some());
    // the old password's session is gone, and the same browser signs in again
    browser.post(&app, "/login", "username=kky&password=changed").await;
    assert_eq!(browser.get(&app, "/").await.body, "Hello kky");
    assert!(copy.get(&app, "/").await.location.is_some());
}
