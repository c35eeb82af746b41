//! The signed-in user, as the session names them to every service. Only user-service signs users in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::{Resource, web};
use shared_session::{CurrentSession, Remember, Session, SessionManager, Settings, SettingsError};

use super::session_text;
use crate::failure::Failure;
use crate::server::csrf;
use crate::service::PRINCIPAL_FIELD;

const ID: &str = "userid";
const NAME: &str = "username";
/// When the user last entered the password, in seconds since the Unix epoch. OpenID Connect has a claim of this name.
const AUTH_TIME: &str = "auth_time";

/// How long a user who entered the password need not enter it again.
const RECENT: Duration = Duration::from_secs(5 * 60);

/// Checks that the library reads the principal from the field that is written here. Otherwise it would not find a
/// user's sessions, and a changed password would sign out no device.
pub(crate) fn check_settings(settings: &Settings) -> Result<(), SettingsError> {
    if settings.principal_field() == PRINCIPAL_FIELD {
        return Ok(());
    }
    Err(SettingsError::new(
        "SESSION_PRINCIPAL_FIELD",
        format!("these services write {PRINCIPAL_FIELD}"),
    ))
}

/// Returns the resource that tells a proxy who is signed in, for programs without a library. Browsers do not reach it through the
/// proxy, because its address is outside the paths of the services.
pub(crate) fn forward_auth(sessions: &SessionManager) -> Resource {
    let auth = sessions.forward_auth().field(NAME, "x-session-name");
    let resource = web::resource(["/auth", "/auth/{path:.*}"]);
    resource.name(csrf::FORWARD_AUTH).to(auth)
}

/// A user who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id of the account: the principal of the session, and in the keys of what the services keep for the user. No two
    /// registrations have the same one.
    pub account: String,
    /// The id that the user signs in with. After the deletion of the account, somebody else can register it.
    pub id: String,
    /// The name that pages show.
    pub name: String,
}

impl User {
    /// Returns the user who signed in to the session, if any. The lecture's user has no account.
    #[must_use]
    pub fn of(session: &Session) -> Option<Self> {
        let account = session.get::<String>(PRINCIPAL_FIELD).ok().flatten()?;
        (!account.is_empty()).then(|| Self {
            account,
            id: session_text::field(session, ID),
            name: session_text::field(session, NAME),
        })
    }

    /// Signs the user in. Renews the session, so that an id that an attacker planted in the browser becomes worthless,
    /// and removes the fields of another user who was signed in. The user stays signed in if `remember` says so.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Internal`] if the session rejects a value.
    pub fn sign_in(&self, session: &Session, current: &CurrentSession, remember: Remember) -> Result<(), Failure> {
        if Self::of(session).is_some_and(|other| other.account != self.account) {
            session.clear();
        }
        let signed_in = shared_session::actix::sign_in(session, current, &self.account, remember);
        signed_in.map_err(|error| Failure::Internal(error.to_string()))?;
        Self::authenticate(session)?;
        for (field, value) in [(ID, &self.id), (NAME, &self.name)] {
            session
                .insert(field, value)
                .map_err(|error| Failure::Internal(error.to_string()))?;
        }
        Ok(())
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
