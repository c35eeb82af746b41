//! [`Awaited`]: who waits for a change of a record.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// The records whose next change somebody waits for.
#[derive(Default)]
pub(super) struct Awaited(Mutex<HashMap<String, Arc<Notify>>>);

/// The next change of a record. It is noticed from the moment on when this value is made.
pub(super) struct NextChange<'a> {
    awaited: &'a Awaited,
    key: &'a str,
    told: Pin<Box<OwnedNotified>>,
}

impl Awaited {
    pub fn next<'a>(&'a self, key: &'a str) -> NextChange<'a> {
        let notify = self.0.lock().entry(key.to_owned()).or_default().clone();
        let mut told = Box::pin(notify.notified_owned());
        told.as_mut().enable();
        NextChange {
            awaited: self,
            key,
            told,
        }
    }

    /// Tells that the record under `key` changed.
    pub fn tell(&self, key: &str) {
        if let Some(notify) = self.0.lock().remove(key) {
            notify.notify_waiters();
        }
    }

    /// Tells that every record may have changed.
    pub fn tell_all(&self) {
        for notify in std::mem::take(&mut *self.0.lock()).into_values() {
            notify.notify_waiters();
        }
    }
}

impl NextChange<'_> {
    pub async fn wait(mut self) {
        self.told.as_mut().await;
    }
}

impl Drop for NextChange<'_> {
    fn drop(&mut self) {
        let mut awaited = self.awaited.0.lock();
        // the map and this value
        if awaited
            .get(self.key)
            .is_some_and(|notify| Arc::strong_count(notify) <= 2)
        {
            awaited.remove(self.key);
        }
    }
}
