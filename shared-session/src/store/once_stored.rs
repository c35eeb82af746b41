//! [`OnceStored`]: what a request does once its session is stored.

use std::fmt;
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;

use super::finish::CookieAction;
use super::{Loaded, Opened, RequestStore, Wish};
use crate::error::Error;
use crate::session::change::Change;
use crate::session::handle::Handle;

type Work = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

type Then = Box<dyn FnOnce(Option<Handle>) -> Work + Send>;

/// What to do once the session is stored. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct OnceStored(Arc<Mutex<Vec<Then>>>);

impl OnceStored {
    /// Adds work, to do after what was added before.
    pub fn add<F>(&self, then: impl FnOnce(Option<Handle>) -> F + Send + 'static)
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.0.lock().push(Box::new(|handle| Box::pin(then(handle))));
    }
}

impl fmt::Debug for OnceStored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OnceStored").finish_non_exhaustive()
    }
}

impl RequestStore {
    /// Does what [`RequestStore::finish`] does, and then what is left to do. What was begun ends even if this future is dropped.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RequestStore::finish`], and the first error of the rest.
    pub(crate) async fn finish_and(
        &self,
        opened: Opened,
        wish: Wish,
        change: Change,
        once_stored: &OnceStored,
    ) -> Result<CookieAction, Error> {
        let then = take(&mut *once_stored.0.lock());
        if then.is_empty() {
            return self.finish(opened, wish, change).await;
        }
        let store = self.clone();
        let loaded = match &opened.loaded {
            Loaded::Session(session) => Some(session.handle()),
            Loaded::Missing | Loaded::Expired(_) | Loaded::Superseded(_) => None,
        };
        let work = async move {
            let action = store.finish(opened, wish, change).await?;
            let handle = match &action {
                CookieAction::Issue(id, _) => Some(Handle::of(&store.key(id.id()))),
                CookieAction::Keep | CookieAction::Extend(_) => loaded,
                CookieAction::Remove => None,
            };
            for then in then {
                then(handle.clone()).await?;
            }
            Ok(action)
        };
        self.store.run_to_end(work).await
    }
}
