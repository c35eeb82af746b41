//! `/user/password`: another password, with which every other device is signed out.

use actix_web::Responder;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use askama::Template;
use serde::Deserialize;
use service_kit::site::{FormField, Layout, User, flash};
use shared_session::{CurrentSession, Session};
use tracing::error;

use super::{Answer, BUSY, PASSWORD, PREFIX, Parts, SESSIONS, led, led_to_login, sessions, shown, with_status};
use crate::hasher::HashError;
use crate::password;
use crate::people::Changed;

#[derive(Template)]
#[template(path = "password.html")]
struct Password {
    layout: Layout,
    /// For whatever keeps passwords: whose it is.
    id: String,
    current: FormField,
    new: FormField,
    /// The password is changed, and other devices may yet be signed in.
    half_done: bool,
}

impl Password {
    fn new(session: &Session, visitor: &User, current: FormField, new: FormField) -> Self {
        Self {
            layout: Layout::new(session, PREFIX, PASSWORD),
            id: visitor.id.clone(),
            current,
            new,
            half_done: false,
        }
    }
}

/// What was typed; what is missing is empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    current: String,
    new: String,
}

pub(super) async fn show(session: Session) -> impl Responder {
    match User::of(&session) {
        None => led_to_login(PASSWORD),
        Some(visitor) => shown(Password::new(
            &session,
            &visitor,
            FormField::default(),
            FormField::default(),
        )),
    }
}

pub(super) async fn submit(
    parts: Data<Parts>,
    session: Session,
    here: CurrentSession,
    Form(typed): Form<Typed>,
) -> impl Responder {
    match User::of(&session) {
        None => led_to_login(PASSWORD),
        Some(visitor) => change(&parts, &session, &here, &visitor, &typed).await,
    }
}

async fn change(
    parts: &Parts,
    session: &Session,
    here: &CurrentSession,
    visitor: &User,
    typed: &Typed,
) -> Answer<Password> {
    let refused = |status, current, new| with_status(status, Password::new(session, visitor, current, new));
    let wrong =
        |status, sentence: &str| refused(status, FormField::default().with_error(sentence), FormField::default());
    let (current, new) = check(visitor, typed);
    if current.error.is_some() || new.error.is_some() {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, current, new);
    }
    let changed = parts.people.change_password(&visitor.id, &typed.current, &typed.new);
    match changed.await {
        Ok(Changed::Yes) => sign_out_others(parts, session, here, visitor).await,
        Ok(Changed::WrongPassword) => wrong(StatusCode::UNAUTHORIZED, "This is not your current password."),
        Ok(Changed::Meanwhile) => wrong(
            StatusCode::CONFLICT,
            "Your password was changed elsewhere in this moment. Enter the one that you have now.",
        ),
        Err(HashError::Busy) => wrong(StatusCode::SERVICE_UNAVAILABLE, BUSY),
        Err(HashError::Failure(failure)) => Err(failure),
    }
}

/// What is wrong with what was typed, before anybody looks whether it is the password.
fn check(visitor: &User, typed: &Typed) -> (FormField, FormField) {
    let mut current = FormField::default();
    if typed.current.is_empty() {
        current = current.with_error("Enter your current password.");
    }
    let mut new = password::check(&typed.new, &visitor.id, &visitor.name);
    if new.is_ok() && password::normal(&typed.new) == password::normal(&typed.current) {
        new = Err("This is the current password. Choose another one.".to_owned());
    }
    (current, FormField::default().checked(&new))
}

/// Ends every other session of the visitor, whose password is changed by now.
///
/// In this order: who knows the old password could sign in anew between the two, if the sessions went first. So what can
/// fail halfway is that the password is new and the others are not signed out yet, and then that is what is said, by a
/// page that changes nothing in the session, which could fail as well.
async fn sign_out_others(parts: &Parts, session: &Session, here: &CurrentSession, visitor: &User) -> Answer<Password> {
    match parts.registry.revoke_others(&visitor.id, here).await {
        Ok(count) => {
            session.renew();
            flash::put(
                session,
                &format!("Your password is changed. {}", sessions::ended(count)),
            )?;
            led(SESSIONS)
        }
        Err(error) => {
            error!(%error, "a password was changed, and the other sessions of its owner could not be ended");
            let (current, new) = (FormField::default(), FormField::default());
            let page = Password {
                layout: Layout {
                    path: PASSWORD,
                    user: Some(visitor.clone()),
                    ..Layout::without_session(PREFIX)
                },
                id: visitor.id.clone(),
                current,
                new,
                half_done: true,
            };
            with_status(StatusCode::SERVICE_UNAVAILABLE, page)
        }
    }
}
