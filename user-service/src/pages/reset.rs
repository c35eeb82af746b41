//! `/user/reset`: sets a new password by a link that works once. An operator makes it for a user who forgot the old one.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use askama::Template;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::Failure;
use service_kit::site::navigation::RESET;
use service_kit::site::{FormField, Layout};

use super::{BUSY, PREFIX, PageResult, State, account_failure, page, page_with_status};
use crate::account::Account;
use crate::hasher::HashError;
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
    let reject = |status, error: &str| {
        let new = FormField::default().with_error(error);
        page_with_status(status, ResetPage::new(Some(&account), &form.token, new))
    };
    let id = account.user_id.as_str();
    if let Err(error) = password::check(&form.new, id, &account.name) {
        return reject(StatusCode::UNPROCESSABLE_ENTITY, &error);
    }
    let set = match state.authenticator.is_common(&form.new, id, &account.name).await {
        Ok(true) => return reject(StatusCode::UNPROCESSABLE_ENTITY, password::TOO_COMMON),
        Ok(false) => {
            state
                .resets
                .finish(token, &form.new, state.authenticator.hasher())
                .await
        }
        Err(error) => Err(error),
    };
    match set {
        Ok(set) => match set.map_err(account_failure)? {
            Some(account) => page(ResetPage {
                is_done: true,
                ..ResetPage::new(Some(&account), "", FormField::default())
            }),
            None => unknown_link(),
        },
        Err(HashError::Busy) => reject(StatusCode::SERVICE_UNAVAILABLE, BUSY),
        Err(HashError::Failure(failure)) => Err(failure),
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
