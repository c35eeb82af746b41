//! The rules of a session over a backend and a codec: load, create, commit, renew, destroy, revoke. Changes are merged
//! here and nowhere else.

mod adoption;
pub(crate) mod asked;
pub(crate) mod circuit_breaker;
mod commit;
mod commit_queue;
pub(crate) mod current_session;
mod ended;
mod finish;
pub(crate) mod index;
mod limit;
mod load;
mod move_record;
mod operations;
mod pauses;
mod record;
pub(crate) mod registry;
mod renewal;
mod tasks;
mod termination;

use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

pub use self::finish::{CookieAction, Wish};
pub use self::load::{Loaded, Opened, Reading};
pub use self::record::LoadedSession;
pub use self::renewal::NewId;
pub(crate) use self::termination::{MemberState, RevokeOutcome};

use self::circuit_breaker::CircuitBreaker;
use self::commit_queue::CommitQueues;
use self::tasks::Tasks;
use crate::backend::Backend;
use crate::clock::Clock;
use crate::codec::Codec;
use crate::error::Error;
use crate::format::Format;
use crate::session::id::SessionId;
use crate::session::storage_key::StorageKey;
use crate::timeout::has_stalled;

/// How sessions are kept, beside the backend and the codec.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The format, which decides the ids and the way of renewal.
    pub format: Format,
    /// The prefix of every key.
    pub key_prefix: String,
    /// The idle timeout. A load extends it.
    pub ttl: Duration,
    /// The absolute timeout, from the session's creation or from the last sign-in. A renewal does not extend it.
    pub lifetime: Duration,
    /// The idle timeout of a remembered session, if it is longer than `ttl`.
    pub remember_ttl: Duration,
    /// The absolute timeout of a remembered session, if it is longer than `lifetime`.
    pub remember_lifetime: Duration,
    /// The name of the field that holds the user's id.
    pub principal_field: String,
    /// How long one request waits for the store, all its operations together.
    pub timeout: Duration,
    /// The size in bytes that a change may not make a record exceed.
    pub max_size: usize,
    /// How many sessions a user may have. 0: any number.
    pub max_per_user: u32,
}

/// The sessions in a backend. Clones share everything.
#[derive(Clone)]
pub struct Store(Arc<Core>);

/// What the clones of a store share.
struct Core {
    breaker: CircuitBreaker,
    codec: Arc<dyn Codec>,
    rules: Rules,
    clock: Clock,
    commit_queues: CommitQueues,
    tasks: Tasks,
}

/// The store as one request uses it: every operation ends by the request's deadline.
pub struct RequestStore {
    store: Store,
    deadline: Mutex<Instant>,
    /// Alive while the request waits for its task. `None` outside of such a task.
    waits: Option<Weak<()>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rules = &self.0.rules;
        formatter
            .debug_struct("Store")
            .field("rules", rules)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Returns a store of records that `codec` encodes, in `backend`.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, codec: Arc<dyn Codec>, rules: Rules, clock: Clock) -> Self {
        Self(Arc::new(Core {
            breaker: CircuitBreaker::new(backend, &rules.key_prefix, rules.timeout),
            codec,
            rules,
            clock,
            commit_queues: CommitQueues::default(),
            tasks: Tasks::default(),
        }))
    }

    /// Returns the store for a request that begins now.
    #[must_use]
    pub fn request(&self) -> RequestStore {
        self.request_with(self.0.rules.timeout)
    }

    /// Returns the store for a request that may wait for `time` more.
    #[must_use]
    pub fn request_with(&self, time: Duration) -> RequestStore {
        RequestStore {
            store: self.clone(),
            deadline: Mutex::new(Instant::now() + time),
            waits: None,
        }
    }

    /// Checks that at least one shard of the backend serves requests now.
    ///
    /// # Errors
    ///
    /// Returns the error that every session request would meet.
    pub async fn check(&self) -> Result<(), Error> {
        self.0.breaker.check().await
    }

    /// Runs work in a task of its own and returns its output. If this future is dropped, the task goes on.
    pub(crate) async fn run_to_end<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.0.tasks.run_to_end(Box::pin(work)).await
    }

    /// Waits until everything that requests began to store has ended.
    pub async fn drain(&self) {
        self.0.tasks.wait().await;
    }

    /// Settles renewals on the current runtime instead of a thread of its own.
    #[must_use]
    pub fn settling_here(self) -> Self {
        self.0.tasks.run_in_foreground();
        self
    }

    fn rules(&self) -> &Rules {
        &self.0.rules
    }

    fn now(&self) -> Duration {
        self.0.clock.now()
    }

    fn key(&self, id: &SessionId) -> StorageKey {
        self.rules().format.ids().key(&self.rules().key_prefix, id)
    }

    /// Returns the absolute timeout of a session.
    fn lifetime(&self, is_remembered: bool) -> Duration {
        let rules = self.rules();
        if is_remembered {
            rules.remember_lifetime.max(rules.lifetime)
        } else {
            rules.lifetime
        }
    }

    /// Returns the expiry that every load and every write gives the record of a session. The session's age does not shorten it,
    /// so the time that a record has left tells when it was last used.
    fn idle_time(&self, is_remembered: bool) -> Duration {
        let rules = self.rules();
        let ttl = if is_remembered {
            rules.remember_ttl.max(rules.ttl)
        } else {
            rules.ttl
        };
        ttl.min(self.lifetime(is_remembered))
    }

    /// Returns whether sessions can be remembered. In PHP's formats they cannot: the id says nothing about its session, and PHP
    /// gives every record the same time.
    pub(crate) fn can_remember(&self) -> bool {
        self.rules().format.ids().can_remember()
    }

    /// Returns the name of the field that holds the user's id.
    pub(crate) fn principal_field(&self) -> &str {
        &self.0.rules.principal_field
    }

    /// Returns the id that a cookie holds, or `None` if this store cannot have issued it.
    #[must_use]
    pub fn parse_id(&self, value: &[u8]) -> Option<SessionId> {
        self.0.rules.format.ids().parse(value)
    }
}

/// Lends the methods of the store that use no backend.
impl Deref for RequestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Clone for RequestStore {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            deadline: Mutex::new(*self.deadline.lock()),
            waits: self.waits.clone(),
        }
    }
}

impl RequestStore {
    /// Returns how long this request may still wait for the store.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        let now = Instant::now();
        self.deadline(now).saturating_duration_since(now)
    }

    /// Returns the request's deadline. It moves if a stall of this process used up the request's time.
    fn deadline(&self, now: Instant) -> Instant {
        let mut deadline = self.deadline.lock();
        if has_stalled(*deadline, now) {
            *deadline = now + self.rules().timeout;
        }
        *deadline
    }

    /// Returns whether the request was dropped, so that only its task is left.
    fn is_gone(&self) -> bool {
        self.waits.as_ref().is_some_and(|waits| waits.strong_count() == 0)
    }
}
