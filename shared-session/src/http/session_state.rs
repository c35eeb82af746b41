//! The only file that knows how `actix_session::Session` represents its entries: as JSON text.

use actix_session::Session;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::session::change::Change;
use crate::session::fields::Fields;
use crate::store::{Loaded, LoadedSession};

/// Copies the loaded fields into the `Session` that handlers extract.
///
/// # Errors
///
/// Returns [`Error::Unreadable`] if a value is not valid JSON.
pub(super) fn fill(session: &Session, loaded: &LoadedSession) -> Result<(), Error> {
    for (name, value) in loaded.fields().visible() {
        let value: Result<&RawValue, _> = serde_json::from_str(value);
        value
            .map_err(|error| error.to_string())
            .and_then(|value| session.insert(name, value).map_err(|error| error.to_string()))
            .map_err(|reason| loaded.unreadable(reason))?;
    }
    Ok(())
}

/// Returns what the handler changed: the difference between the loaded fields and the session's entries.
pub(super) fn change(loaded: &Loaded, session: &Session) -> Change {
    let empty = Fields::new();
    let before = match loaded {
        Loaded::Session(loaded) => loaded.fields(),
        Loaded::Missing | Loaded::Superseded(_) => &empty,
    };
    Change::between(before, &session.entries())
}

/// Returns whether the loaded fields were taken out of the session, as `actix_session::SessionMiddleware` does.
/// `Session::clear` and `Session::purge` leave an empty map that keeps its memory.
pub(super) fn is_emptied(session: &Session, loaded: &Loaded) -> bool {
    let had_fields = matches!(loaded, Loaded::Session(loaded) if !loaded.fields().visible().is_empty());
    had_fields && session.entries().capacity() == 0
}

/// The text of a field as [`fill`] left it in the session, by its address. A handler that sets the field puts a new text
/// in its place, also if the value is the same.
#[derive(Clone, Copy, Default)]
pub(super) struct FilledField(Option<usize>);

impl FilledField {
    /// Returns the field of a session that was filled, if it has the field.
    pub fn of(session: &Session, name: &str) -> Self {
        Self(session.entries().get(name).map(|text| text.as_ptr().addr()))
    }

    /// Returns the field's value if the session had the field and the handler set it.
    pub fn value_if_set_again(self, session: &Session, name: &str) -> Option<String> {
        let entries = session.entries();
        let text = entries.get(name)?;
        let address = self.0?;
        (text.as_ptr().addr() != address).then(|| text.clone())
    }
}
