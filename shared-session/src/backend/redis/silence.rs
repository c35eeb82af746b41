//! [`Silence`]: remembers that Redis did not reply, for all connections of this process to it.
//!
//! A firewall that forgets one idle connection forgets the others as well, and tells nobody. So a command without a reply
//! makes those suspect that have had none since then, whichever thread they belong to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::time::Instant;

/// When the last command began to which Redis did not reply.
pub(super) struct Silence {
    created: Instant,
    /// In microseconds after `created`. 0 if there was none.
    began: AtomicU64,
}

impl Silence {
    /// Returns the one of a server or a cluster. All connections of the process share it, also those of a service's own data.
    pub fn of(name: &str) -> Arc<Self> {
        static KNOWN: Mutex<Option<HashMap<String, Weak<Silence>>>> = Mutex::new(None);
        let mut known = KNOWN.lock();
        let known = known.get_or_insert_default();
        known.retain(|_, silence| silence.strong_count() > 0);
        if let Some(silence) = known.get(name).and_then(Weak::upgrade) {
            return silence;
        }
        let silence = Arc::new(Self {
            created: Instant::now(),
            began: AtomicU64::new(0),
        });
        known.insert(name.to_owned(), Arc::downgrade(&silence));
        silence
    }

    /// Notes that a command, which was sent at `began`, got no reply, and neither did any other one on its connection.
    pub fn note(&self, began: Instant) {
        self.began.fetch_max(self.micros(began), Ordering::Relaxed);
    }

    /// Returns whether a connection has had no reply since the silence began. `alive` is the time of its last one.
    pub fn is_after(&self, alive: impl FnOnce() -> Instant) -> bool {
        let began = self.began.load(Ordering::Relaxed);
        // most processes never meet one
        began > 0 && self.micros(alive()) < began
    }

    fn micros(&self, time: Instant) -> u64 {
        let after = time.saturating_duration_since(self.created).as_micros();
        u64::try_from(after).unwrap_or(u64::MAX)
    }
}
