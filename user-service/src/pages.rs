//! Maps requests to pages. The pages know sessions and the authenticator, but neither hashes nor Redis.

mod index;
mod login;
mod logout;
mod password;
mod redis_session_set;
mod register;
mod sessions;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{CustomizeResponder, Either, HttpResponse, Responder};
use askama::Template;
use service_kit::Failure;
use service_kit::server::{moved_permanently, resource};
use service_kit::site::navigation::{LOGIN, SESSION};
use service_kit::site::{Page, see_other};
use shared_session::Registry;

pub use self::redis_session_set::redis_session_set;
use crate::authentication::Authenticator;

pub(crate) const PREFIX: &str = "/user";

/// The message beside a password that was not verified because the hasher is busy.
const BUSY: &str = "Too many users are signing in at the moment. Please try again shortly.";

/// The dependencies of the pages.
#[derive(Clone)]
pub(crate) struct State {
    pub authenticator: Authenticator,
    /// Lists and revokes the sessions of a user.
    pub registry: Registry,
}

/// Adds the routes of all pages.
pub(crate) fn configure(config: &mut ServiceConfig, state: &State) {
    config.service(moved_permanently(PREFIX, SESSION)).service(
        web::scope(PREFIX)
            .app_data(Data::new(state.clone()))
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

/// A page or a redirect.
type PageResult<T> = Result<Either<HttpResponse, CustomizeResponder<Page<T>>>, Failure>;

/// Responds with a page.
fn page<T: Template>(template: T) -> PageResult<T> {
    page_with_status(StatusCode::OK, template)
}

/// Responds with a page that shows an error.
fn page_with_status<T: Template>(status: StatusCode, template: T) -> PageResult<T> {
    let page = Page(template).customize().with_status(status);
    Ok(Either::Right(if status == StatusCode::SERVICE_UNAVAILABLE {
        page.insert_header((RETRY_AFTER, 1))
    } else {
        page
    }))
}

/// Redirects to another page of this site.
fn redirect<T>(to: &str) -> PageResult<T> {
    Ok(Either::Left(see_other(to)))
}

/// Redirects to the sign-in, which leads back to `page`.
fn redirect_to_login<T>(page: &str) -> PageResult<T> {
    redirect(&login_address(page))
}

/// Returns the address of a sign-in that leads back to `page`.
fn login_address(page: &str) -> String {
    format!("{LOGIN}?next={page}")
}
