//! [`CurrentSession`]: the session that a request came with, as the registry and pages about it need it.

use std::future::pending;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::Serialize;

use super::asked::Asked;
use super::{LoadedSession, Store};
use crate::error::Error;
use crate::session::handle::Handle;
use crate::session::principal::user_id;
use crate::session::remember::Remember;
use crate::session::storage_key::StorageKey;

/// The session that a request came with, for [`Registry`](crate::Registry) and for a page about the session. Empty if the
/// request came without a session. A session that the request itself begins is not in it.
///
/// If no middleware wraps the handler, the response is 500 and the log says so. `Session` alone does not notice that.
///
/// It shows what the store held when the request came, but no id.
///
/// # Examples
///
/// ```
/// use actix_web::web::Data;
/// use shared_session::{CurrentSession, Registry};
///
/// /// Returns the devices of a user, and marks the one that sent the request.
/// async fn devices(current: CurrentSession, registry: Data<Registry>) -> Result<String, shared_session::Error> {
///     let page = registry.list("anna", &current, 0, 20).await?;
///     let lines = page.sessions.iter().map(|session| {
///         let mark = if session.current { '*' } else { ' ' };
///         format!("{mark} {}\n", session.device.as_deref().unwrap_or("unknown"))
///     });
///     Ok(lines.collect())
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CurrentSession {
    snapshot: Option<Snapshot>,
    /// Missing unless a request made this value.
    asked: Option<Asked>,
}

/// The session as it was loaded.
#[derive(Clone, Debug)]
struct Snapshot {
    key: StorageKey,
    record: Bytes,
    created: Option<Duration>,
    idle_end: Option<Duration>,
    lifetime_end: Option<Duration>,
    is_remembered: bool,
}

impl CurrentSession {
    /// Returns the session without the times at which it ends.
    pub(crate) fn of(session: &LoadedSession) -> Self {
        let snapshot = Some(Snapshot {
            key: session.key().clone(),
            record: session.bytes().clone(),
            created: session.created(),
            idle_end: None,
            lifetime_end: None,
            is_remembered: session.is_remembered(),
        });
        Self { snapshot, asked: None }
    }

    /// Lets a request ask for more than the change of its session's fields.
    pub(crate) fn with_asked(mut self, asked: &Asked) -> Self {
        self.asked = Some(asked.clone());
        self
    }

    /// Runs `then` once the session is stored as the handler left it, and before the response is sent. If the client hangs up,
    /// `then` still runs. It gets the handle of the session, or `None` if the session was ended. If it fails, the handler's
    /// response is replaced by that of the error.
    ///
    /// `then` does not run if the session cannot be stored, or if the request neither changes, renews nor ends it, or if this
    /// value is not one that the middleware made. Several run in their order, until one fails.
    ///
    /// # Examples
    ///
    /// A sign-in that looks at the account again. If the account was deleted before the session was stored, the deletion did
    /// not find the session:
    ///
    /// ```
    /// use actix_web::web::Data;
    /// use shared_session::actix::sign_in;
    /// use shared_session::{CurrentSession, Error, Registry, Remember, Session};
    ///
    /// # async fn exists(_: &str) -> bool { true }
    /// async fn log_in(
    ///     session: Session,
    ///     current: CurrentSession,
    ///     registry: Data<Registry>,
    /// ) -> Result<&'static str, Error> {
    ///     sign_in(&session, &current, "anna", Remember::No)?;
    ///     current.once_stored(async move |handle| match handle {
    ///         Some(handle) if !exists("anna").await => {
    ///             registry.revoke("anna", &handle).await?;
    ///             Err(Error::Ended)
    ///         }
    ///         _ => Ok(()),
    ///     });
    ///     Ok("signed in")
    /// }
    /// ```
    pub fn once_stored<F>(&self, then: impl FnOnce(Option<Handle>) -> F + Send + 'static)
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        if let Some(asked) = &self.asked {
            asked.add(then);
        }
    }

    /// Says whether the user whom this request signs in stays signed in. The function `sign_in` of each door does so, too; this
    /// method is for sign-ins by another library, such as axum-login. It has an effect if the request begins a session, or if it
    /// signs the user in and renews the session.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NoMiddleware`] if no session middleware wraps the handler.
    ///
    /// # Examples
    ///
    /// ```
    /// use shared_session::{CurrentSession, Error, Remember};
    ///
    /// /// Signs in the user `anna`. The library knows no box "Stay signed in".
    /// fn sign_in_by(library: impl FnOnce(&str), current: &CurrentSession, is_checked: bool) -> Result<(), Error> {
    ///     current.remember(Remember::from(is_checked))?;
    ///     library("anna");
    ///     Ok(())
    /// }
    /// ```
    pub fn remember(&self, remember: Remember) -> Result<(), Error> {
        self.asked()?.remember(remember);
        Ok(())
    }

    /// For the function `sign_in` of a door: notes that the handler signs in `user`, and returns the name of the field to set to
    /// it in the renewed session. With this note, a user who is signed in already signs in again, even if the door cannot see
    /// that the field was set.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NoMiddleware`] if no session middleware wraps the handler, and [`Error::Unwritable`] if the value names no
    /// user.
    pub fn announce_sign_in(&self, user: &impl Serialize, remember: Remember) -> Result<&str, Error> {
        let asked = self.asked()?;
        let json = serde_json::to_string(user).unwrap_or_default();
        if user_id(&json).is_none() {
            let reason = "a user is named by a text that is not empty, or by an integer of at most 53 bits";
            return Err(Error::unwritable(asked.principal_field(), reason));
        }
        asked.sign_in(remember);
        Ok(asked.principal_field())
    }

    /// Returns whether the session is live now, and holds what this request read. Costs one command. Without a session, returns
    /// `true`.
    ///
    /// It is for handlers of safe methods (RFC 9110, section 9.2.1) that must not rely on a session that ended a moment ago. With
    /// [`SESSION_CACHE`](crate::Settings::with_cache) such a request may have read what the process remembers; requests with other
    /// methods never do.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is unavailable.
    pub async fn is_up_to_date(&self) -> Result<bool, Error> {
        match self.asked.as_ref().zip(self.snapshot.as_ref()) {
            Some((asked, session)) => {
                let found = asked.store().request().peek(&session.key).await?;
                Ok(found.is_some_and(|(record, _)| record == session.record))
            }
            None => Ok(true),
        }
    }

    /// Returns a future that completes when the session has ended: it was destroyed, revoked or expired, its user was removed, or
    /// another user signed in. In a format of PHP, a renewal completes it, too. Without a session, it never completes.
    ///
    /// It is for long responses, such as a WebSocket or an event stream, which would go on as the old user. It does not extend the
    /// idle timeout. With [`SESSION_CACHE`](crate::Settings::with_cache), Redis tells of the end at once; otherwise the future asks
    /// every 5 s. While the store is unavailable, it waits, because nobody is signed out then.
    ///
    /// # Examples
    ///
    /// An event stream that closes itself:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use actix_web::HttpResponse;
    /// use actix_web::web::Bytes;
    /// use futures_util::StreamExt;
    /// use futures_util::stream::unfold;
    /// use shared_session::CurrentSession;
    ///
    /// async fn events(current: CurrentSession) -> HttpResponse {
    ///     let events = unfold((), |()| async {
    ///         actix_web::rt::time::sleep(Duration::from_secs(1)).await;
    ///         Some((Ok::<_, actix_web::Error>(Bytes::from("data: still signed in\n\n")), ()))
    ///     });
    ///     let events = events.take_until(Box::pin(current.ended())).boxed_local();
    ///     HttpResponse::Ok().content_type("text/event-stream").streaming(events)
    /// }
    /// ```
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let session = self.asked.as_ref().zip(self.snapshot.as_ref());
        let session = session.map(|(asked, session)| (asked.store(), session.key.clone(), session.record.clone()));
        async move {
            match session {
                Some((store, key, record)) => store.ended(&key, record).await,
                None => pending().await,
            }
        }
    }

    fn asked(&self) -> Result<&Asked, Error> {
        self.asked.as_ref().ok_or(Error::NoMiddleware)
    }

    /// Returns whether the user of the session stays signed in: see [`Remember`].
    #[must_use]
    pub fn remembered(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|session| session.is_remembered)
    }

    /// Returns the session's handle, as [`SessionInfo::handle`](crate::SessionInfo::handle) shows it.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        self.snapshot.as_ref().map(|session| Handle::of(&session.key))
    }

    /// Returns when the session was created, or `None` if another program began it and did not say.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        self.time(|session| session.created)
    }

    /// Returns when the session ends if it is not used again (`SESSION_TTL` or `SESSION_REMEMBER_TTL`), or `None` if this request
    /// did not extend its idle timeout. With `SESSION_CACHE`, it ends up to a twentieth of that time earlier.
    #[must_use]
    pub fn idle_end(&self) -> Option<SystemTime> {
        self.time(|session| session.idle_end)
    }

    /// Returns when the session ends in any case (`SESSION_LIFETIME` or `SESSION_REMEMBER_LIFETIME`), or `None` if another program
    /// began it and did not say when. A sign-in begins the lifetime anew.
    #[must_use]
    pub fn lifetime_end(&self) -> Option<SystemTime> {
        self.time(|session| session.lifetime_end)
    }

    /// Returns the size of the session's record in bytes.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        self.snapshot.as_ref().map(|session| session.record.len())
    }

    /// Returns whether `session` is the current session.
    pub(crate) fn is(&self, session: &LoadedSession) -> bool {
        self.snapshot
            .as_ref()
            .is_some_and(|current| current.key == *session.key())
    }

    fn time(&self, of: impl FnOnce(&Snapshot) -> Option<Duration>) -> Option<SystemTime> {
        let since_epoch = self.snapshot.as_ref().and_then(of)?;
        SystemTime::UNIX_EPOCH.checked_add(since_epoch)
    }
}

impl Store {
    /// Returns the current session of a request that loaded it. `extended` says whether the load extended its idle timeout.
    pub(crate) fn current_session(&self, session: &LoadedSession, extended: bool) -> CurrentSession {
        let mut current = CurrentSession::of(session);
        if let Some(snapshot) = &mut current.snapshot {
            let lifetime_end = self.lifetime_end(session);
            let idle_end = self.now() + self.idle_time(session.is_remembered());
            snapshot.idle_end = extended.then(|| lifetime_end.map_or(idle_end, |end| idle_end.min(end)));
            snapshot.lifetime_end = lifetime_end;
        }
        current
    }
}
