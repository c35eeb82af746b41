//! [`Exchange::adopt`]: continues a session of another library.

use tokio::time::Instant;

use super::cookie;
use super::exchange::{Exchange, Facts, Shared};
use super::failure::Failure;
use super::outcome::Outcome;
use crate::backend::BackendError;
use crate::error::Error;
use crate::session::change::Change;
use crate::session::id::SessionId;
use crate::session::proof::Proof;
use crate::store::{Loaded, RequestStore, Wish};
use crate::timeout::until;

/// A session that another library keeps, and whose cookie the request has.
pub(crate) trait OldSession {
    fn proof(&self) -> &Proof;

    /// Returns the fields, or `None` if the session ended or is unreadable.
    async fn load(&self) -> Result<Option<Change>, Error>;

    async fn delete(&self) -> Result<(), Error>;
}

impl Exchange {
    /// Continues an old session as one of this store, and deletes the old one if it can. If the request has a session already,
    /// the old one just ends, because the browser could not use both.
    ///
    /// # Errors
    ///
    /// Returns [`Failure`] if either store is unavailable. The handler must not be called then.
    pub(crate) async fn adopt(&mut self, old: &impl OldSession) -> Result<(), Failure> {
        let store = self.shared.store.request_with(self.time_left);
        let result = self.adopt_with(&store, old).await;
        self.time_left = store.time_left();
        result.map_err(Failure::of_load)
    }

    async fn adopt_with(&mut self, store: &RequestStore, old: &impl OldSession) -> Result<(), Error> {
        let proof = old.proof();
        let id = match store.adopted(proof).await? {
            Some(id) => id,
            None if self.session().is_some() => store.adopt(proof, None).await?,
            None => {
                let Some(fields) = in_time(store, old.load()).await? else {
                    return Ok(());
                };
                match store.adopt(proof, Some(fields)).await {
                    Ok(id) => id,
                    Err(error @ (Error::TooLarge { .. } | Error::Unwritable(_))) => {
                        tracing::error!(%error, "failed to adopt an old session, so its user has to sign in again");
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        // the claim keeps it from moving again
        if let Err(error) = in_time(store, old.delete()).await {
            tracing::warn!(%error, "failed to delete an old session that moved: it expires by itself");
        }
        let reading = self.facts.reading();
        store.open_beside(&mut self.opened, id.clone(), reading).await?;
        self.adopted.push(id);
        // the response gives it one, and a log-out removes it
        self.has_cookie = true;
        Ok(())
    }

    /// Returns the name of the session cookie.
    pub(crate) fn cookie_name(&self) -> &str {
        &self.shared.cookie.name
    }

    /// Removes the cookie of the old session by this `Set-Cookie`, once the browser does not need it any more.
    pub(crate) fn replace_cookie(&mut self, removal: String) {
        self.removal = Some(removal);
    }

    pub(super) fn has_adopted(&self) -> bool {
        !self.adopted.is_empty() || self.removal.is_some()
    }

    /// Finishes a request that has an old cookie. The response holds the new one, and removes the old one.
    pub(super) async fn finish_adopted(
        mut self,
        wish: Wish,
        change: Change,
        user_agent: Option<&[u8]>,
    ) -> Result<Outcome, Failure> {
        let removal = self.removal.take();
        let is_live = !matches!(self.opened.loaded, Loaded::Missing);
        let id = self.opened.id.clone().filter(|id| is_live && self.adopted.contains(id));
        let (shared, facts, deadline) = (self.shared.clone(), self.facts, Instant::now() + self.time_left);
        let mut outcome = self.finish_own(wish, change, user_agent).await?;
        let Some(id) = id else {
            outcome.removal = removal;
            return Ok(outcome);
        };
        if outcome.set_cookie.is_none() {
            outcome.set_cookie = shared.issue_if_valid(&id, facts, deadline).await;
        }
        // without the new id, the browser needs the old cookie
        outcome.removal = removal.filter(|_| outcome.set_cookie.is_some());
        Ok(outcome)
    }
}

impl Shared {
    /// Returns the cookie with the id of an adopted session, unless another request at the same time renewed or ended the
    /// session, and gave the browser a newer cookie.
    async fn issue_if_valid(&self, id: &SessionId, facts: Facts, deadline: Instant) -> Option<String> {
        let time_left = deadline.saturating_duration_since(Instant::now());
        let store = self.store.request_with(time_left);
        let Ok(Loaded::Session(session)) = store.load_without_extending(id).await else {
            return None;
        };
        let lifetime = store.lifetime_left(&session);
        Some(cookie::issue(&self.cookie, self.is_secure(facts), id, lifetime))
    }
}

/// Waits for the old store, at most by the request's deadline.
async fn in_time<T>(store: &RequestStore, old: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = || BackendError::unavailable("the old store did not reply in time");
    let reply = until(Instant::now() + store.time_left(), old).await;
    reply.unwrap_or_else(|| Err(Error::Unavailable(late())))
}
