//! Waits for the end of a session, for responses that go on for long.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout};

use super::Store;
use crate::session::storage_key::StorageKey;

/// The shortest time between two reads of one session.
const PAUSE: Duration = Duration::from_millis(100);

/// How long it takes until a failed read is repeated.
const LONG_PAUSE: Duration = Duration::from_secs(5);

impl Store {
    /// Waits until the session under `key` has ended, or has another user than in `record`, which was read before.
    pub(crate) async fn ended(&self, key: &StorageKey, record: Bytes) {
        let Ok(session) = self.decode(key.clone(), record) else {
            return;
        };
        let user = self.user(&session).map(Cow::into_owned);
        loop {
            let began = Instant::now();
            let read = self.request().peek(key).await;
            let session = read.map(|found| found.map(|(record, left)| (self.decode(key.clone(), record), left)));
            match session {
                Ok(None) => return,
                Ok(Some((Ok(session), left))) => {
                    if self.user(&session).as_deref() != user.as_deref() || self.lifetime_left(&session).is_zero() {
                        return;
                    }
                    let left = left.min(self.lifetime_left(&session));
                    let changed = self.0.breaker.backend().changed(key.as_str(), session.bytes());
                    // an error means that the time of the session has passed
                    let _ = timeout(left, changed).await;
                    sleep_until(began + PAUSE).await;
                }
                // nobody is signed out by a failure
                Err(_) | Ok(Some((Err(_), _))) => sleep_until(began + LONG_PAUSE).await,
            }
        }
    }
}
