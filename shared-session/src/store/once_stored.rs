//! [`OnceStored`]: what a request does once its session is stored.

use std::fmt;
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Error;
use crate::session::handle::Handle;

type Work = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Work that gets the handle of the stored session, or `None` if the session was ended.
pub type Then = Box<dyn FnOnce(Option<Handle>) -> Work + Send>;

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

    /// Returns what was added, and forgets it.
    pub fn take(&self) -> Vec<Then> {
        take(&mut *self.0.lock())
    }
}

impl fmt::Debug for OnceStored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OnceStored").finish_non_exhaustive()
    }
}
