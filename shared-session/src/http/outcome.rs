//! [`Exchange::finish`] stores the session after the handler. Its [`Outcome`] has the headers of the response.

use std::borrow::Cow;

use super::cookie;
use super::exchange::{Exchange, Facts, Shared};
use super::failure::Failure;
use crate::error::Error;
use crate::session::change::Change;
use crate::settings::{CookieLifetime, Secure};
use crate::store::{CookieAction, Loaded, NewId, Wish};

/// What the response of a finished request says about the session.
///
/// Dropping it instead of taking its [headers](Self::headers) undoes a renewal, because the browser did not get the new id.
#[derive(Debug, Default)]
#[must_use]
pub struct Outcome {
    pub(super) set_cookie: Option<String>,
    /// The `Set-Cookie` that removes the cookie of another library.
    pub(super) removal: Option<String>,
    /// The id in that cookie, if the browser does not have it yet.
    new_id: Option<NewId>,
}

/// The name and the value of a header. `set-cookie` is added to a response. Any other header replaces those of its name.
pub type Header = (&'static str, Cow<'static, str>);

impl Exchange {
    /// Stores what the handler changed, and renews or ends the session if the handler wishes so. `user_agent` is the request's
    /// `User-Agent`, by which users tell their devices apart. What was begun ends even if this future is dropped.
    ///
    /// # Errors
    ///
    /// Returns [`Failure`] if the change could not be stored. The handler's response must not be sent then.
    pub async fn finish(self, wish: Wish, change: Change, user_agent: Option<&[u8]>) -> Result<Outcome, Failure> {
        if self.has_adopted() {
            // rare, and takes room
            return Box::pin(self.finish_adopted(wish, change, user_agent)).await;
        }
        self.finish_own(wish, change, user_agent).await
    }

    pub(super) async fn finish_own(
        self,
        wish: Wish,
        change: Change,
        user_agent: Option<&[u8]>,
    ) -> Result<Outcome, Failure> {
        let is_already_done = match (wish, &self.opened.loaded) {
            (Wish::Destroy, Loaded::Missing) => self.opened.others.is_empty(),
            (Wish::Keep, Loaded::Session(_)) => !self.facts.is_safe && change.is_empty(),
            _ => false,
        };
        if wish == Wish::Keep && change.is_empty() && !is_already_done {
            return Ok(Outcome::default());
        }
        let change = self.with_what_was_asked(wish, change);
        self.report_misuse(wish, &change);
        let change = match user_agent {
            Some(user_agent) => change.with_device(&String::from_utf8_lossy(user_agent)),
            None => change,
        };
        // most requests change nothing, and should not have room for this
        let outcome = Box::pin(self.store(wish, change, is_already_done)).await;
        outcome.map_err(Failure::of_store)
    }

    /// Returns the change with what the handler asked for beside its fields.
    fn with_what_was_asked(&self, wish: Wish, mut change: Change) -> Change {
        let field = self.principal_field();
        // the same user signs in again, which some sessions of frameworks do not show
        if wish == Wish::Renew
            && self.asked.signs_in()
            && !change.touches(field)
            && let Some(user) = self.session().and_then(|session| session.fields().get(field))
        {
            change = change.with_field(field, user);
        }
        if self.asked.remembers() && self.shared.store.can_remember() {
            change.remembered()
        } else {
            change
        }
    }

    fn report_misuse(&self, wish: Wish, change: &Change) {
        let Shared { store, misuse, .. } = &*self.shared;
        if store.sets_invalid_user(change) {
            misuse.report_invalid_user(self.principal_field());
        }
        if wish == Wish::Keep
            && self
                .session()
                .is_some_and(|session| store.changes_user(session, change))
        {
            misuse.report_sign_in_without_renewal();
        }
        if self.asked.remembers() && !store.can_remember() {
            misuse.report_not_remembered();
        }
    }

    /// Stores a change. `is_already_done` says whether nothing was left to change. The response
    /// then relies on the record, so replicas must have it.
    async fn store(self, wish: Wish, change: Change, is_already_done: bool) -> Result<Outcome, Error> {
        let store = self.shared.store.request_with(self.time_left);
        if is_already_done {
            store.confirm(&self.opened).await?;
        }
        let id = self.opened.id.clone();
        let rest = if is_already_done {
            Vec::new()
        } else {
            self.asked.take_work()
        };
        let action = store.finish(self.opened, wish, change, rest).await?;
        let (rules, is_secure) = (&self.shared.cookie, self.shared.is_secure(self.facts));
        let (set_cookie, new_id) = match (action, id) {
            (CookieAction::Issue(id, lifetime), _) => {
                (Some(cookie::issue(rules, is_secure, id.id(), lifetime)), Some(id))
            }
            (CookieAction::Extend(lifetime), Some(id))
                if rules.lifetime == CookieLifetime::Session || id.is_remembered() =>
            {
                (Some(cookie::issue(rules, is_secure, &id, lifetime)), None)
            }
            (CookieAction::Remove, _) if self.has_cookie => (Some(cookie::removal(rules, is_secure)), None),
            _ => (None, None),
        };
        Ok(Outcome {
            set_cookie,
            new_id,
            removal: None,
        })
    }
}

impl Shared {
    pub(super) fn is_secure(&self, facts: Facts) -> bool {
        match self.cookie.secure {
            Secure::Always => {
                if !facts.is_https {
                    self.misuse.report_insecure();
                }
                true
            }
            Secure::Never => false,
            Secure::Auto => facts.is_https,
        }
    }
}

impl Outcome {
    /// Returns whether the response sets or removes a session cookie.
    #[must_use]
    pub fn sets_cookie(&self) -> bool {
        self.set_cookie.is_some() || self.removal.is_some()
    }

    /// Returns the headers to add to a response that is sent at once: the cookie, and what caches must know. `present` returns
    /// the values of a header that the response has already.
    pub fn headers<'a, V: Iterator<Item = &'a [u8]>>(self, present: impl Fn(&'static str) -> V) -> [Option<Header>; 4] {
        let vary = vary_by_cookie(present("vary"));
        // a cache must not give the cookie to another user
        let is_shared = self.sets_cookie() && !present("cache-control").any(is_private);
        if let Some(id) = self.new_id {
            let _ = id.delivered();
        }
        [
            vary.map(|value| ("vary", value)),
            is_shared.then_some(("cache-control", Cow::Borrowed("no-store"))),
            self.set_cookie.map(|value| ("set-cookie", Cow::Owned(value))),
            self.removal.map(|value| ("set-cookie", Cow::Owned(value))),
        ]
    }
}

/// Returns the response's `Vary` with `Cookie` added, or `None` if it has that already.
fn vary_by_cookie<'a>(mut present: impl Iterator<Item = &'a [u8]>) -> Option<Cow<'static, str>> {
    let Some(first) = present.next() else {
        return Some(Cow::Borrowed("Cookie"));
    };
    let values: Vec<&str> = [first]
        .into_iter()
        .chain(present)
        .filter_map(|value| str::from_utf8(value).ok())
        .collect();
    let mut names = values.iter().flat_map(|value| value.split(',')).map(str::trim);
    if names.any(|name| name == "*" || name.eq_ignore_ascii_case("cookie")) {
        return None;
    }
    Some(Cow::Owned([values.as_slice(), &["Cookie"]].concat().join(", ")))
}

/// Returns whether a `Cache-Control` keeps shared caches from storing the response.
fn is_private(value: &[u8]) -> bool {
    let mut directives = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    directives.any(|name| name.eq_ignore_ascii_case(b"no-store") || name.eq_ignore_ascii_case(b"private"))
}
