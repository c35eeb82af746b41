//! `/user/reset`: sets a new password by a link that works once. An operator makes it for a user who forgot the old one.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use askama::Template;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::Failure;
use service_kit::site::navigation::RESET;
use service_kit::site::{FormField, Layout};

use super::{PREFIX, PageResult, State, account_failure, page, page_with_status, refused};
use crate::account::Account;
use crate::password;
use crate::token::Token;

#[derive(Template)]
#[template(path = "reset.html")]
pub(super) struct ResetPage {
    layout: Layout,
    /// The user ID, unless the link does not work.
    id: Option<String>,
    token: String,
    new: FormField,
    is_done: bool,
}

impl ResetPage {
    /// Returns the page without the session, whose user may be another one.
    fn new(account: Option<&Account>, token: &str, new: FormField) -> Self {
        Self {
            layout: Layout {
                path: RESET,
                ..Layout::without_session(PREFIX)
            },
            id: account.map(|account| account.user_id.as_str().to_owned()),
            token: token.to_owned(),
            new,
            is_done: false,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ResetQuery {
    token: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ResetForm {
    token: String,
    new: SecretString,
}

pub(super) async fn show(state: Data<State>, Query(query): Query<ResetQuery>) -> PageResult<ResetPage> {
    match find(&state, &query.token).await? {
        Some((account, _)) => page(ResetPage::new(Some(&account), &query.token, FormField::default())),
        None => unknown_link(),
    }
}

pub(super) async fn submit(state: Data<State>, Form(form): Form<ResetForm>) -> PageResult<ResetPage> {
    let Some((account, token)) = find(&state, &form.token).await? else {
        return unknown_link();
    };
    let with = |new| ResetPage::new(Some(&account), &form.token, new);
    let id = account.user_id.as_str();
    if let Err(error) = password::check(&form.new, id, &account.name) {
        let new = FormField::default().with_error(error);
        return page_with_status(StatusCode::UNPROCESSABLE_ENTITY, with(new));
    }
    let set = match state.authenticator.check_new(&form.new, id, &account.name).await {
        Ok(()) => state.resets.finish(token, &form.new).await,
        Err(error) => Err(error),
    };
    match set {
        Ok(Ok(true)) => page(ResetPage {
            is_done: true,
            ..with(FormField::default())
        }),
        Ok(Ok(false)) => unknown_link(),
        Ok(Err(error)) => Err(account_failure(error)),
        Err(error) => refused(error, "", |new| Ok(with(new))),
    }
}

/// Returns the account whose password a link can set.
async fn find(state: &State, token: &str) -> Result<Option<(Account, Token)>, Failure> {
    let Some(token) = Token::parse(token) else {
        return Ok(None);
    };
    let account = state.resets.find(&token).await?;
    Ok(account.map(|account| (account, token)))
}

fn unknown_link() -> PageResult<ResetPage> {
    page_with_status(StatusCode::NOT_FOUND, ResetPage::new(None, "", FormField::default()))
}
