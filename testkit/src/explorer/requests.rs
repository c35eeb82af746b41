//! The requests of a run: what each does, and how its response reaches the browser.

use std::sync::Mutex;

use shared_session::internals::{CookieAction, Loaded, Opened, Reading, SessionId, StorageKey, Wish, registry};
use shared_session::{CurrentSession, Error, Format};
use tokio::sync::{Notify, oneshot};

use super::cache::RECALLED;
use super::processes::Process;
use super::{Request, Sabotage};
use crate::contract::set;

/// The user of the session before the requests.
pub(super) const USER: &str = "anna";

/// The field that several requests set, and its value before them.
pub(super) const SHARED: (&str, &str) = ("shared", "0");

impl Request {
    pub(super) fn renews(self) -> bool {
        self.wish() == Wish::Renew
    }

    /// Returns whether it can end a session.
    pub(super) fn ends(self) -> bool {
        matches!(self, Self::LogOut | Self::Revoke)
    }

    /// Returns whether it can change anything.
    pub(super) fn writes(self) -> bool {
        !matches!(self, Self::Read | Self::List)
    }

    /// Returns the user that it signs in.
    pub(super) fn user(self) -> Option<&'static str> {
        match self {
            Self::SignIn => Some("bob"),
            Self::SignInOther => Some("carol"),
            _ => None,
        }
    }

    /// Returns the value to which it sets the shared field.
    pub(super) fn shared(self, number: usize) -> Option<String> {
        match self {
            Self::Change | Self::NextChange => Some(format!("1{number}")),
            Self::Set => Some("1".to_owned()),
            Self::Reset => Some(SHARED.1.to_owned()),
            _ => None,
        }
    }

    /// Returns the field that it alone sets.
    pub(super) fn own_field(self, number: usize) -> Option<String> {
        let has_one = self.renews() || matches!(self, Self::Change | Self::NextChange);
        has_one.then(|| format!("field{number}"))
    }

    fn wish(self) -> Wish {
        match self {
            Self::Renew | Self::SignIn | Self::SignInOther => Wish::Renew,
            Self::LogOut => Wish::Destroy,
            _ => Wish::Keep,
        }
    }
}

/// What a request got.
pub(super) struct Response {
    pub number: usize,
    pub request: Request,
    /// The id that the request came with.
    pub id: SessionId,
    /// Whether that id was superseded when the request loaded the session.
    pub superseded: bool,
    /// The step after which the response was complete.
    pub answered: usize,
    /// The id that the browser got, if any.
    pub result: Result<Option<SessionId>, Error>,
}

/// A response on its way to the browser. The explorer tells it whether it arrives.
pub(super) struct Undelivered {
    pub number: usize,
    pub reaches: oneshot::Sender<bool>,
}

/// The browser that sends the requests.
pub(super) struct Browser {
    /// The id that it has before the requests.
    pub id: SessionId,
    pub responses: Mutex<Vec<Response>>,
    pub undelivered: Mutex<Vec<Undelivered>>,
    /// What happened, in order.
    pub trace: Mutex<Vec<String>>,
    /// The number of steps so far.
    pub step: Mutex<usize>,
    /// The first id that it got from the requests.
    cookie: Mutex<Option<SessionId>>,
    /// Wakes who waits for the cookie, in the order in which they came: every run must repeat.
    has_cookie: Notify,
    /// Whether its requests may read a record as their process remembers it.
    remembered: bool,
    sabotage: Sabotage,
}

impl Browser {
    pub fn new(id: SessionId, remembered: bool, sabotage: Sabotage) -> Self {
        Self {
            id,
            responses: Mutex::default(),
            undelivered: Mutex::default(),
            trace: Mutex::default(),
            step: Mutex::default(),
            cookie: Mutex::default(),
            has_cookie: Notify::new(),
            remembered,
            sabotage,
        }
    }

    /// Returns whether it got a new id, which its next requests carry.
    pub fn has_new_id(&self) -> bool {
        self.cookie.lock().unwrap().is_some()
    }

    /// Sends a request, and keeps its response.
    pub async fn send(&self, process: &Process, request: Request, number: usize) {
        let id = self.id_of(request).await;
        let mut superseded = false;
        let result = match self.respond(process, request, number, &id, &mut superseded).await {
            Ok(action) => Ok(self.deliver(number, action).await),
            Err(error) => Err(error),
        };
        let description = match &result {
            Ok(None) => "Ok".to_owned(),
            Ok(Some(_)) => "Ok, with a new id".to_owned(),
            Err(error) => error.to_string(),
        };
        let line = format!("    response to {request:?} {number}: {description}");
        self.trace.lock().unwrap().push(line);
        self.responses.lock().unwrap().push(Response {
            number,
            request,
            id,
            superseded,
            answered: *self.step.lock().unwrap(),
            result,
        });
    }

    async fn id_of(&self, request: Request) -> SessionId {
        if request != Request::NextChange {
            return self.id.clone();
        }
        loop {
            let has_cookie = self.has_cookie.notified();
            if let Some(id) = self.cookie.lock().unwrap().clone() {
                return id;
            }
            has_cookie.await;
        }
    }

    /// Does what the middleware does for a request, with a handler that returns at once.
    async fn respond(
        &self,
        process: &Process,
        request: Request,
        number: usize,
        id: &SessionId,
        superseded: &mut bool,
    ) -> Result<CookieAction, Error> {
        let store = &process.store;
        let registry = registry(store.clone());
        match request {
            Request::Revoke => return registry.revoke_all(USER).await.map(|_| CookieAction::Keep),
            Request::List => {
                let listed = registry.list(USER, &CurrentSession::default(), 0, 10).await;
                return listed.map(|_| CookieAction::Keep);
            }
            _ => {}
        }
        let mut opened = self.open(process, id).await?;
        *superseded = matches!(opened.loaded, Loaded::Superseded(_));
        opened.loaded = match (std::mem::take(&mut opened.loaded), self.sabotage, request.wish()) {
            (Loaded::Superseded(_), Sabotage::LogOutMissesRenewal, Wish::Destroy)
            | (Loaded::Superseded(_), Sabotage::ChangeBeginsSession, Wish::Keep) => Loaded::Missing,
            (Loaded::Session(session), Sabotage::NewestIdIsRefused, _) if request == Request::NextChange => {
                Loaded::Superseded(session)
            }
            (loaded, ..) => loaded,
        };
        let user = request.user().map(|user| format!("\"{user}\""));
        let (own, shared) = (request.own_field(number), request.shared(number));
        let fields = [
            own.as_deref().zip(Some("1")),
            Some(SHARED.0).zip(shared.as_deref()),
            Some("userid").zip(user.as_deref()),
        ];
        let change = set(&fields.into_iter().flatten().collect::<Vec<_>>());
        let change = if request == Request::SignInOther {
            change.remembered()
        } else {
            change
        };
        store.request().finish(opened, request.wish(), change, Vec::new()).await
    }

    /// Loads what an id leads to. If the process may remember it, each request does so as those with a safe method do.
    async fn open(&self, process: &Process, id: &SessionId) -> Result<Opened, Error> {
        let store = process.store.request();
        if !self.remembered {
            return store.open(vec![id.clone()], Reading::Now).await;
        }
        let recalled = process.backend.recall(key(id).as_str()).await;
        let opened = store.open(vec![id.clone()], Reading::Remembered);
        RECALLED.scope(recalled, opened).await
    }

    /// Lets the explorer decide whether a response with a new id reaches the browser. Returns the id.
    async fn deliver(&self, number: usize, action: CookieAction) -> Option<SessionId> {
        let CookieAction::Issue(id, _) = action else {
            return None;
        };
        let (reaches, decided) = oneshot::channel();
        self.undelivered.lock().unwrap().push(Undelivered { number, reaches });
        let reaches = decided.await;
        let id = id.delivered();
        if reaches != Ok(true) {
            return std::future::pending().await;
        }
        self.cookie.lock().unwrap().get_or_insert_with(|| id.clone());
        self.has_cookie.notify_waiters();
        Some(id)
    }
}

/// Returns the key under which the session of an id is stored.
pub(super) fn key(id: &SessionId) -> StorageKey {
    Format::Json.ids().key("session:", id)
}
