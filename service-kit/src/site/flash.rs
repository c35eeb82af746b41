//! A message for the user's next page, in whichever service. It waits in the session.

use shared_session::Session;

use crate::failure::Failure;

const FIELD: &str = "flash";

/// Leaves a message. It replaces one that is waiting.
///
/// # Errors
///
/// Returns [`Failure::Internal`] if the session rejects the message.
pub fn put(session: &Session, message: &str) -> Result<(), Failure> {
    let put = session.insert(FIELD, message);
    put.map_err(|error| Failure::Internal(error.to_string()))
}

/// Removes the message and returns it, if there is one.
pub(crate) fn take(session: &Session) -> Option<String> {
    // most requests find none, and must not change the session
    let message = session.get(FIELD).ok().flatten()?;
    session.remove(FIELD);
    Some(message)
}
