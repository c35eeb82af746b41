//! A message for the visitor's next page, whichever service shows it: it waits in the session.

use shared_session::Session;

use crate::failure::Failure;

const FIELD: &str = "flash";

/// Leaves a message. A second one takes the place of the first.
///
/// # Errors
///
/// When the session does not take it.
pub fn put(session: &Session, message: &str) -> Result<(), Failure> {
    let put = session.insert(FIELD, message);
    put.map_err(|error| Failure::Broken(error.to_string()))
}

/// Takes the message, if there is one: it is shown once.
pub(crate) fn take(session: &Session) -> Option<String> {
    // absent on most visits, which then change nothing
    let message = session.get(FIELD).ok().flatten()?;
    session.remove(FIELD);
    Some(message)
}
