//! [`sign_in`]: signs a user in.

use serde::Serialize;
use tower_sessions_core::Session;

use crate::error::Error;
use crate::session::remember::Remember;
use crate::store::current_session::CurrentSession;

/// Signs a user in. Call it after the password is verified, for example. It renews the session, and sets the field that
/// `SESSION_PRINCIPAL_FIELD` names (`userid` by default) to `user`, a text or an integer.
///
/// The user stays signed in if `remember` says so. Other fields of the session stay. The response has the new id. To sign the user
/// out, call [`Session::flush`].
///
/// # Errors
///
/// Returns [`Error::NoMiddleware`] if no session layer wraps the handler, and [`Error::Unwritable`] if `user` is neither a
/// non-empty text nor an integer of at most 53 bits. Nothing was changed then.
///
/// # Examples
///
/// ```
/// use axum::{Json, Router, routing::post};
/// use serde::Deserialize;
/// use shared_session::tower::{Session, sign_in};
/// use shared_session::{CurrentSession, Error, Remember, SessionManager, Settings};
///
/// #[derive(Deserialize)]
/// struct Login {
///     user: String,
///     password: String,
///     /// The box "Stay signed in".
///     remember: bool,
/// }
///
/// async fn log_in(
///     session: Session,
///     current: CurrentSession,
///     Json(login): Json<Login>,
/// ) -> Result<&'static str, Error> {
///     if !is_correct(&login.user, &login.password) {
///         return Ok("wrong password");
///     }
///     sign_in(&session, &current, &login.user, Remember::from(login.remember)).await?;
///     Ok("signed in")
/// }
/// # fn is_correct(_: &str, _: &str) -> bool { true }
///
/// let sessions = SessionManager::new(&Settings::default())?;
/// let app: Router = Router::new().route("/login", post(log_in)).layer(sessions.layer());
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
pub async fn sign_in(
    session: &Session,
    current: &CurrentSession,
    user: impl Serialize,
    remember: Remember,
) -> Result<(), Error> {
    let field = current.announce_sign_in(&user, remember)?;
    let signed_in = async {
        session.cycle_id().await?;
        session.insert(field, user).await
    };
    signed_in.await.map_err(|error| Error::unwritable(field, error))
}
