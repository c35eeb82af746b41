//! [`sign_in`]: signs a user in.

use actix_session::{Session, SessionStatus};
use serde::Serialize;

use crate::error::Error;
use crate::session::remember::Remember;
use crate::store::current_session::CurrentSession;

/// Signs a user in. Call it after the password is verified, for example. It renews the session, and sets the field that
/// `SESSION_PRINCIPAL_FIELD` names (`userid` by default) to `user`, a text or an integer.
///
/// The user stays signed in if `remember` says so. Other fields of the session stay. The response has the new id. To sign the user
/// out, call [`Session::purge`].
///
/// # Errors
///
/// Returns [`Error::NoMiddleware`] if no session middleware wraps the handler, [`Error::Unwritable`] if `user` is neither a
/// non-empty text nor an integer of at most 53 bits, and [`Error::Ended`] after [`Session::purge`]. Nothing was changed then.
///
/// # Examples
///
/// ```
/// use actix_web::{App, web};
/// use serde::Deserialize;
/// use shared_session::actix::sign_in;
/// use shared_session::{CurrentSession, Error, Remember, Session, SessionManager, Settings};
///
/// #[derive(Deserialize)]
/// struct Login {
///     user: String,
///     password: String,
///     /// The box "Stay signed in": a browser sends it if it is checked.
///     remember: Option<String>,
/// }
///
/// async fn log_in(
///     session: Session,
///     current: CurrentSession,
///     form: web::Form<Login>,
/// ) -> Result<&'static str, Error> {
///     if !is_correct(&form.user, &form.password) {
///         return Ok("wrong password");
///     }
///     sign_in(&session, &current, &form.user, Remember::from(form.remember.is_some()))?;
///     Ok("signed in")
/// }
/// # fn is_correct(_: &str, _: &str) -> bool { true }
///
/// let sessions = SessionManager::new(&Settings::default())?;
/// let app = App::new()
///     .wrap(sessions.middleware())
///     .route("/login", web::post().to(log_in));
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
pub fn sign_in(
    session: &Session,
    current: &CurrentSession,
    user: impl Serialize,
    remember: Remember,
) -> Result<(), Error> {
    if session.status() == SessionStatus::Purged {
        return Err(Error::Ended);
    }
    let field = current.announce_sign_in(&user, remember)?;
    session.renew();
    session
        .insert(field, user)
        .map_err(|error| Error::unwritable(field, error))
}
