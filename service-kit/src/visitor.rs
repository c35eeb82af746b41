//! Who is signed in, as the session says it to every service: user-service writes it, all of them read it.

use shared_session::{Session, Settings, SettingsError};

use crate::failure::Failure;
use crate::field;

/// The field that tells whose session it is: the default of `SESSION_PRINCIPAL_FIELD`.
const ID: &str = "userid";
const NAME: &str = "username";

/// Whom the lecture's page makes of every visitor, without asking for a password. Nobody signs in under this id, and
/// who has it is signed in as nobody.
pub const LECTURE_ID: &str = "kky";

/// Whether the library looks for whose session it is where it is written here. Otherwise nobody's devices would be
/// found, and a change of password would sign none of them out.
pub(crate) fn check(settings: &Settings) -> Result<(), SettingsError> {
    if settings.principal_field() == ID {
        return Ok(());
    }
    Err(SettingsError::new(
        "SESSION_PRINCIPAL_FIELD",
        format!("these services write {ID}"),
    ))
}

/// Somebody who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The id that they sign in with. What belongs to them is found by it.
    pub id: String,
    /// What they want to be called.
    pub name: String,
}

impl Visitor {
    /// Whom the session belongs to, if they signed in.
    #[must_use]
    pub fn of(session: &Session) -> Option<Self> {
        let id = session.get::<String>(ID).ok().flatten()?;
        (!id.is_empty() && id != LECTURE_ID).then(|| Self {
            id,
            name: field::text(session, NAME),
        })
    }

    /// Makes the session theirs. It gets a new id, so that one which somebody else planted in the browser before is
    /// worth nothing; and what it held of another person who was signed in is gone.
    ///
    /// # Errors
    ///
    /// When the session does not take it.
    pub fn sign_in(&self, session: &Session) -> Result<(), Failure> {
        session.renew();
        if Self::of(session).is_some_and(|other| other.id != self.id) {
            session.clear();
        }
        session
            .insert(ID, &self.id)
            .and_then(|()| session.insert(NAME, &self.name))
            .map_err(|error| Failure::Broken(error.to_string()))
    }
}
