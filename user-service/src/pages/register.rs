//! `/user/register`: a new account.

use actix_web::Responder;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use askama::Template;
use serde::Deserialize;
use service_kit::site::{FormField, Layout, User, flash};
use shared_session::Session;

use super::{Answer, BUSY, INDEX, LOGIN, PREFIX, Parts, REGISTER, led, shown, with_status};
use crate::account::{self, AccountId};
use crate::hasher::HashError;
use crate::password;

#[derive(Template)]
#[template(path = "register.html")]
struct Register {
    layout: Layout,
    id: FormField,
    name: FormField,
    password: FormField,
}

impl Register {
    fn new(session: &Session, id: FormField, name: FormField, password: FormField) -> Self {
        Self {
            layout: Layout::new(session, PREFIX, REGISTER),
            id,
            name,
            password,
        }
    }
}

/// What was typed; what is missing is empty.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Typed {
    id: String,
    name: String,
    password: String,
}

pub(super) async fn show(session: Session) -> impl Responder {
    if User::of(&session).is_some() {
        return led(INDEX);
    }
    let empty = FormField::default();
    shown(Register::new(&session, empty.clone(), empty.clone(), empty))
}

pub(super) async fn submit(parts: Data<Parts>, session: Session, Form(typed): Form<Typed>) -> impl Responder {
    if User::of(&session).is_some() {
        return led(INDEX);
    }
    register(&parts, &session, &typed).await
}

async fn register(parts: &Parts, session: &Session, typed: &Typed) -> Answer<Register> {
    let (id, name) = (AccountId::parse(&typed.id), account::name(&typed.name));
    let password = password::check(&typed.password, &typed.id, &typed.name);
    let (id_field, name_field) = (FormField::new(&typed.id), FormField::new(&typed.name));
    let refused = |status, id, password| {
        let name = name_field.clone().checked(&name);
        with_status(status, Register::new(session, id, name, password))
    };
    let (Ok(id), Ok(name), Ok(())) = (&id, &name, &password) else {
        let (id, password) = (id_field.checked(&id), FormField::default().checked(&password));
        return refused(StatusCode::UNPROCESSABLE_ENTITY, id, password);
    };
    match parts.people.register(id.clone(), name.clone(), &typed.password).await {
        Ok(true) => {
            flash::put(session, &format!("You are registered, {name}. Sign in to go on."))?;
            led(LOGIN)
        }
        Ok(false) => {
            let id = id_field.with_error("This id is taken. Choose another one.");
            refused(StatusCode::CONFLICT, id, FormField::default())
        }
        Err(HashError::Busy) => {
            let password = FormField::default().with_error(BUSY);
            refused(StatusCode::SERVICE_UNAVAILABLE, id_field, password)
        }
        Err(HashError::Failure(failure)) => Err(failure),
    }
}
