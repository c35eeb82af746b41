//! `/user/login`: who has an account signs in, and goes on to where they were going.

use actix_web::Responder;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use askama::Template;
use serde::Deserialize;
use service_kit::site::{FormField, Layout, User, flash};
use shared_session::Session;

use super::{Answer, BUSY, INDEX, LOGIN, PREFIX, Parts, led, shown, with_status};
use crate::hasher::HashError;

/// Where who was going nowhere else is led: what they have an account for.
const HOME: &str = "/task/";
const LONGEST_NEXT: usize = 512;

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    layout: Layout,
    id: FormField,
    password: FormField,
    next: String,
}

impl Login {
    fn new(session: &Session, next: &str, id: FormField, password: FormField) -> Self {
        Self {
            layout: Layout::new(session, PREFIX, LOGIN),
            id,
            password,
            next: own_path(next).to_owned(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    next: String,
}

/// What was typed; what is missing is empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    id: String,
    password: String,
    next: String,
}

pub(super) async fn show(session: Session, Query(asked): Query<Asked>) -> impl Responder {
    if User::of(&session).is_some() {
        let next = if asked.next.is_empty() {
            INDEX
        } else {
            own_path(&asked.next)
        };
        return led(next);
    }
    shown(Login::new(
        &session,
        &asked.next,
        FormField::default(),
        FormField::default(),
    ))
}

pub(super) async fn submit(parts: Data<Parts>, session: Session, Form(typed): Form<Typed>) -> impl Responder {
    sign_in(&parts, &session, &typed).await
}

async fn sign_in(parts: &Parts, session: &Session, typed: &Typed) -> Answer<Login> {
    let refused = |status, password| {
        let id = FormField::new(&typed.id).checked(&filled(typed.id.trim(), "Enter your id."));
        with_status(status, Login::new(session, &typed.next, id, password))
    };
    let password = filled(&typed.password, "Enter your password.");
    if typed.id.trim().is_empty() || password.is_err() {
        let password = FormField::default().checked(&password);
        return refused(StatusCode::UNPROCESSABLE_ENTITY, password);
    }
    match parts.people.authenticate(&typed.id, &typed.password).await {
        Ok(Some(account)) => {
            let user = User {
                id: account.id.as_str().to_owned(),
                name: account.name,
            };
            user.sign_in(session)?;
            flash::put(session, &format!("Hello, {}.", user.name))?;
            led(own_path(&typed.next))
        }
        Ok(None) => {
            let password = FormField::default().with_error("The id or the password is wrong.");
            refused(StatusCode::UNAUTHORIZED, password)
        }
        Err(HashError::Busy) => {
            let password = FormField::default().with_error(BUSY);
            refused(StatusCode::SERVICE_UNAVAILABLE, password)
        }
        Err(HashError::Failure(failure)) => Err(failure),
    }
}

fn filled(typed: &str, otherwise: &str) -> Result<(), String> {
    if typed.is_empty() {
        Err(otherwise.to_owned())
    } else {
        Ok(())
    }
}

/// Where to go on, if that is a path of this site, or else home. `//host` and `/\host` are addresses of other sites (WHATWG
/// URL, section 4.4), and so are those that a browser makes of them by leaving out tabs and line ends.
fn own_path(next: &str) -> &str {
    let mut bytes = next.bytes();
    let own = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic()) && next.len() <= LONGEST_NEXT;
    if own && plain { next } else { HOME }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_led_to_another_site() {
        let own = "/task/?from=20&x=%2F%2Fevil.example#y";
        assert_eq!(own_path(own), own);
        assert_eq!(own_path("/"), "/");
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
