//! The promises, as they must hold at the end of a run.

use std::collections::HashMap;

use shared_session::Error;
use shared_session::internals::{Loaded, LoadedSession, SessionId, Store, current_session, registry};

use super::requests::{Browser, Response, SHARED, USER};
use super::{Placed, Request};

/// A run in which nothing can happen any more.
pub(super) struct Finished<'a> {
    pub requests: &'a [Placed],
    /// The step at which each request began.
    pub began: Vec<Option<usize>>,
    /// The requests that were dropped.
    pub dropped: Vec<usize>,
    /// Whether an operation failed.
    pub failed: bool,
    pub browser: &'a Browser,
    pub store: &'a Store,
}

/// What the run left in the store, and the responses to its requests.
struct End<'a> {
    run: &'a Finished<'a>,
    responses: Vec<Response>,
    /// The sessions that are alive, by selector.
    sessions: HashMap<&'a str, LoadedSession>,
    /// The ids that open one.
    opening: Vec<&'a SessionId>,
}

/// Returns the first promise that does not hold.
pub(super) async fn check(run: &Finished<'_>) -> Result<(), String> {
    let responses = std::mem::take(&mut *run.browser.responses.lock().unwrap());
    let ids: Vec<SessionId> = std::iter::once(&run.browser.id)
        .chain(responses.iter().filter_map(issued))
        .cloned()
        .collect();
    let (mut sessions, mut opening) = (HashMap::new(), Vec::new());
    for id in &ids {
        let session = match run.store.request().load(id).await {
            Ok(Loaded::Session(session)) => {
                opening.push(id);
                session
            }
            Ok(Loaded::Superseded(session)) => session,
            Ok(Loaded::Missing | Loaded::Expired(_)) => continue,
            Err(error) => panic!("{error}"),
        };
        sessions.insert(selector(id), *session);
    }
    let end = End {
        run,
        responses,
        sessions,
        opening,
    };
    end.every_request_is_answered()?;
    end.refusals_have_a_cause()?;
    end.sessions_end_if_they_should()?;
    end.stored_changes_are_there()?;
    for (selector, session) in &end.sessions {
        end.shared_field_is_that_of_a_last_request(selector, session)?;
        end.only_a_sign_in_changes_the_user(selector, session)?;
        end.session_is_listed(session).await?;
    }
    end.one_id_opens_the_session()?;
    end.ids_tell_who_is_remembered()?;
    end.no_session_begins_beside_a_live_one()
}

impl End<'_> {
    fn every_request_is_answered(&self) -> Result<(), String> {
        for (number, (request, _)) in self.run.requests.iter().enumerate() {
            let is_answered = self.responses.iter().any(|response| response.number == number);
            let is_unsent = *request == Request::NextChange && !self.run.browser.has_new_id();
            if !is_answered && !is_unsent && !self.run.dropped.contains(&number) {
                return Err("a request got no response".to_owned());
            }
        }
        Ok(())
    }

    /// Promises 1, 2, 3 and 9: a request fails only if something failed, or if another request ended or renewed its session.
    fn refusals_have_a_cause(&self) -> Result<(), String> {
        for response in &self.responses {
            let has_cause = match &response.result {
                Ok(_) => true,
                Err(Error::Superseded) if response.request.user().is_some() => false,
                Err(Error::Superseded) => response.superseded && !self.id_was_never_renewed(response),
                Err(Error::Ended) => self.run.requests.iter().any(|(request, _)| request.ends()),
                Err(_) => self.run.failed,
            };
            if !has_cause {
                let (request, newest) = (response.request, !response.superseded);
                return Err(match &response.result {
                    Err(Error::Superseded) if newest => {
                        format!("a {request:?} was refused that came with the newest id")
                    }
                    _ => format!("a {request:?} was refused without a cause"),
                });
            }
        }
        Ok(())
    }

    /// Returns whether the id that a request came with opened the session all the time. Only a renewal whose id the browser
    /// did not get may be undone.
    fn id_was_never_renewed(&self, response: &Response) -> bool {
        let mut requests = self.run.requests.iter().enumerate();
        let unknown = requests.any(|(number, (request, _))| request.renews() && self.is_unknown(number));
        !unknown && self.opens(&response.id)
    }

    /// Promise 2: a session is alive unless a request ended it.
    fn sessions_end_if_they_should(&self) -> Result<(), String> {
        let told = |request| self.responses.iter().any(|r| r.request == request && r.result.is_ok());
        let Some(session) = self.original() else {
            let may_end = self.run.requests.iter().any(|(request, _)| request.ends());
            return if may_end {
                Ok(())
            } else {
                Err("a session ended without a cause".to_owned())
            };
        };
        if told(Request::LogOut) {
            return Err("a session is alive after its log-out".to_owned());
        }
        // a sign-in that failed may have made it another user's for a moment
        let signs_in = self.run.requests.iter().any(|(request, _)| request.user().is_some());
        if told(Request::Revoke) && !signs_in && user(session) == Some(USER) {
            return Err("a session is alive after it was revoked".to_owned());
        }
        Ok(())
    }

    /// Promises 1 and 3.
    fn stored_changes_are_there(&self) -> Result<(), String> {
        for response in self.responses.iter().filter(|response| response.result.is_ok()) {
            let selector = target(response);
            let is_original = selector == self.original_selector();
            let Some(session) = self.sessions.get(selector) else {
                if is_original {
                    continue;
                }
                return Err(format!("the session that a {:?} began is gone", response.request));
            };
            let field = response.request.own_field(response.number);
            if field.is_some_and(|field| session.fields().get(&field).is_none()) {
                return Err(format!("the change of a {:?} is lost", response.request));
            }
        }
        Ok(())
    }

    /// Promise 1: for one field, the last request that succeeded wins, or one whose outcome is unknown.
    fn shared_field_is_that_of_a_last_request(&self, selector: &str, session: &LoadedSession) -> Result<(), String> {
        let value = |number: usize| self.run.requests[number].0.shared(number);
        let writers = self.last_of(selector, |response| value(response.number).is_some());
        let unknown = (0..self.run.requests.len()).filter(|number| self.is_unknown(*number));
        let mut expected: Vec<_> = unknown.filter_map(value).collect();
        if writers.is_empty() && selector == self.original_selector() {
            expected.push(SHARED.1.to_owned());
        }
        let known = writers.iter().filter_map(|response| value(response.number));
        expected.extend(known);
        let found = session.fields().get(SHARED.0);
        if expected.is_empty() && found.is_none() || found.is_some_and(|found| expected.iter().any(|v| v == found)) {
            return Ok(());
        }
        let writers: Vec<_> = writers.iter().map(|response| response.request).collect();
        Err(format!("the shared field is not what {writers:?} set"))
    }

    fn only_a_sign_in_changes_the_user(&self, selector: &str, session: &LoadedSession) -> Result<(), String> {
        let sign_ins = self.last_of(selector, |response| response.request.user().is_some());
        let mut expected: Vec<_> = sign_ins.iter().map(|response| response.request.user()).collect();
        if expected.is_empty() {
            expected.push((selector == self.original_selector()).then_some(USER));
        }
        let found = user(session);
        if expected.contains(&found) {
            return Ok(());
        }
        Err(format!("the session is that of {found:?}, not of {expected:?}"))
    }

    async fn session_is_listed(&self, session: &LoadedSession) -> Result<(), String> {
        let Some(user) = user(session) else { return Ok(()) };
        let registry = registry(self.run.store.clone());
        let page = registry.list(user, &current_session(session), 0, 10).await;
        if page.is_ok_and(|page| page.sessions.iter().any(|session| session.current)) {
            return Ok(());
        }
        Err(format!("a session of {user} is not in the index"))
    }

    /// Promise 3: an id that the browser got opens the session, and otherwise the old one does.
    fn one_id_opens_the_session(&self) -> Result<(), String> {
        let mut alive = 0;
        let mut renewed = false;
        for id in self.responses.iter().filter_map(issued) {
            if selector(id) == self.original_selector() {
                renewed = true;
                alive += usize::from(self.opens(id));
            } else if !self.opens(id) {
                return Err("the id of a new session is dead".to_owned());
            }
        }
        let old_is_alive = self.opens(&self.run.browser.id);
        match (self.original().is_some(), renewed, old_is_alive, alive) {
            (false, ..) | (true, false, true, 0) | (true, true, false, 1) => Ok(()),
            (_, true, true, _) => Err("the old id is alive after a renewal".to_owned()),
            (_, false, ..) => Err("the old id is dead after a renewal that gave the browser none".to_owned()),
            (_, true, ..) => Err("no id opens the session that the browser got".to_owned()),
        }
    }

    /// Promise 7: an id tells whether its session is remembered.
    fn ids_tell_who_is_remembered(&self) -> Result<(), String> {
        for id in &self.opening {
            let session = self.sessions.get(selector(id));
            if session.is_some_and(|session| current_session(session).remembered() != id.is_remembered()) {
                return Err("an id and its session differ in whether the user stays signed in".to_owned());
            }
        }
        Ok(())
    }

    /// Promise 4: a sign-in may begin a session of its own, unless the renewed one is the same user's.
    fn no_session_begins_beside_a_live_one(&self) -> Result<(), String> {
        let begins = |response: &&Response| issued(response).is_some_and(|id| selector(id) != self.original_selector());
        let Some(original) = self.original() else { return Ok(()) };
        for response in self.responses.iter().filter(begins) {
            let Some(new_user) = response.request.user() else {
                return Err("a request began a new session while its own was alive".to_owned());
            };
            let began = self.began(response);
            let renewed_before = |other: &Response| other.request.user() == Some(new_user) && other.answered < began;
            let renewed = self.last_of(self.original_selector(), renewed_before);
            if user(original) == Some(new_user) && !renewed.is_empty() {
                return Err("a sign-in began a new session beside one of the same user".to_owned());
            }
        }
        Ok(())
    }

    /// Returns the requests to a session that match and have a response, except those after which another one began.
    fn last_of(&self, selector: &str, matches: impl Fn(&Response) -> bool) -> Vec<&Response> {
        let is_done = |response: &&Response| response.result.is_ok() && target(response) == selector;
        let done: Vec<_> = self.responses.iter().filter(is_done).filter(|r| matches(r)).collect();
        let is_last = |response: &&&Response| !done.iter().any(|later| response.answered < self.began(later));
        done.iter().filter(is_last).copied().collect()
    }

    fn began(&self, response: &Response) -> usize {
        self.run.began[response.number].unwrap_or_default()
    }

    /// Returns whether it is unknown if a request took effect.
    fn is_unknown(&self, number: usize) -> bool {
        let failed = |response: &Response| matches!(response.result, Err(Error::Unavailable(_)));
        let mut responses = self.responses.iter();
        self.run.dropped.contains(&number) || responses.any(|response| response.number == number && failed(response))
    }

    fn opens(&self, id: &SessionId) -> bool {
        self.opening.contains(&id)
    }

    /// Returns the session under the selector that the browser had before the requests.
    fn original(&self) -> Option<&LoadedSession> {
        self.sessions.get(self.original_selector())
    }

    fn original_selector(&self) -> &str {
        selector(&self.run.browser.id)
    }
}

fn issued(response: &Response) -> Option<&SessionId> {
    response.result.as_ref().ok()?.as_ref()
}

/// Returns the selector of the session that the browser has after a request.
fn target(response: &Response) -> &str {
    selector(issued(response).unwrap_or(&response.id))
}

fn selector(id: &SessionId) -> &str {
    &id.expose()[..20]
}

fn user(session: &LoadedSession) -> Option<&str> {
    session.fields().get("userid").map(|value| value.trim_matches('"'))
}
