//! The promises, as they must hold at the end of a run.

use super::Request;
use super::requests::{Response, Stores, USER, field};
use crate::session::id::SessionId;
use crate::store::current_session::CurrentSession;
use crate::store::registry::Registry;
use crate::store::{CookieAction, Loaded, LoadedSession};

/// A run whose requests all have a response.
pub(super) struct Finished<'a> {
    /// The id that the requests came with.
    pub id: SessionId,
    /// The responses, each with the request's number.
    pub responses: Vec<Response>,
    pub stores: &'a Stores,
}

/// Returns the first promise that does not hold.
pub(super) async fn check(run: &Finished<'_>) -> Result<(), String> {
    let record = run.record().await;
    run.ended_sessions_stay_ended(record.as_ref())?;
    run.stored_changes_are_there(record.as_ref())?;
    run.ids_are_dead_or_alive(record.as_ref()).await?;
    run.only_a_sign_in_changes_the_user(record.as_ref())?;
    run.no_session_begins_beside_a_live_one(record.is_some())?;
    run.live_sessions_are_listed(record.as_ref()).await
}

impl Finished<'_> {
    /// Returns the session under the selector that the requests came with, whatever its verifier is now.
    async fn record(&self) -> Option<LoadedSession> {
        let store = self.stores.free().request();
        match store.load(&self.id).await {
            Ok(Loaded::Session(session) | Loaded::Superseded(session)) => Some(*session),
            Ok(Loaded::Missing) => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn any(&self, matches: impl Fn(&Response) -> bool) -> bool {
        self.responses.iter().any(matches)
    }

    /// Promise 2.
    fn ended_sessions_stay_ended(&self, record: Option<&LoadedSession>) -> Result<(), String> {
        let Some(record) = record else { return Ok(()) };
        if self.any(|response| response.request == Request::LogOut && response.result.is_ok()) {
            return Err("a session is alive after its log-out".to_owned());
        }
        let revoked = self.any(|response| response.request == Request::Revoke && response.result.is_ok());
        // a sign-in that failed may have made it another user's for a moment
        let signed_in = self.any(|response| response.request == Request::SignIn);
        if revoked && !signed_in && user(record) == Some(USER) {
            return Err("a session is alive after it was revoked".to_owned());
        }
        Ok(())
    }

    /// Promises 1 and 3.
    fn stored_changes_are_there(&self, record: Option<&LoadedSession>) -> Result<(), String> {
        let Some(record) = record else { return Ok(()) };
        for response in &self.responses {
            let changes = matches!(response.request, Request::Change | Request::Renew | Request::SignIn);
            if changes && response.result.is_ok() && record.fields().get(&field(response.number)).is_none() {
                return Err(format!("the change of request {} is lost", response.number));
            }
        }
        Ok(())
    }

    /// Promise 3.
    async fn ids_are_dead_or_alive(&self, record: Option<&LoadedSession>) -> Result<(), String> {
        if record.is_none() {
            return Ok(());
        }
        let issued: Vec<&SessionId> = self.issued().collect();
        let store = self.stores.free().request();
        for (id, expected) in issued
            .iter()
            .map(|id| (*id, true))
            .chain([(&self.id, issued.is_empty())])
        {
            let alive = matches!(store.load(id).await, Ok(Loaded::Session(_)));
            if alive != expected {
                return Err(match (id == &self.id, alive) {
                    (true, true) => "the old id is alive after a renewal",
                    (true, false) => "the old id is dead after a renewal that failed",
                    (false, _) => "an id that was given out is dead",
                }
                .to_owned());
            }
        }
        Ok(())
    }

    fn only_a_sign_in_changes_the_user(&self, record: Option<&LoadedSession>) -> Result<(), String> {
        let Some(record) = record else { return Ok(()) };
        let signed_in = self
            .responses
            .iter()
            .find(|response| response.request == Request::SignIn && response.result.is_ok());
        let expected = signed_in.map_or(USER.to_owned(), |response| format!("user{}", response.number));
        let found = user(record);
        if found != Some(expected.as_str()) {
            return Err(format!("the session is that of {found:?}, not of {expected}"));
        }
        Ok(())
    }

    /// Promise 4, and the rule about superseded ids.
    fn no_session_begins_beside_a_live_one(&self, alive: bool) -> Result<(), String> {
        let selector = |id: &SessionId| id.expose()[..20].to_owned();
        let begun = self.cookies().any(|id| selector(id) != selector(&self.id));
        if begun && alive {
            return Err("a request began a new session while its own was alive".to_owned());
        }
        Ok(())
    }

    async fn live_sessions_are_listed(&self, record: Option<&LoadedSession>) -> Result<(), String> {
        let Some(record) = record else { return Ok(()) };
        let Some(user) = user(record) else { return Ok(()) };
        let registry = Registry::new(self.stores.free());
        let page = registry.list(user, &CurrentSession::of(record), 0, 10).await;
        if page.is_ok_and(|page| page.sessions.iter().any(|session| session.current)) {
            return Ok(());
        }
        Err(format!("a session of {user} is not in the index"))
    }

    /// Returns the ids of this session that were given out.
    fn issued(&self) -> impl Iterator<Item = &SessionId> {
        let own = self.id.expose()[..20].to_owned();
        self.cookies().filter(move |id| id.expose().starts_with(&own))
    }

    fn cookies(&self) -> impl Iterator<Item = &SessionId> {
        self.responses.iter().filter_map(|response| match &response.result {
            Ok(CookieAction::Issue(id, _)) => Some(id.id()),
            _ => None,
        })
    }
}

fn user(session: &LoadedSession) -> Option<&str> {
    session.fields().get("userid").map(|value| value.trim_matches('"'))
}
