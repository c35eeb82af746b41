//! `/user/delete`: deletes the user's account.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, Responder};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service_kit::site::navigation::{DELETE, Link, REGISTER};
use service_kit::site::{Done, FormField, Layout, User};
use shared_session::{CurrentSession, Session};

use super::{
    NOT_YOURS, PREFIX, PageResult, State, account_failure, page, page_with_status, redirect_to_login, refused,
};
use crate::authentication::Claim;

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage {
    layout: Layout,
    /// Tells a password manager which account the password belongs to.
    id: String,
    password: FormField,
    is_done: bool,
}

impl DeletePage {
    fn new(session: &Session, user: &User, password: FormField) -> Self {
        Self {
            layout: Layout::new(session, PREFIX, DELETE),
            id: user.id.clone(),
            password,
            is_done: false,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct DeleteForm {
    password: SecretString,
}

pub(super) async fn show(session: Session) -> impl Responder {
    match User::of(&session) {
        None => redirect_to_login(DELETE),
        Some(user) => page(DeletePage::new(&session, &user, FormField::default())),
    }
}

pub(super) async fn submit(
    state: Data<State>,
    request: HttpRequest,
    session: Session,
    current_session: CurrentSession,
    Form(form): Form<DeleteForm>,
) -> PageResult<impl Template> {
    let Some(user) = User::of(&session) else {
        return redirect_to_login(DELETE);
    };
    let delete_page = |password| DeletePage::new(&session, &user, password);
    if form.password.expose_secret().is_empty() {
        let password = FormField::default().with_error("Enter your password.");
        return page_with_status(StatusCode::UNPROCESSABLE_ENTITY, delete_page(password));
    }
    let claim = Claim::Session(user.clone(), current_session.handle());
    let account = match state.authenticator.authenticate(claim, &form.password).await {
        Ok(account) => account,
        Err(error) => return refused(error, NOT_YOURS, |password| Ok(delete_page(password))),
    };
    state.deletion.delete(account).await.map_err(account_failure)?;
    let done = Done {
        title: "Your account was deleted",
        message: "Your tasks were deleted with it, and you are signed out on every device.",
        link: Link {
            path: REGISTER.into(),
            text: "Register again",
        },
    };
    done.note(&request);
    session.purge();
    page(DeletePage {
        layout: Layout {
            path: DELETE,
            ..Layout::without_session(PREFIX)
        },
        id: String::new(),
        password: FormField::default(),
        is_done: true,
    })
}
