//! The pages: what of a request makes which answer. They know people and sessions; neither hashes nor Redis.

mod index;
mod lecture;
mod login;
mod logout;
mod password;
mod register;
mod sessions;

pub use self::lecture::redis_session_set;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{CustomizeResponder, Either, HttpResponse, Responder};
use askama::Template;
use service_kit::Failure;
use service_kit::server::{moved_permanently, resource};
use service_kit::site::{Page, see_other};
use shared_session::Registry;

use crate::people::People;

pub(crate) const PREFIX: &str = "/user";

const INDEX: &str = "/user/";
const REGISTER: &str = "/user/register";
const LOGIN: &str = "/user/login";
const PASSWORD: &str = "/user/password";
const SESSIONS: &str = "/user/sessions";

/// What is said beside a password that could not be looked at.
const BUSY: &str = "Too many people are signing in at the moment. Please try again shortly.";

/// What the pages work with.
#[derive(Clone)]
pub(crate) struct Parts {
    pub people: People,
    /// Who is signed in where.
    pub registry: Registry,
}

/// Adds the pages.
pub(crate) fn add(config: &mut ServiceConfig, parts: &Parts) {
    config.service(moved_permanently("/user", INDEX)).service(
        web::scope(PREFIX)
            .app_data(Data::new(parts.clone()))
            .service(resource("/", index::show))
            .service(resource("/register", register::show).post(register::submit))
            .service(resource("/login", login::show).post(login::submit))
            .service(resource("/password", password::show).post(password::submit))
            .service(resource("/sessions", sessions::show))
            .service(web::resource("/sessions/revoke").post(sessions::revoke))
            .service(web::resource("/sessions/revoke-others").post(sessions::revoke_others))
            .service(web::resource("/logout").post(logout::submit))
            .service(resource("/redis_session_set", redis_session_set)),
    );
}

/// What a page answers with: itself, or where to go on.
type Answer<T> = Result<Either<HttpResponse, CustomizeResponder<Page<T>>>, Failure>;

/// A page.
fn shown<T: Template>(page: T) -> Answer<T> {
    with_status(StatusCode::OK, page)
}

/// A form with what is wrong in it.
fn with_status<T: Template>(status: StatusCode, page: T) -> Answer<T> {
    let page = Page(page).customize().with_status(status);
    Ok(Either::Right(if status == StatusCode::SERVICE_UNAVAILABLE {
        page.insert_header((RETRY_AFTER, 1))
    } else {
        page
    }))
}

/// Elsewhere, where the visitor goes on.
fn led<T>(to: &str) -> Answer<T> {
    Ok(Either::Left(see_other(to)))
}

/// To the sign-in, and then back here.
fn led_to_login<T>(here: &str) -> Answer<T> {
    led(&login_then(here))
}

fn login_then(here: &str) -> String {
    format!("{LOGIN}?next={here}")
}
