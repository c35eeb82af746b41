//! The only file that knows how `actix_session::Session` represents its entries: as JSON text.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_session::Session;
use serde_json::value::RawValue;

use crate::http::{Change, Exchange, Failure};

/// What the middleware put into a session before the handler was called.
#[derive(Clone, Copy)]
pub(super) struct Filled {
    /// How many distinct names the fields have.
    names: usize,
    /// The address of the principal field's text. It changes if a handler sets the field, even to the same value.
    principal: Option<usize>,
}

/// Copies the fields into the `Session` that handlers extract.
///
/// # Errors
///
/// Returns [`Failure`] if a value is not valid JSON.
pub(super) fn fill(session: &Session, exchange: &Exchange) -> Result<Filled, Failure> {
    let had = session.entries().len();
    for (name, json) in exchange.fields() {
        let value: Result<&RawValue, _> = serde_json::from_str(json);
        value
            .map_err(|error| error.to_string())
            .and_then(|value| session.insert(name, value).map_err(|error| error.to_string()))
            .map_err(|reason| exchange.unreadable(reason))?;
    }
    let entries = session.entries();
    Ok(Filled {
        names: entries.len() - had,
        principal: address(entries.get(exchange.principal_field())),
    })
}

impl Filled {
    /// Returns what the handler changed. If it renews the session and sets the principal to the same value, the user signs in
    /// again.
    pub fn change(self, exchange: &Exchange, session: &Session, renews: bool) -> Change {
        let entries = session.entries();
        let change = exchange.change_to(&entries, self.names);
        let principal = exchange.principal_field();
        match entries.get(principal) {
            Some(text) if renews && self.principal.is_some() && self.principal != address(Some(text)) => {
                change.with_field(principal, text)
            }
            _ => change,
        }
    }

    /// Returns whether another middleware took the fields out of the session, as `actix_session::SessionMiddleware` does, and
    /// logs it once. `Session::clear` leaves an empty map that keeps its memory.
    pub fn is_emptied(self, session: &Session) -> bool {
        static IS_LOGGED: AtomicBool = AtomicBool::new(false);
        let is_emptied = self.names > 0 && session.entries().capacity() == 0;
        if is_emptied && !IS_LOGGED.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "another session middleware took the session's fields, so no change is stored: remove \
                 actix_session::SessionMiddleware from the application"
            );
        }
        is_emptied
    }
}

fn address(text: Option<&String>) -> Option<usize> {
    text.map(|text| text.as_ptr().addr())
}
