//! The requests of a run: what each does, and the stores that they use.

use std::sync::Arc;
use std::time::Duration;

use super::backend::{Scheduled, Waiting};
use super::{Request, Sabotage};
use crate::backend::Backend;
use crate::backend::memory::Memory;
use crate::error::Error;
use crate::format::Format;
use crate::session::id::SessionId;
use crate::store::current_session::CurrentSession;
use crate::store::registry::Registry;
use crate::store::{CookieAction, Loaded, Rules, Store, Wish};
use crate::testing::{TestClock, set};

/// The user of the session before the requests.
pub(super) const USER: &str = "anna";

/// What a request got.
pub(super) struct Response {
    pub number: usize,
    pub request: Request,
    pub result: Result<CookieAction, Error>,
}

/// The stores of a run, which share one memory.
pub(super) struct Stores {
    pub memory: Arc<Memory>,
    pub waiting: Waiting,
    clock: TestClock,
    sabotage: Sabotage,
}

impl Stores {
    /// Returns stores over an empty memory.
    pub fn new(sabotage: Sabotage) -> Self {
        let clock = TestClock::default();
        Self {
            memory: Arc::new(Memory::new(clock.clock())),
            waiting: Waiting::default(),
            clock,
            sabotage,
        }
    }

    /// Returns the store of a request, whose operations wait for the explorer.
    pub fn of_request(&self, request: usize) -> Store {
        self.over(Arc::new(Scheduled {
            memory: self.memory.clone(),
            waiting: self.waiting.clone(),
            request,
            sabotage: self.sabotage,
        }))
    }

    fn over(&self, backend: Arc<dyn Backend>) -> Store {
        let rules = Rules {
            format: Format::Json,
            key_prefix: "session:".to_owned(),
            ttl: Duration::from_secs(3600),
            lifetime: Duration::from_secs(86_400),
            principal_field: "userid".to_owned(),
            timeout: Duration::from_secs(20),
            max_size: 256 * 1024,
        };
        Store::new(backend, Format::Json.codec(), rules, self.clock.clock())
    }

    /// Returns a store whose operations do not wait.
    pub fn free(&self) -> Store {
        self.over(self.memory.clone())
    }
}

/// The field that a request sets.
pub(super) fn field(number: usize) -> String {
    format!("field{number}")
}

/// Does what the middleware does for a request, with a handler that returns at once.
pub(super) async fn respond(
    store: &Store,
    request: Request,
    number: usize,
    id: &SessionId,
    sabotage: Sabotage,
) -> Result<CookieAction, Error> {
    match request {
        Request::Revoke => {
            return Registry::new(store.clone())
                .revoke_all(USER)
                .await
                .map(|_| CookieAction::Keep);
        }
        Request::List => {
            let registry = Registry::new(store.clone());
            let listed = registry.list(USER, &CurrentSession::default(), 0, 10).await;
            return listed.map(|_| CookieAction::Keep);
        }
        _ => {}
    }
    let loaded = store.request().load(id).await?;
    let user = format!("\"user{number}\"");
    let own = [(field(number), "1".to_owned())];
    let (wish, change) = match request {
        Request::Change => (Wish::Keep, own.to_vec()),
        Request::Renew => (Wish::Renew, own.to_vec()),
        Request::SignIn => (Wish::Renew, vec![own[0].clone(), ("userid".to_owned(), user)]),
        Request::LogOut => (Wish::Destroy, Vec::new()),
        Request::Read | Request::Revoke | Request::List => (Wish::Keep, Vec::new()),
    };
    let change: Vec<(&str, &str)> = change.iter().map(|(name, value)| (&**name, &**value)).collect();
    let missed = match sabotage {
        Sabotage::LogOutMissesRenewal => wish == Wish::Destroy,
        Sabotage::ChangeBeginsSession => wish == Wish::Keep,
        _ => false,
    };
    let loaded = match loaded {
        Loaded::Superseded(_) if missed => Loaded::Missing,
        loaded => loaded,
    };
    store.request().finish(loaded, wish, set(&change)).await
}
