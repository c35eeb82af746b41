//! Maps requests to pages. The pages know sessions and the authenticator, but neither hashes nor Redis.

mod confirm;
mod delete;
mod index;
mod login;
mod logout;
mod password;
mod redis_session_set;
mod register;
mod reset;
mod sessions;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{CustomizeResponder, Either, HttpResponse, Responder, ResponseError};
use askama::Template;
use service_kit::server::{moved_permanently, resource};
use service_kit::site::navigation::{DEVICES, LOGIN, SESSION};
use service_kit::site::program::USER_SERVICE;
use service_kit::site::{FormField, Page, User, card, see_other};
use service_kit::{Failure, Jobs, audit};
use shared_session::{CurrentSession, Error, Registry};

pub use self::redis_session_set::redis_session_set;
use crate::authentication::{Authenticator, Refused};
use crate::deletion::{AccountError, Deletion};
use crate::reset::Resets;

pub(crate) const PREFIX: &str = "/user";

/// The message beside a password that was not verified because the hasher is busy.
const BUSY: &str = "Too many users are signing in at the moment. Please try again shortly.";

/// The message beside a password that another request has just changed.
const CONFLICT: &str = "Your password was just changed on another device. Enter your new password here.";

/// The message beside a password that a user was asked for again.
const NOT_YOURS: &str = "This is not your password.";

/// The dependencies of the pages.
#[derive(Clone)]
pub(crate) struct State {
    pub authenticator: Authenticator,
    pub deletion: Deletion,
    pub resets: Resets,
    /// Runs what must not be cut in two when the client hangs up.
    pub jobs: Jobs,
    /// Lists and revokes the sessions of a user.
    pub registry: Registry,
}

impl State {
    /// Revokes every session of the user but the current one. Returns how many there were.
    async fn revoke_others(
        &self,
        user: User,
        current_session: CurrentSession,
    ) -> Result<Result<usize, Error>, Failure> {
        let registry = self.registry.clone();
        let revoked = self.jobs.run_to_end(async move {
            let count = registry.revoke_others(&user.account, &current_session).await?;
            audit::event("other sessions revoked").user(&*user.id).log();
            Ok(count)
        });
        revoked.await
    }
}

/// Adds the routes of all pages.
pub(crate) fn configure(config: &mut ServiceConfig, state: &State) {
    config.service(moved_permanently(PREFIX, SESSION)).service(
        web::scope(PREFIX)
            .app_data(Data::new(state.clone()))
            .service(resource("/", index::show))
            .service(resource("/all_at_once.js", index::script))
            .configure(card::routes(&USER_SERVICE))
            .service(resource("/register", register::show).post(register::submit))
            .service(resource("/login", login::show).post(login::submit))
            .service(resource("/password", password::show).post(password::submit))
            .service(resource("/reset", reset::show).post(reset::submit))
            .service(resource("/delete", delete::show).post(delete::submit))
            .service(resource("/sessions", sessions::show))
            .service(resource("/sessions/revoke", show_devices).post(sessions::revoke))
            .service(resource("/sessions/revoke-others", show_devices).post(sessions::revoke_others))
            .service(resource("/logout", show_account).post(logout::submit))
            .service(resource("/redis_session_set", redis_session_set).post(redis_session_set::submit)),
    );
}

/// Redirects from the address of a form, which a browser opens if the user reloads the page of an error.
async fn show_devices() -> HttpResponse {
    see_other(DEVICES)
}

/// Redirects from the address that signs out, because a link must not.
async fn show_account() -> HttpResponse {
    see_other(SESSION)
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
    Ok(Either::Right(match status {
        StatusCode::SERVICE_UNAVAILABLE => page.insert_header((RETRY_AFTER, 1)),
        // RFC 9110, section 15.5.2, wants a challenge; the scheme is unknown to browsers, so they show the page
        StatusCode::UNAUTHORIZED => page.insert_header((WWW_AUTHENTICATE, "Form realm=\"shared session\"")),
        _ => page,
    }))
}

/// Responds to a password that was refused. `page` takes the field of the password, with the reason. `incorrect` is the reason
/// if it is not the right one.
fn refused<T: Template>(
    refused: Refused,
    incorrect: &str,
    page: impl FnOnce(FormField) -> Result<T, Failure>,
) -> PageResult<T> {
    let (status, reason) = match refused {
        Refused::Incorrect => (StatusCode::UNAUTHORIZED, incorrect.to_owned()),
        Refused::TooManyAttempts(wait) => {
            let wait = wait.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
            let page = Page(page(FormField::default().with_error(too_many_attempts(wait)))?);
            let page = page.customize().with_status(StatusCode::TOO_MANY_REQUESTS);
            return Ok(Either::Right(match wait {
                Some(wait) => page.insert_header((RETRY_AFTER, wait)),
                None => page,
            }));
        }
        Refused::Common => (StatusCode::UNPROCESSABLE_ENTITY, crate::password::TOO_COMMON.to_owned()),
        Refused::Conflict => (StatusCode::CONFLICT, CONFLICT.to_owned()),
        Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, BUSY.to_owned()),
        Refused::Failure(failure) => return Err(failure),
    };
    page_with_status(status, page(FormField::default().with_error(reason))?)
}

/// Returns the reason if the next password can be tried after this number of seconds, or never.
fn too_many_attempts(wait: Option<u64>) -> String {
    const REASON: &str = "Too many wrong passwords were entered for this user ID.";
    match wait {
        Some(1) => format!("{REASON} Please try again in one second."),
        Some(seconds) if seconds < 120 => format!("{REASON} Please try again in {seconds} seconds."),
        Some(seconds) => format!("{REASON} Please try again in {} minutes.", seconds.div_ceil(60)),
        None => format!(
            "{REASON} Change your password on a device on which you are signed in, or ask the people who run this site for a link that sets a new one."
        ),
    }
}

/// Returns the failure of a handler for an error of the registry.
fn registry_failure(error: Error) -> Failure {
    if error.status_code() == StatusCode::SERVICE_UNAVAILABLE {
        Failure::Unavailable(error.to_string())
    } else {
        Failure::Internal(error.to_string())
    }
}

/// Returns the failure of a handler for an error of a change of an account.
fn account_failure(error: AccountError) -> Failure {
    match error {
        AccountError::Database(failure) => failure,
        AccountError::Sessions(error) => registry_failure(error),
    }
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
