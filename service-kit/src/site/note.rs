//! A note: a field of the visitor's choice, which a program writes into the session. Its name begins with the id of the program,
//! so it replaces neither a field that means something nor a note of another program.

use actix_web::HttpResponse;
use actix_web::web::Form;
use serde::Deserialize;
use shared_session::Session;

use super::navigation::SESSION;
use super::program::Program;
use super::{see_other, text};
use crate::failure::Failure;

/// The longest name, without the id of the program, and the longest value, in characters. The form on the first page has the same.
const MAX_NAME: usize = 12;
const MAX_VALUE: usize = 40;

/// The most notes that a program keeps in a session.
const MAX_NOTES: usize = 8;

/// The form. A note without a value is removed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NoteForm {
    name: String,
    value: String,
}

/// Writes the note and leads back to the first page.
pub(super) async fn submit(
    program: &'static Program,
    session: Session,
    Form(form): Form<NoteForm>,
) -> Result<HttpResponse, Failure> {
    let (name, value) = (form.name.trim(), form.value.trim());
    check(name, value)?;
    let (prefix, field) = (program.note(""), program.note(name));
    if value.is_empty() {
        session.remove(&field);
        return Ok(see_other(SESSION));
    }
    {
        let entries = session.entries();
        let notes = entries.keys().filter(|name| name.starts_with(&prefix)).count();
        if notes >= MAX_NOTES && !entries.contains_key(&field) {
            return Err(Failure::Invalid(
                "This program keeps at most 8 fields of yours. Send one of them without a value, which removes it.",
            ));
        }
    }
    let inserted = session.insert(field, value);
    inserted.map_err(|error| Failure::Internal(error.to_string()))?;
    Ok(see_other(SESSION))
}

fn check(name: &str, value: &str) -> Result<(), Failure> {
    let is_allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(is_allowed) {
        return Err(Failure::Invalid(
            "A name has 1 to 12 characters: a to z, 0 to 9, - and _.",
        ));
    }
    if value.chars().count() > MAX_VALUE || value.chars().any(text::is_hidden) {
        return Err(Failure::Invalid(
            "A value has at most 40 characters, all of them visible.",
        ));
    }
    Ok(())
}
