//! [`Asked`]: what a handler asks for beside the change of its session's fields.

use std::fmt;
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Store;
use crate::error::Error;
use crate::session::handle::Handle;
use crate::session::remember::Remember;

type Work = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Work that gets the handle of the stored session, or `None` if the session was ended.
pub type Then = Box<dyn FnOnce(Option<Handle>) -> Work + Send>;

/// What the handler of a request asked for. Clones share it.
#[derive(Clone)]
pub(crate) struct Asked {
    store: Store,
    parts: Arc<Mutex<Parts>>,
}

#[derive(Default)]
struct Parts {
    /// What to do once the session is stored, in this order.
    then: Vec<Then>,
    signs_in: bool,
    remember: Remember,
}

impl Asked {
    /// Returns the value of a request to this store that has asked for nothing yet.
    pub fn nothing(store: &Store) -> Self {
        Self {
            store: store.clone(),
            parts: Arc::default(),
        }
    }

    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Adds work, to do after what was added before.
    pub fn add<F>(&self, then: impl FnOnce(Option<Handle>) -> F + Send + 'static)
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.parts.lock().then.push(Box::new(|handle| Box::pin(then(handle))));
    }

    /// Returns the work that was added, and forgets it.
    pub fn take_work(&self) -> Vec<Then> {
        take(&mut self.parts.lock().then)
    }

    /// Notes whether the user whom the request signs in stays signed in.
    pub fn remember(&self, remember: Remember) {
        self.parts.lock().remember = remember;
    }

    /// Returns whether the user whom the request signs in stays signed in.
    pub fn remembers(&self) -> bool {
        self.parts.lock().remember == Remember::Yes
    }

    /// Notes that the request signs in a user, perhaps the one who is signed in already.
    pub fn sign_in(&self, remember: Remember) {
        let mut parts = self.parts.lock();
        (parts.signs_in, parts.remember) = (true, remember);
    }

    /// Returns the name of the field that holds the user's id.
    pub fn principal_field(&self) -> &str {
        self.store.principal_field()
    }

    /// Returns whether the request signs in a user.
    pub fn signs_in(&self) -> bool {
        self.parts.lock().signs_in
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Asked").finish_non_exhaustive()
    }
}
