//! `/user/password`: changes the password and signs out all other devices.

use actix_web::Responder;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service_kit::form::Field;
use service_kit::visitor::Visitor;
use service_kit::{Frame, flash};
use shared_session::{CurrentSession, Session};
use tracing::error;

use super::{
    BUSY, PASSWORD, PREFIX, PageResult, SESSIONS, State, page, page_with_status, redirect, redirect_to_login, sessions,
};
use crate::authentication::PasswordChange;
use crate::hasher::HashError;
use crate::password;

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    frame: Frame,
    /// Tells a password manager which account the password belongs to.
    id: String,
    current: Field,
    new: Field,
    /// Whether the password was changed, but other devices may still be signed in.
    is_half_done: bool,
}

impl PasswordPage {
    fn new(session: &Session, user: &Visitor, current: Field, new: Field) -> Self {
        Self {
            frame: Frame::of(session, PREFIX, PASSWORD),
            id: user.id.clone(),
            current,
            new,
            is_half_done: false,
        }
    }

    /// Does not touch the session, because changing it could fail as well.
    fn half_done(user: &Visitor) -> Self {
        Self {
            frame: Frame {
                here: PASSWORD,
                visitor: Some(user.clone()),
                ..Frame::bare(PREFIX)
            },
            id: user.id.clone(),
            current: Field::default(),
            new: Field::default(),
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
    match Visitor::of(&session) {
        None => redirect_to_login(PASSWORD),
        Some(user) => page(PasswordPage::new(&session, &user, Field::default(), Field::default())),
    }
}

pub(super) async fn submit(
    state: Data<State>,
    session: Session,
    current_session: CurrentSession,
    Form(form): Form<PasswordForm>,
) -> impl Responder {
    match Visitor::of(&session) {
        None => redirect_to_login(PASSWORD),
        Some(user) => change(&state, &session, &current_session, &user, &form).await,
    }
}

async fn change(
    state: &State,
    session: &Session,
    current_session: &CurrentSession,
    user: &Visitor,
    form: &PasswordForm,
) -> PageResult<PasswordPage> {
    let reject = |status, current, new| page_with_status(status, PasswordPage::new(session, user, current, new));
    let reject_current = |status, message: &str| reject(status, Field::default().with_error(message), Field::default());
    let (current, new) = check(user, form);
    if current.error.is_some() || new.error.is_some() {
        return reject(StatusCode::UNPROCESSABLE_ENTITY, current, new);
    }
    let change = state.authenticator.change_password(&user.id, &form.current, &form.new);
    match change.await {
        Ok(PasswordChange::Done) => sign_out_others(state, session, current_session, user).await,
        Ok(PasswordChange::WrongPassword) => {
            reject_current(StatusCode::UNAUTHORIZED, "This is not your current password.")
        }
        Ok(PasswordChange::Conflict) => reject_current(
            StatusCode::CONFLICT,
            "Your password was just changed on another device. Enter your new password here.",
        ),
        Err(HashError::Busy) => reject_current(StatusCode::SERVICE_UNAVAILABLE, BUSY),
        Err(HashError::Failure(failure)) => Err(failure),
    }
}

/// Returns the form's fields with their errors. The current password is not verified yet.
fn check(user: &Visitor, form: &PasswordForm) -> (Field, Field) {
    let mut current = Field::default();
    if form.current.expose_secret().is_empty() {
        current = current.with_error("Enter your current password.");
    }
    let mut new = password::check(&form.new, &user.id, &user.name);
    let normalized = [&form.current, &form.new].map(password::normalize);
    if new.is_ok() && normalized[0].expose_secret() == normalized[1].expose_secret() {
        new = Err("This is your current password. Choose another one.".to_owned());
    }
    (current, Field::default().checked(&new))
}

/// Revokes every other session of the user.
///
/// The password is changed before: otherwise somebody with the old password could sign in again in between. If the
/// revocation fails, the page says that the password was changed and other devices may still be signed in.
async fn sign_out_others(
    state: &State,
    session: &Session,
    current_session: &CurrentSession,
    user: &Visitor,
) -> PageResult<PasswordPage> {
    match state.registry.revoke_others(&user.id, current_session).await {
        Ok(count) => {
            session.renew();
            let message = format!("Your password was changed. {}", sessions::revoked(count));
            flash::put(session, &message)?;
            redirect(SESSIONS)
        }
        Err(error) => {
            error!(%error, "failed to revoke other sessions after a password change");
            page_with_status(StatusCode::SERVICE_UNAVAILABLE, PasswordPage::half_done(user))
        }
    }
}
