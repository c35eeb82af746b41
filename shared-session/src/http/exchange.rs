//! [`Exchange`]: what happens to the session before the handler.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::cookie;
use super::failure::Failure;
use super::misuse::Misuse;
use crate::error::Error;
use crate::session::change::{Change, JsonValue};
use crate::session::id::SessionId;
use crate::settings::CookieRules;
use crate::store::asked::Asked;
use crate::store::current_session::CurrentSession;
use crate::store::{Loaded, LoadedSession, Opened, Reading, Store, Wish};

/// What the requests of one manager share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub store: Store,
    pub cookie: CookieRules,
    pub misuse: Misuse,
}

/// What a door says about a request, beside its cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether the method is safe (RFC 9110, section 9.2.1). With another method, the response relies on the session even if
    /// the request did not change it, so replicas must have it.
    pub is_safe: bool,
    /// Whether the browser used https: see [`is_https`](super::is_https).
    pub is_https: bool,
    /// Whether the request extends the idle timeout of its session, as requests usually do.
    pub extends_idle_timeout: bool,
}

impl Facts {
    /// Returns how the request reads its session. Only a safe request may see a session that was read before. Other requests, such as
    /// a change of the password, rely on the session.
    pub(super) fn reading(self) -> Reading {
        match self {
            Self {
                extends_idle_timeout: false,
                ..
            } => Reading::WithoutExtending,
            Self { is_safe: true, .. } => Reading::Remembered,
            Self { is_safe: false, .. } => Reading::Now,
        }
    }
}

/// A request and its session, from the request's arrival to its response.
///
/// [`SessionManager::begin`](crate::SessionManager::begin) returns it. Dropping it instead of finishing it stores nothing.
#[derive(Debug)]
pub struct Exchange {
    pub(super) shared: Arc<Shared>,
    pub(super) opened: Opened,
    /// Whether the request has a session cookie, even an invalid one.
    pub(super) has_cookie: bool,
    /// How long the request may still wait for the store. The handler's own time does not count.
    pub(super) time_left: Duration,
    pub(super) facts: Facts,
    pub(super) asked: Asked,
    /// The ids of sessions of another library that this request continues.
    pub(super) adopted: Vec<SessionId>,
    /// The `Set-Cookie` that removes their cookie.
    pub(super) removal: Option<String>,
}

impl Exchange {
    /// Loads the session of a request whose `Cookie` headers have these values.
    pub(crate) async fn begin<'a>(
        shared: Arc<Shared>,
        cookies: impl Iterator<Item = &'a [u8]>,
        facts: Facts,
    ) -> Result<Self, Failure> {
        let (has_cookie, ids) = shared.received(cookies);
        let store = shared.store.request();
        let mut opened = Opened::default();
        if !ids.is_empty() {
            // requests without a session should not have room for this
            let opening = Box::pin(store.open(ids, facts.reading()));
            opened = opening.await.map_err(Failure::of_load)?;
        }
        if opened.is_ambiguous() {
            shared.misuse.warn_about_several_cookies(&shared.cookie.name);
        }
        Ok(Self {
            opened,
            has_cookie,
            time_left: store.time_left(),
            facts,
            asked: Asked::nothing(&shared.store),
            adopted: Vec::new(),
            removal: None,
            shared,
        })
    }

    /// Refuses a session that ended, if the request `had_session` when it loaded it before.
    pub(crate) fn again(self, had_session: bool) -> Result<Self, Failure> {
        match self.session() {
            None if had_session => Err(Failure::of_load(Error::Ended)),
            _ => Ok(self),
        }
    }

    /// Returns the names and values of the session's fields, the values as JSON text. If a name occurs more than once, its
    /// last value counts. Without a session there are none.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let fields = self.session().map(|session| session.fields().visible_entries());
        fields.into_iter().flatten().map(|field| (&*field.name, &*field.value))
    }

    /// Returns whether the request has a session cookie, even an invalid one.
    #[must_use]
    pub fn has_cookie(&self) -> bool {
        self.has_cookie
    }

    /// Returns the session that the request came with, for handlers that list and end a user's sessions, ask to be remembered, or
    /// do something once the session is stored.
    #[must_use]
    pub fn current(&self) -> CurrentSession {
        let current = |session| {
            self.shared
                .store
                .current_session(session, self.facts.extends_idle_timeout)
        };
        let current = self.session().map(current).unwrap_or_default();
        current.with_asked(&self.asked)
    }

    /// Returns the id of the user who is signed in: the value of the principal field, if it names a user.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.shared.store.user(self.session()?)
    }

    /// Returns the name of the field that holds the user's id (`SESSION_PRINCIPAL_FIELD`).
    #[must_use]
    pub fn principal_field(&self) -> &str {
        self.shared.store.principal_field()
    }

    /// Returns the change that leads from the session's fields to the entries that the handler left behind. `names` is how
    /// many distinct names [`fields`](Self::fields) had.
    #[must_use]
    pub fn change_to<V: JsonValue>(&self, entries: &HashMap<String, V>, names: usize) -> Change {
        match self.session() {
            Some(session) if self.fields().count() > names => Change::between(session.fields(), entries),
            _ => Change::between_distinct(self.fields(), entries),
        }
    }

    /// Returns the change of a handler that set these fields to JSON text, and removed those without one. To set a field to
    /// the value that it had changes nothing, unless the handler wishes another session, or renews this one and sets the
    /// principal: then the user signs in again.
    #[must_use]
    pub fn change_of(&self, wish: Wish, changed: impl IntoIterator<Item = (String, Option<String>)>) -> Change {
        let before: HashMap<&str, &str> = match wish {
            Wish::Destroy => HashMap::new(),
            Wish::Keep | Wish::Renew => self.fields().collect(),
        };
        let signs_in = |name: &str| wish == Wish::Renew && name == self.principal_field();
        let add = |change: Change, (name, text): (String, Option<String>)| match (text, before.get(&*name)) {
            (Some(text), Some(before)) if text == *before && !signs_in(&name) => change,
            (Some(text), _) => change.with_field(&name, &text),
            (None, Some(_)) => change.without_field(&name),
            (None, None) => change,
        };
        changed.into_iter().fold(Change::default(), add)
    }

    /// Returns the failure of a request whose session holds a value that is not valid JSON.
    #[must_use]
    pub fn unreadable(&self, reason: impl ToString) -> Failure {
        match self.session() {
            Some(session) => Failure::of_load(session.unreadable(reason.to_string())),
            None => Failure::of_load(Error::Ended),
        }
    }

    pub(super) fn session(&self) -> Option<&LoadedSession> {
        match &self.opened.loaded {
            Loaded::Session(session) => Some(session),
            Loaded::Missing | Loaded::Expired(_) | Loaded::Superseded(_) => None,
        }
    }
}

impl Shared {
    /// Returns whether there is a session cookie, and the distinct ids in the session cookies.
    fn received<'a>(&self, headers: impl Iterator<Item = &'a [u8]>) -> (bool, Vec<SessionId>) {
        let (mut has_cookie, mut ids) = (false, Vec::new());
        for value in cookie::values(headers, &self.cookie.name) {
            has_cookie = true;
            ids.extend(self.store.parse_id(value));
        }
        if ids.len() > 1 {
            let mut seen = HashSet::new();
            ids.retain(|id| seen.insert(id.clone()));
        }
        (has_cookie, ids)
    }
}
