//! `/user/register`: creates an account.

use actix_web::Responder;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use askama::Template;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::audit;
use service_kit::site::navigation::{LOGIN, REGISTER, SESSION};
use service_kit::site::{FormField, Layout, User, flash};
use shared_session::Session;

use super::{BUSY, PREFIX, PageResult, State, page, page_with_status, redirect};
use crate::account::{self, AccountId};
use crate::hasher::HashError;
use crate::password;

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage {
    layout: Layout,
    id: FormField,
    name: FormField,
    password: FormField,
}

impl RegisterPage {
    fn new(session: &Session, id: FormField, name: FormField, password: FormField) -> Self {
        Self {
            layout: Layout::new(session, PREFIX, REGISTER),
            id,
            name,
            password,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RegisterForm {
    id: String,
    name: String,
    password: SecretString,
}

pub(super) async fn show(session: Session) -> impl Responder {
    if User::of(&session).is_some() {
        return redirect(SESSION);
    }
    let empty = FormField::default();
    page(RegisterPage::new(&session, empty.clone(), empty.clone(), empty))
}

pub(super) async fn submit(state: Data<State>, session: Session, Form(form): Form<RegisterForm>) -> impl Responder {
    if User::of(&session).is_some() {
        return redirect(SESSION);
    }
    register(&state, &session, &form).await
}

async fn register(state: &State, session: &Session, form: &RegisterForm) -> PageResult<RegisterPage> {
    let (id, name) = (AccountId::parse(&form.id), account::parse_name(&form.name));
    let password = password::check(&form.password, &form.id, &form.name);
    let (id_field, name_field) = (FormField::new(&form.id), FormField::new(&form.name));
    let reject = |status, id, password| {
        let name = name_field.clone().checked(&name);
        page_with_status(status, RegisterPage::new(session, id, name, password))
    };
    let (Ok(id), Ok(name), Ok(())) = (&id, &name, &password) else {
        let (id, password) = (id_field.checked(&id), FormField::default().checked(&password));
        return reject(StatusCode::UNPROCESSABLE_ENTITY, id, password);
    };
    let registered = state
        .authenticator
        .register(id.clone(), name.clone(), &form.password)
        .await;
    match registered {
        Ok(true) => {
            audit::event("account registered").user(id.as_str()).log();
            flash::put(session, &format!("Welcome, {name}. Sign in to continue."))?;
            redirect(LOGIN)
        }
        Ok(false) => {
            let id = id_field.with_error("This user ID is taken. Choose another one.");
            reject(StatusCode::CONFLICT, id, FormField::default())
        }
        Err(HashError::Busy) => {
            let password = FormField::default().with_error(BUSY);
            reject(StatusCode::SERVICE_UNAVAILABLE, id_field, password)
        }
        Err(HashError::Failure(failure)) => Err(failure),
    }
}
