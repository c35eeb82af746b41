//! The only file that knows how `actix_session::Session` represents its entries: as JSON text.

use actix_session::Session;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::session::change::Change;
use crate::session::fields::Fields;
use crate::store::{Loaded, LoadedSession};

/// What the middleware put into a session before the handler was called.
#[derive(Clone, Copy, Default)]
pub(super) struct Filled {
    /// Whether the names of the fields are known to be distinct.
    is_distinct: bool,
    /// The text of the principal field, by its address. A handler that sets the field puts a new text in its place, also if
    /// the value is the same.
    principal: Option<usize>,
}

/// Copies the loaded fields into the `Session` that handlers extract.
///
/// # Errors
///
/// Returns [`Error::Unreadable`] if a value is not valid JSON.
pub(super) fn fill(session: &Session, loaded: &LoadedSession, principal_field: &str) -> Result<Filled, Error> {
    let had = session.entries().len();
    let mut count = 0;
    for field in loaded.fields().visible_entries() {
        count += 1;
        let value: Result<&RawValue, _> = serde_json::from_str(&field.value);
        value
            .map_err(|error| error.to_string())
            .and_then(|value| session.insert(&*field.name, value).map_err(|error| error.to_string()))
            .map_err(|reason| loaded.unreadable(reason))?;
    }
    let entries = session.entries();
    Ok(Filled {
        is_distinct: entries.len() == had + count,
        principal: entries.get(principal_field).map(|text| text.as_ptr().addr()),
    })
}

impl Filled {
    /// Returns what the handler changed: the difference between the loaded fields and the session's entries.
    pub fn change(self, loaded: &Loaded, session: &Session) -> Change {
        let empty = Fields::new();
        let before = match loaded {
            Loaded::Session(loaded) => loaded.fields(),
            Loaded::Missing | Loaded::Expired(_) | Loaded::Superseded(_) => &empty,
        };
        if self.is_distinct {
            let before = before.visible_entries().map(|field| (&*field.name, &*field.value));
            Change::between_distinct(before, &session.entries())
        } else {
            Change::between(before, &session.entries())
        }
    }

    /// Returns the principal field's value if the session had the field and the handler set it.
    pub fn principal_if_set_again(self, session: &Session, principal_field: &str) -> Option<String> {
        let entries = session.entries();
        let text = entries.get(principal_field)?;
        let address = self.principal?;
        (text.as_ptr().addr() != address).then(|| text.clone())
    }
}

/// Returns whether the loaded fields were taken out of the session, as `actix_session::SessionMiddleware` does.
/// `Session::clear` and `Session::purge` leave an empty map that keeps its memory.
pub(super) fn is_emptied(session: &Session, loaded: &Loaded) -> bool {
    let had_fields = matches!(loaded, Loaded::Session(loaded) if loaded.fields().visible_entries().next().is_some());
    had_fields && session.entries().capacity() == 0
}
