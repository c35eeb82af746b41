//! The signed-in user, as the session names them to every service. Only user-service signs users in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shared_session::{Session, Settings, SettingsError};

use super::{lecture, session_text};
use crate::failure::Failure;

/// The principal field: the default of `SESSION_PRINCIPAL_FIELD`.
const ID: &str = "userid";
const NAME: &str = "username";
/// When the user last entered the password, in seconds since the Unix epoch. OpenID Connect has a claim of this name.
const AUTH_TIME: &str = "auth_time";

/// How long a user who entered the password need not enter it again.
const RECENT: Duration = Duration::from_secs(5 * 60);

/// Checks that the library reads the principal from the field that is written here. Otherwise it would not find a
/// user's sessions, and a changed password would sign out no device.
pub(crate) fn check_settings(settings: &Settings) -> Result<(), SettingsError> {
    if settings.principal_field() == ID {
        return Ok(());
    }
    Err(SettingsError::new(
        "SESSION_PRINCIPAL_FIELD",
        format!("these services write {ID}"),
    ))
}

/// A user who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id that the user signs in with, and the principal of the session.
    pub id: String,
    /// The name that pages show.
    pub name: String,
}

impl User {
    /// Returns the user who signed in to the session, if any. The lecture's user did not sign in.
    #[must_use]
    pub fn of(session: &Session) -> Option<Self> {
        let id = session.get::<String>(ID).ok().flatten()?;
        (!id.is_empty() && id != lecture::USER_ID).then(|| Self {
            id,
            name: session_text::field(session, NAME),
        })
    }

    /// Signs the user in. Renews the session, so that an id that an attacker planted in the browser becomes worthless,
    /// and removes the fields of another user who was signed in.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Internal`] if the session rejects a value.
    pub fn sign_in(&self, session: &Session) -> Result<(), Failure> {
        if Self::of(session).is_some_and(|other| other.id != self.id) {
            session.clear();
        }
        Self::authenticate(session)?;
        session
            .insert(ID, &self.id)
            .and_then(|()| session.insert(NAME, &self.name))
            .map_err(|error| Failure::Internal(error.to_string()))
    }

    /// Renews the session and notes that its user has just entered the password.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Internal`] if the session rejects a value.
    pub fn authenticate(session: &Session) -> Result<(), Failure> {
        session.renew();
        let inserted = session.insert(AUTH_TIME, now().as_secs());
        inserted.map_err(|error| Failure::Internal(error.to_string()))
    }

    /// Returns when the user of the session last entered the password, if the session says so.
    #[must_use]
    pub fn authenticated(session: &Session) -> Option<SystemTime> {
        let seconds = session.get::<u64>(AUTH_TIME).ok().flatten()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    /// Returns whether the user of the session entered the password in the last five minutes.
    #[must_use]
    pub fn authenticated_recently(session: &Session) -> bool {
        // the clocks of two machines differ a little
        let seconds = session.get::<u64>(AUTH_TIME).ok().flatten();
        seconds.is_some_and(|seconds| now().as_secs().abs_diff(seconds) <= RECENT.as_secs())
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
