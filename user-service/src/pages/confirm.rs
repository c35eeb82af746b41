//! Asks for the password again before other sessions are revoked, unless the user entered it in the last five minutes (OWASP
//! ASVS 5.0, 7.5.2). Somebody who finds a device unlocked must not end the owner's other sessions.

use actix_web::http::StatusCode;
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use service_kit::Failure;
use service_kit::site::navigation::DEVICES;
use service_kit::site::{FormField, Layout, User};
use shared_session::{CurrentSession, Session};

use super::{NOT_YOURS, PREFIX, PageResult, State, page_with_status, refused};
use crate::authentication::Claim;

#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct ConfirmPage {
    layout: Layout,
    /// Tells a password manager which account the password belongs to.
    id: String,
    /// The session to revoke, or nothing for all others.
    handle: String,
    password: FormField,
}

/// Returns `None` if the user entered the password in the last five minutes, or with this request. Otherwise returns the page
/// that asks for it.
pub(super) async fn confirm(
    state: &State,
    session: &Session,
    current_session: &CurrentSession,
    user: &User,
    handle: &str,
    password: &SecretString,
) -> Result<Option<PageResult<ConfirmPage>>, Failure> {
    if User::authenticated_recently(session) {
        return Ok(None);
    }
    let page = |password| ConfirmPage {
        layout: Layout::new(session, PREFIX, DEVICES),
        id: user.id.clone(),
        handle: handle.to_owned(),
        password,
    };
    if password.expose_secret().is_empty() {
        let status = StatusCode::UNAUTHORIZED;
        return Ok(Some(page_with_status(status, page(FormField::default()))));
    }
    let claim = Claim::Session(user.clone(), current_session.handle());
    if let Err(error) = state.authenticator.authenticate(claim, password).await {
        return Ok(Some(refused(error, NOT_YOURS, |password| Ok(page(password)))));
    }
    User::authenticate(session)?;
    Ok(None)
}
