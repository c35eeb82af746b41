//! The administration of a newsletter, in the style of the book Zero To Production In Rust: log-in, change of the password,
//! flash messages in a cookie, a typed wrapper of the session, and a middleware that rejects anonymous users.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::sync::Mutex;

use actix_session::{Session, SessionExt, SessionGetError, SessionInsertError};
use actix_web::body::MessageBody;
use actix_web::cookie::Key;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::{StatusCode, header::LOCATION};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::init_service;
use actix_web::{App, Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use actix_web_flash_messages::storage::CookieMessageStore;
use actix_web_flash_messages::{FlashMessage, FlashMessagesFramework, IncomingFlashMessages};
use serde::Deserialize;

use super::super::middleware::Sessions;
use super::{e500, start};
use crate::support::{Browser, Page};

type UserId = u64;

/// The session with the names and types of its fields.
struct AdminSession(Session);

impl AdminSession {
    const USER: &'static str = "user_id";

    fn renew(&self) {
        self.0.renew();
    }

    fn set_user(&self, user: UserId) -> Result<(), SessionInsertError> {
        self.0.insert(Self::USER, user)
    }

    fn user(&self) -> Result<Option<UserId>, SessionGetError> {
        self.0.get(Self::USER)
    }

    fn log_out(self) {
        self.0.purge();
    }
}

impl FromRequest for AdminSession {
    type Error = <Session as FromRequest>::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.get_session())))
    }
}

/// The user that [`reject_anonymous`] let through.
#[derive(Clone, Copy)]
struct User(UserId);

async fn reject_anonymous(
    session: AdminSession,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(user) = session.user().map_err(e500)? else {
        return Err(InternalError::from_response("nobody is signed in", see_other("/login")).into());
    };
    request.extensions_mut().insert(User(user));
    next.call(request).await
}

fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

/// The accounts: a name and a password for each id.
type Accounts = Mutex<HashMap<UserId, (String, String)>>;

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

async fn login_form(messages: IncomingFlashMessages) -> HttpResponse {
    page("login", &messages)
}

fn page(title: &str, messages: &IncomingFlashMessages) -> HttpResponse {
    let messages: String = messages
        .iter()
        .map(|message| format!("<p>{}</p>", message.content()))
        .collect();
    HttpResponse::Ok().body(format!("<h1>{title}</h1>{messages}"))
}

async fn log_in(
    form: web::Form<Credentials>,
    accounts: web::Data<Accounts>,
    session: AdminSession,
) -> Result<HttpResponse, InternalError<&'static str>> {
    let Credentials { name, password } = form.into_inner();
    let wanted = (name, password);
    let found = accounts
        .lock()
        .unwrap()
        .iter()
        .find(|(_, account)| **account == wanted)
        .map(|(id, _)| *id);
    let Some(user) = found else {
        FlashMessage::error("wrong name or password").send();
        return Err(InternalError::from_response("wrong password", see_other("/login")));
    };
    session.renew();
    match session.set_user(user) {
        Ok(()) => Ok(see_other("/admin/dashboard")),
        Err(_) => Err(InternalError::from_response("the session failed", see_other("/login"))),
    }
}

async fn dashboard(session: AdminSession, accounts: web::Data<Accounts>) -> Result<HttpResponse, Error> {
    let Some(user) = session.user().map_err(e500)? else {
        return Ok(see_other("/login"));
    };
    let name = accounts.lock().unwrap()[&user].0.clone();
    Ok(HttpResponse::Ok().body(format!("welcome {name}")))
}

async fn password_form(messages: IncomingFlashMessages) -> HttpResponse {
    page("password", &messages)
}

#[derive(Deserialize)]
struct NewPassword {
    current: String,
    new: String,
    again: String,
}

async fn change_password(
    form: web::Form<NewPassword>,
    user: web::ReqData<User>,
    accounts: web::Data<Accounts>,
) -> HttpResponse {
    let User(user) = user.into_inner();
    let mut accounts = accounts.lock().unwrap();
    let account = accounts.get_mut(&user).unwrap();
    if form.new != form.again {
        FlashMessage::error("the new passwords differ").send();
    } else if form.current != account.1 {
        FlashMessage::error("the current password is wrong").send();
    } else {
        account.1.clone_from(&form.new);
        FlashMessage::info("the password was changed").send();
    }
    see_other("/admin/password")
}

async fn log_out(session: AdminSession) -> HttpResponse {
    session.log_out();
    FlashMessage::info("signed out").send();
    see_other("/login")
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/login", web::get().to(login_form))
        .route("/login", web::post().to(log_in))
        .service(
            web::scope("/admin")
                .wrap(from_fn(reject_anonymous))
                .route("/dashboard", web::get().to(dashboard))
                .route("/password", web::get().to(password_form))
                .route("/password", web::post().to(change_password))
                .route("/logout", web::post().to(log_out)),
        );
}

macro_rules! service {
    ($sessions:expr) => {{
        let accounts: Accounts = Mutex::new(HashMap::from([(7, ("admin".to_owned(), "first".to_owned()))]));
        let flash = FlashMessagesFramework::builder(CookieMessageStore::builder(Key::generate()).build());
        let app = App::new()
            .app_data(web::Data::new(accounts))
            .configure(routes)
            .wrap(flash.build())
            .wrap($sessions.middleware());
        init_service(app).await
    }};
}

fn assert_redirects_to(page: &Page, path: &str) {
    assert_eq!(
        (page.status, page.location.as_deref()),
        (StatusCode::SEE_OTHER, Some(path)),
        "{page:?}"
    );
}

const FIRST: [(&str, &str); 2] = [("name", "admin"), ("password", "first")];

#[actix_web::test]
async fn anonymous_users_are_sent_to_the_login() {
    let (_redis, sessions) = start().await;
    let (service, mut browser) = (service!(sessions), Browser::default());
    for path in ["/admin/dashboard", "/admin/password"] {
        assert_redirects_to(&browser.get(&service, path).await, "/login");
    }
    let form = [("current", "first"), ("new", "x"), ("again", "x")];
    assert_redirects_to(&browser.post(&service, "/admin/password", &form).await, "/login");
    assert_redirects_to(&browser.post(&service, "/admin/logout", &[]).await, "/login");
    assert_eq!(browser.cookie(Sessions::COOKIE), None);
}

#[actix_web::test]
async fn failed_login_is_told_once() {
    let (_redis, sessions) = start().await;
    let (service, mut browser) = (service!(sessions), Browser::default());
    let page = browser
        .post(&service, "/login", &[("name", "admin"), ("password", "guess")])
        .await;
    assert_redirects_to(&page, "/login");
    assert_eq!(
        browser.get(&service, "/login").await.body,
        "<h1>login</h1><p>wrong name or password</p>"
    );
    assert_eq!(browser.get(&service, "/login").await.body, "<h1>login</h1>");
}

#[actix_web::test]
async fn user_is_welcome_until_the_log_out() {
    let (_redis, sessions) = start().await;
    let (service, mut browser) = (service!(sessions), Browser::default());
    assert_redirects_to(&browser.post(&service, "/login", &FIRST).await, "/admin/dashboard");
    assert_eq!(browser.get(&service, "/admin/dashboard").await.body, "welcome admin");
    let mut copy = browser.clone();
    assert_redirects_to(&browser.post(&service, "/admin/logout", &[]).await, "/login");
    assert_eq!(
        browser.get(&service, "/login").await.body,
        "<h1>login</h1><p>signed out</p>"
    );
    assert_redirects_to(&browser.get(&service, "/admin/dashboard").await, "/login");
    assert_redirects_to(&copy.get(&service, "/admin/dashboard").await, "/login");
}

#[actix_web::test]
async fn second_login_replaces_the_id() {
    let (_redis, sessions) = start().await;
    let (service, mut browser) = (service!(sessions), Browser::default());
    browser.post(&service, "/login", &FIRST).await;
    let mut before = browser.clone();
    browser.post(&service, "/login", &FIRST).await;
    assert_ne!(before.cookie(Sessions::COOKIE), browser.cookie(Sessions::COOKIE));
    assert_redirects_to(&before.get(&service, "/admin/dashboard").await, "/login");
    assert_eq!(browser.get(&service, "/admin/dashboard").await.body, "welcome admin");
}

#[actix_web::test]
async fn password_is_changed_if_the_form_is_right() {
    let (_redis, sessions) = start().await;
    let (service, mut browser) = (service!(sessions), Browser::default());
    browser.post(&service, "/login", &FIRST).await;
    for (current, again, message) in [
        ("first", "other", "the new passwords differ"),
        ("guess", "second", "the current password is wrong"),
        ("first", "second", "the password was changed"),
    ] {
        let form = [("current", current), ("new", "second"), ("again", again)];
        assert_redirects_to(
            &browser.post(&service, "/admin/password", &form).await,
            "/admin/password",
        );
        let page = browser.get(&service, "/admin/password").await;
        assert_eq!(page.body, format!("<h1>password</h1><p>{message}</p>"));
    }
    browser.post(&service, "/admin/logout", &[]).await;
    assert_redirects_to(&browser.post(&service, "/login", &FIRST).await, "/login");
    let form = [("name", "admin"), ("password", "second")];
    assert_redirects_to(&browser.post(&service, "/login", &form).await, "/admin/dashboard");
}
