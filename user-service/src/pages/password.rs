//! `/user/password`: changes the password and signs out all other devices.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, Responder};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service_kit::audit;
use service_kit::site::navigation::{DEVICES, Link, PASSWORD};
use service_kit::site::{Done, FormField, Layout, User, flash};
use shared_session::{CurrentSession, Session};
use tracing::error;

use super::{
    BUSY, PREFIX, PageResult, State, page, page_with_status, page_with_wait, redirect, redirect_to_login, sessions,
    too_many_attempts,
};
use crate::attempts::Source;
use crate::authentication::PasswordChange;
use crate::hasher::HashError;
use crate::password;

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    layout: Layout,
    /// Tells a password manager which account the password belongs to.
    id: String,
    current: FormField,
    new: FormField,
    /// Whether the password was changed, but other devices may still be signed in.
    is_half_done: bool,
}

impl PasswordPage {
    fn new(session: &Session, user: &User, current: FormField, new: FormField) -> Self {
        Self {
            layout: Layout::new(session, PREFIX, PASSWORD),
            id: user.id.clone(),
            current,
            new,
            is_half_done: false,
        }
    }

    /// Returns the page for a failed revocation. It leaves the session alone, because changing it could fail as well.
    fn half_done(user: &User) -> Self {
        Self {
            layout: Layout {
                path: PASSWORD,
                user: Some(user.clone()),
                ..Layout::without_session(PREFIX)
            },
            id: user.id.clone(),
            current: FormField::default(),
            new: FormField::default(),
            is_half_done: true,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PasswordForm {
    current: SecretString,
    new: SecretString,
}

pub(super) async fn show(session: Session) -> impl Responder {
    match User::of(&session) {
        None => redirect_to_login(PASSWORD),
        Some(user) => page(PasswordPage::new(
            &session,
            &user,
            FormField::default(),
            FormField::default(),
        )),
    }
}

pub(super) async fn submit(
    state: Data<State>,
    request: HttpRequest,
    session: Session,
    current_session: CurrentSession,
    Form(form): Form<PasswordForm>,
) -> impl Responder {
    match User::of(&session) {
        None => redirect_to_login(PASSWORD),
        Some(user) => change(&state, &request, &session, &current_session, &user, &form).await,
    }
}

async fn change(
    state: &State,
    request: &HttpRequest,
    session: &Session,
    current_session: &CurrentSession,
    user: &User,
    form: &PasswordForm,
) -> PageResult<PasswordPage> {
    let reject = |status, current, new| page_with_status(status, PasswordPage::new(session, user, current, new));
    let reject_current =
        |status, message: &str| reject(status, FormField::default().with_error(message), FormField::default());
    let (current, new) = check(user, form);
    if current.error.is_some() || new.error.is_some() {
        return reject(StatusCode::UNPROCESSABLE_ENTITY, current, new);
    }
    let handle = current_session.handle();
    let source = Source::Session(handle.as_ref());
    let authenticator = &state.authenticator;
    let change = match authenticator.is_common(&form.new, &user.id, &user.name).await {
        Ok(true) => {
            let new = FormField::default().with_error(password::TOO_COMMON);
            return reject(StatusCode::UNPROCESSABLE_ENTITY, FormField::default(), new);
        }
        Ok(false) => {
            let change = authenticator.change_password(&user.id, &form.current, &form.new, source);
            change.await
        }
        Err(error) => Err(error),
    };
    match change {
        Ok(PasswordChange::Done) => {
            let done = Done {
                title: "Your password was changed",
                message: "Your other devices were signed out. This one keeps its session.",
                link: Link {
                    path: DEVICES.into(),
                    text: "Your devices",
                },
            };
            done.note(request);
            sign_out_others(state, session, current_session, user).await
        }
        Ok(PasswordChange::WrongPassword) => {
            reject_current(StatusCode::UNAUTHORIZED, "This is not your current password.")
        }
        Ok(PasswordChange::TooManyAttempts(attempts)) => {
            let current = FormField::default().with_error(too_many_attempts(attempts));
            page_with_wait(
                attempts,
                PasswordPage::new(session, user, current, FormField::default()),
            )
        }
        Ok(PasswordChange::Conflict) => reject_current(
            StatusCode::CONFLICT,
            "Your password was just changed on another device. Enter your new password here.",
        ),
        Err(HashError::Busy) => reject_current(StatusCode::SERVICE_UNAVAILABLE, BUSY),
        Err(HashError::Failure(failure)) => Err(failure),
    }
}

/// Returns the form's fields with their errors. It does not verify the current password.
fn check(user: &User, form: &PasswordForm) -> (FormField, FormField) {
    let mut current = FormField::default();
    if form.current.expose_secret().is_empty() {
        current = current.with_error("Enter your current password.");
    }
    let mut new = password::check(&form.new, &user.id, &user.name);
    let normalized = [&form.current, &form.new].map(password::normalize);
    if new.is_ok() && normalized[0].expose_secret() == normalized[1].expose_secret() {
        new = Err("This is your current password. Choose another one.".to_owned());
    }
    (current, FormField::default().checked(&new))
}

/// Revokes every other session of the user.
///
/// The password is already changed: in the other order, somebody with the old password could sign in again in between.
/// If the revocation fails, the page says that the password was changed and other devices may still be signed in.
async fn sign_out_others(
    state: &State,
    session: &Session,
    current_session: &CurrentSession,
    user: &User,
) -> PageResult<PasswordPage> {
    audit::event("password changed").user(&*user.id).log();
    match state.registry.revoke_others(&user.id, current_session).await {
        Ok(count) => {
            audit::event("other sessions revoked").user(&*user.id).log();
            User::authenticate(session)?;
            let message = format!("Your password was changed. {}", sessions::revoked_message(count));
            flash::put(session, &message)?;
            redirect(DEVICES)
        }
        Err(error) => {
            error!(%error, "failed to revoke other sessions after a password change");
            page_with_status(StatusCode::SERVICE_UNAVAILABLE, PasswordPage::half_done(user))
        }
    }
}
