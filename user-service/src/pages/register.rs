//! `/user/register`: creates an account, signs its user in, and redirects to the page that they came for.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, Responder};
use askama::Template;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::Failure;
use service_kit::site::navigation::{LOGIN, Link, REGISTER, SESSION};
use service_kit::site::{Done, FormField, Layout, User, flash};
use shared_session::{CurrentSession, Remember, Session};

use super::login::{own_path, start};
use super::{PREFIX, PageResult, State, page, page_with_status, redirect, refused};
use crate::account::{self, UserId};
use crate::authentication::NewUser;
use crate::password;
use crate::token::Token;

/// The message beside an ID that cannot be registered.
const TAKEN: &str = "This user ID is taken. Choose another one. If you have just registered it, sign in below.";

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage {
    layout: Layout,
    id: FormField,
    name: FormField,
    password: FormField,
    next: String,
    /// Tells a form that is sent twice from two forms.
    token: Token,
}

impl RegisterPage {
    fn new(
        session: &Session,
        next: &str,
        id: FormField,
        name: FormField,
        password: FormField,
    ) -> Result<Self, Failure> {
        Ok(Self {
            token: Token::generate()?,
            layout: Layout::new(session, PREFIX, REGISTER),
            id,
            name,
            password,
            next: own_path(next).to_owned(),
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RegisterForm {
    id: String,
    name: String,
    password: SecretString,
    next: String,
    token: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RegisterQuery {
    next: String,
}

pub(super) async fn show(session: Session, Query(query): Query<RegisterQuery>) -> impl Responder {
    if User::of(&session).is_some() {
        return redirect(SESSION);
    }
    let empty = FormField::default();
    page(RegisterPage::new(
        &session,
        &query.next,
        empty.clone(),
        empty.clone(),
        empty,
    )?)
}

pub(super) async fn submit(
    state: Data<State>,
    request: HttpRequest,
    session: Session,
    current_session: CurrentSession,
    Form(form): Form<RegisterForm>,
) -> impl Responder {
    if User::of(&session).is_some() {
        return redirect(SESSION);
    }
    register(&state, &request, &session, &current_session, &form).await
}

async fn register(
    state: &State,
    request: &HttpRequest,
    session: &Session,
    current_session: &CurrentSession,
    form: &RegisterForm,
) -> PageResult<RegisterPage> {
    let (id, name) = (UserId::parse(&form.id), account::parse_name(&form.name));
    let password = password::check(&form.password, &form.id, &form.name);
    let (id_field, name_field) = (FormField::new(&form.id), FormField::new(&form.name));
    let reject = |status, id, password| {
        let name = name_field.clone().checked(&name);
        page_with_status(status, RegisterPage::new(session, &form.next, id, name, password)?)
    };
    let (Ok(id), Ok(name), Ok(())) = (&id, &name, &password) else {
        let (id, password) = (id_field.checked(&id), FormField::default().checked(&password));
        return reject(StatusCode::UNPROCESSABLE_ENTITY, id, password);
    };
    let user = NewUser {
        id: id.clone(),
        name: name.clone(),
        password: form.password.clone(),
        token: Token::parse(&form.token),
    };
    let registered = match state.authenticator.check_new(&form.password, id.as_str(), name).await {
        Ok(()) => state.authenticator.register(user).await,
        Err(error) => Err(error),
    };
    match registered {
        Ok(Some(account)) => {
            let done = Done {
                title: "Your account was created",
                message: "You are not signed in yet, because sessions cannot be stored at the moment. Please sign in shortly.",
                link: Link {
                    path: format!("{LOGIN}?id={}", account.user_id.as_str()).into(),
                    text: "Sign in",
                },
            };
            done.note(request);
            flash::put(session, &format!("Welcome, {name}."))?;
            let remember = Remember::No;
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
        Ok(None) => reject(StatusCode::CONFLICT, id_field.with_error(TAKEN), FormField::default()),
        Err(error) => refused(error, TAKEN, |password| {
            RegisterPage::new(session, &form.next, id_field, name_field.clone(), password)
        }),
    }
}
