//! `/user/login`: signs a user in and redirects to the page that they came for.

use actix_web::Responder;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service_kit::audit;
use service_kit::site::navigation::{LOGIN, SESSION, TASKS};
use service_kit::site::{FormField, Layout, User, flash};
use shared_session::{CurrentSession, Error, Handle, Remember, Session};
use tracing::error;

use super::{PREFIX, PageResult, State, page, page_with_status, redirect, refused};
use crate::account::Account;
use crate::authentication::Claim;

const MAX_NEXT_LENGTH: usize = 512;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    layout: Layout,
    id: FormField,
    password: FormField,
    /// Whether the box "Stay signed in" is checked.
    remember: bool,
    next: String,
}

impl LoginPage {
    fn new(session: &Session, next: &str, id: FormField, password: FormField, remember: bool) -> Self {
        Self {
            layout: Layout::new(session, PREFIX, LOGIN),
            id,
            password,
            remember,
            next: own_path(next).to_owned(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LoginQuery {
    next: String,
    /// The user ID to fill in.
    id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LoginForm {
    id: String,
    password: SecretString,
    /// Empty unless the user wants to stay signed in.
    remember: String,
    next: String,
}

pub(super) async fn show(session: Session, Query(query): Query<LoginQuery>) -> impl Responder {
    if User::of(&session).is_some() {
        let next = if query.next.is_empty() {
            SESSION
        } else {
            own_path(&query.next)
        };
        return redirect(next);
    }
    page(LoginPage::new(
        &session,
        &query.next,
        FormField::new(&query.id),
        FormField::default(),
        false,
    ))
}

pub(super) async fn submit(
    state: Data<State>,
    session: Session,
    current_session: CurrentSession,
    Form(form): Form<LoginForm>,
) -> impl Responder {
    sign_in(&state, &session, &current_session, &form).await
}

async fn sign_in(
    state: &State,
    session: &Session,
    current_session: &CurrentSession,
    form: &LoginForm,
) -> PageResult<LoginPage> {
    let id = require(form.id.trim(), "Enter your user ID.");
    let password = require(form.password.expose_secret(), "Enter your password.");
    let remember = !form.remember.is_empty();
    let page = |password| {
        let id = FormField::new(&form.id).checked(&id);
        LoginPage::new(session, &form.next, id, password, remember)
    };
    if id.is_err() || password.is_err() {
        let password = FormField::default().checked(&password);
        return page_with_status(StatusCode::UNPROCESSABLE_ENTITY, page(password));
    }
    let claim = Claim::SignIn(form.id.clone());
    match state.authenticator.authenticate(claim, &form.password).await {
        Ok(account) => {
            flash::put(session, &format!("Hello, {}.", account.name))?;
            let remember = Remember::from(remember);
            start(
                state,
                session,
                current_session,
                account,
                remember,
                &form.password,
                &form.next,
            )
        }
        Err(error) => {
            let incorrect = "The user ID or the password is incorrect.";
            refused(error, incorrect, |password| Ok(page(password)))
        }
    }
}

/// Signs the user of an account in, whose password was just entered, and redirects to `next`.
pub(super) fn start<T>(
    state: &State,
    session: &Session,
    current_session: &CurrentSession,
    account: Account,
    remember: Remember,
    password: &SecretString,
    next: &str,
) -> PageResult<T> {
    let user = User {
        account: account.id.clone(),
        id: account.user_id.as_str().to_owned(),
        name: account.name.clone(),
    };
    user.sign_in(session, current_session, remember)?;
    let (state, password, context) = (state.clone(), password.clone(), audit::context());
    current_session.once_stored(async move |handle| {
        let check = check_again(&state, &account, &password, handle.as_ref());
        context.run(check).await
    });
    redirect(own_path(next))
}

/// Ends a session that is just stored if its account was deleted meanwhile, or its password changed. What revoked the sessions
/// of the account then did not find this one.
async fn check_again(
    state: &State,
    account: &Account,
    password: &SecretString,
    handle: Option<&Handle>,
) -> Result<(), Error> {
    let user = account.user_id.as_str();
    match state.authenticator.is_still(account, password).await {
        Ok(true) => {
            if let Some(handle) = handle {
                audit::event("signed in").user(user).session(handle).log();
            }
            return Ok(());
        }
        Ok(false) => {}
        Err(error) => error!(%error, "failed to look at an account again after its user signed in"),
    }
    if let Some(handle) = handle {
        state.registry.revoke(&account.id, handle).await?;
    }
    Err(Error::Ended)
}

fn require(input: &str, message: &str) -> Result<(), String> {
    if input.is_empty() {
        Err(message.to_owned())
    } else {
        Ok(())
    }
}

/// Returns `next` if it is a path of this site, or else the address of the tasks.
///
/// `//host` and `/\host` are addresses of other sites (WHATWG URL, section 4.4). Browsers ignore tabs and line breaks, so
/// a path with one could become such an address.
pub(super) fn own_path(next: &str) -> &str {
    let mut bytes = next.bytes();
    let is_path = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic()) && next.len() <= MAX_NEXT_LENGTH;
    if is_path && is_plain { next } else { TASKS }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn path_of_this_site_is_kept() {
        for next in ["/task/?from=20&x=%2F%2Fevil.example#y", "/"] {
            assert_eq!(own_path(next), next);
        }
    }

    #[test]
    fn address_of_another_site_is_replaced() {
        for next in [
            "",
            "task/",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "\t//evil.example",
            " //evil.example",
            "/\r\nLocation: https://evil.example",
            "https://evil.example/",
            "https:evil.example",
            "javascript:alert(1)",
            "/\u{ff0f}evil.example",
            "/\0",
            "/ ",
            &format!("/{}", "x".repeat(512)),
        ] {
            assert_eq!(own_path(next), "/task/", "{next:?}");
        }
    }
}
