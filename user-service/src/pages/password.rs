//! `/user/password`: changes the password and signs out all other devices.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, Responder};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service_kit::site::navigation::{DEVICES, Link, PASSWORD};
use service_kit::site::{Done, FormField, Layout, User, flash};
use shared_session::{CurrentSession, Error, Remember, Session};
use tracing::error;

use super::{PREFIX, PageResult, State, login, page, page_with_status, redirect, redirect_to_login, refused, sessions};
use crate::authentication::{Claim, PasswordChange, Refused};
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
    /// The user who the form was shown to.
    id: String,
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
        None => sign_in_after_change(&state, &session, &current_session, &form).await,
        Some(user) => change(&state, &request, &session, &current_session, user, &form).await,
    }
}

/// Signs a user in whose session has ended, if the form's new password is already the user's password. The browser sent the
/// form twice, and did not get the response to the first one, which renewed the session.
async fn sign_in_after_change(
    state: &State,
    session: &Session,
    current_session: &CurrentSession,
    form: &PasswordForm,
) -> PageResult<PasswordPage> {
    if form.id.is_empty() || form.current.expose_secret().is_empty() || form.new.expose_secret().is_empty() {
        return redirect_to_login(PASSWORD);
    }
    let claim = Claim::SignIn(form.id.clone());
    match state.authenticator.authenticate(claim, &form.new).await {
        Ok(account) => {
            let message = "Your password was already changed, and you are signed in with it.";
            flash::put(session, message)?;
            // nobody asked whether the user stays signed in
            let remember = Remember::No;
            login::start(state, session, current_session, account, remember, &form.new, DEVICES)
        }
        Err(Refused::Failure(failure)) => Err(failure),
        Err(_) => redirect_to_login(PASSWORD),
    }
}

async fn change(
    state: &State,
    request: &HttpRequest,
    session: &Session,
    current_session: &CurrentSession,
    user: User,
    form: &PasswordForm,
) -> PageResult<PasswordPage> {
    let page = |current, new| PasswordPage::new(session, &user, current, new);
    let (current, new) = check(&user, form);
    if current.error.is_some() || new.error.is_some() {
        return page_with_status(StatusCode::UNPROCESSABLE_ENTITY, page(current, new));
    }
    if let Err(error) = state.authenticator.check_new(&form.new, &user.id, &user.name).await {
        return refused(error, "", |new| Ok(page(FormField::default(), new)));
    }
    let (change, revoked) = match change_and_revoke(state, &user, current_session.clone(), form).await {
        Ok(changed) => changed,
        Err(error) => {
            let incorrect = "This is not your current password.";
            return refused(error, incorrect, |current| Ok(page(current, FormField::default())));
        }
    };
    note_change(request);
    let count = match revoked {
        Ok(count) => count,
        Err(error) => {
            error!(%error, "failed to revoke other sessions after a password change");
            return page_with_status(StatusCode::SERVICE_UNAVAILABLE, PasswordPage::half_done(&user));
        }
    };
    let message = |changed| format!("Your password {changed}. {}", sessions::revoked_message(count));
    if let PasswordChange::AlreadyDone(account) = change {
        flash::put(session, &message("was already changed"))?;
        // the response to the first form may not have reached the browser, and with it the renewed id
        let remember = Remember::from(current_session.remembered());
        return login::start(state, session, current_session, account, remember, &form.new, DEVICES);
    }
    User::authenticate(session)?;
    flash::put(session, &message("was changed"))?;
    redirect(DEVICES)
}

/// Notes that the password was changed, in case the session cannot be stored.
fn note_change(request: &HttpRequest) {
    let done = Done {
        title: "Your password was changed",
        message: "Your other devices were signed out. This one keeps its session.",
        link: Link {
            path: DEVICES.into(),
            text: "Your devices",
        },
    };
    done.note(request);
}

/// Changes the password, and then revokes every other session of the user, even if the client hangs up in between. Returns
/// how many there were.
///
/// In the other order, somebody with the old password could sign in again in between.
async fn change_and_revoke(
    state: &State,
    user: &User,
    current_session: CurrentSession,
    form: &PasswordForm,
) -> Result<(PasswordChange, Result<usize, Error>), Refused> {
    let (all, user) = (state.clone(), user.clone());
    let (current, new) = (form.current.clone(), form.new.clone());
    let change = async move {
        let handle = current_session.handle();
        let changed = all
            .authenticator
            .change_password(user.clone(), handle, &current, &new)
            .await?;
        Ok((changed, all.revoke_others(user, current_session).await?))
    };
    state.jobs.run_to_end(change).await?
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
