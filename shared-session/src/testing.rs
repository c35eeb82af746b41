//! The contract suite: every promise that a backend or a codec must keep, as functions that panic if it does not hold.
//!
//! The author of another [`Backend`] or [`Codec`] implements [`TestBed`] and calls
//! [`contract_tests!`](crate::contract_tests), which makes one test per check. Every check can also be called as a
//! function, on a multi-threaded runtime.

// everything here is test code, which panics if a promise is broken
#![allow(clippy::unwrap_used)]

pub mod alone;
pub mod backend;
#[cfg(feature = "tls")]
pub mod certificates;
pub mod codec;
pub mod dropped;
pub mod explorer;
pub mod faults;
pub mod faulty;
pub mod index;
mod macros;
pub mod ports;
#[cfg(feature = "redis")]
pub mod redis_cluster;
#[cfg(feature = "redis")]
pub mod redis_sentinel;
#[cfg(feature = "redis")]
pub mod redis_server;
pub mod registry;
pub mod renewal;
pub mod renewal_by_move;
pub mod renewal_in_place;
pub mod revocation;
pub mod server_process;
pub mod sessions;
pub mod sign_in_again;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::sleep;

use crate::backend::Backend;
use crate::clock::Clock;
use crate::codec::Codec;
use crate::error::Error;
use crate::format::Format;
use crate::session::change::Change;
use crate::session::fields::{Fields, RESERVED};
use crate::session::id::{IdScheme, SessionId};
use crate::session::metadata::Metadata;
use crate::session::storage_key::StorageKey;
use crate::settings::Settings;
use crate::store::{Loaded, LoadedSession, NewId, Rules, Store};

/// The backend, the codec and the clock that the suite runs on.
#[async_trait]
pub trait TestBed: Send + Sync {
    /// Returns the backend under test. All calls return the same records.
    fn backend(&self) -> Arc<dyn Backend>;

    /// Returns the format whose ids and keys are used.
    fn format(&self) -> Format;

    /// Returns the codec under test.
    fn codec(&self) -> Arc<dyn Codec> {
        self.format().codec()
    }

    /// Returns the clock of the sessions. [`pass`] sets it.
    fn clock(&self) -> &TestClock;

    /// Makes every record and every member of an index older. A backend that expires them by [`TestBed::clock`] needs
    /// nothing here.
    async fn age(&self, by: Duration) {
        let _ = by;
    }
}

/// A clock that stands still until it is set.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicU64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1_763_830_000_000)))
    }
}

impl TestClock {
    /// Returns the clock that a store takes.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let milliseconds = self.0.clone();
        Clock::new(move || Duration::from_millis(milliseconds.load(Ordering::SeqCst)))
    }

    /// Sets the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0
            .fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// Lets time pass for the sessions and for their records.
pub async fn pass(bed: &dyn TestBed, time: Duration) {
    bed.clock().advance(time);
    bed.age(time).await;
}

/// Returns a store over the bed's backend, as one service has it. Two stores stand for two services.
pub fn store(bed: &dyn TestBed) -> Store {
    store_over(bed, bed.backend())
}

fn store_over(bed: &dyn TestBed, backend: Arc<dyn Backend>) -> Store {
    Store::new(backend, bed.codec(), rules(bed), bed.clock().clock())
}

const TTL: Duration = Duration::from_secs(3600);
const LIFETIME: Duration = Duration::from_secs(86_400);
const MAX_SIZE: usize = 256 * 1024;

fn rules(bed: &dyn TestBed) -> Rules {
    Rules {
        format: bed.format(),
        ttl: TTL,
        lifetime: LIFETIME,
        // long, because a busy machine must not fail checks that are about storage
        timeout: Duration::from_secs(20),
        max_size: MAX_SIZE,
        ..Rules::from(&Settings::default())
    }
}

fn key(bed: &dyn TestBed, id: &SessionId) -> StorageKey {
    bed.format().ids().key("session:", id)
}

/// Returns a change that sets fields.
fn set(fields: &[(&str, &str)]) -> Change {
    let after = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Change::between(&Fields::new(), &after.collect())
}

/// Returns the change of a handler that removed fields from `session`.
fn removing(session: &LoadedSession, names: &[&str]) -> Change {
    let before = session.fields().visible();
    let after = before.iter().filter(|(name, _)| !names.contains(name));
    let after = after.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Change::between(session.fields(), &after.collect())
}

/// Returns whether the bed's format renews a session under its key. The formats of PHP move the record to a new key.
fn renews_in_place(bed: &dyn TestBed) -> bool {
    bed.format().ids() == IdScheme::SelectorVerifier
}

/// Returns a text that no other call returns.
fn unique() -> String {
    IdScheme::Php.generate().unwrap().expose().to_owned()
}

async fn create(store: &Store, fields: &[(&str, &str)]) -> SessionId {
    store.request().create(&set(fields)).await.unwrap()
}

async fn load(store: &Store, id: &SessionId) -> Option<LoadedSession> {
    store.request().load(id).await.unwrap().session()
}

async fn commit(store: &Store, session: LoadedSession, change: &Change) -> Result<(), Error> {
    store.request().commit(session, change.clone()).await
}

async fn renew(store: &Store, session: LoadedSession, change: &Change) -> Result<Option<SessionId>, Error> {
    let renewed = store.request().renew(session, change.clone()).await?;
    Ok(renewed.map(NewId::delivered))
}

/// Returns what an id leads to, for ids that a renewal may have superseded.
async fn lead_to(store: &Store, id: &SessionId) -> Loaded {
    store.request().load(id).await.unwrap()
}

async fn destroy(store: &Store, session: LoadedSession) {
    store.request().destroy(session).await.unwrap();
}

/// Returns the fields of a session by name, or `None` if there is no session.
async fn visible(store: &Store, id: &SessionId) -> Option<Vec<(String, String)>> {
    let session = load(store, id).await?;
    let mut fields: Vec<_> = session
        .fields()
        .visible()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    fields.sort();
    Some(fields)
}

/// Returns fields as [`visible`] does.
fn fields(fields: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    let mut fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    fields.sort();
    Some(fields)
}

/// Returns the record of a session.
async fn record(bed: &dyn TestBed, id: &SessionId) -> Bytes {
    bed.backend().load(key(bed, id).as_str(), TTL).await.unwrap().unwrap()
}

/// Begins a session as another program does: with fields, and with the verifier if the format has one. Returns its id.
async fn create_as_another_program(bed: &dyn TestBed, fields: &[(&str, &str)]) -> SessionId {
    let ids = bed.format().ids();
    let id = ids.generate().unwrap();
    let mut record = Fields::new();
    for (name, value) in fields {
        record.set(name, value);
    }
    let verifier = ids.verifier_digest(&id);
    if verifier.is_some() {
        let created = Some(Duration::from_secs(bed.clock().clock().now().as_secs()));
        let metadata = Metadata {
            created,
            verifier,
            ..Metadata::default()
        };
        record.set(RESERVED, &metadata.encode());
    }
    let record = bed.codec().encode(&record).unwrap();
    assert!(
        bed.backend()
            .create(key(bed, &id).as_str(), &record, TTL)
            .await
            .unwrap()
    );
    id
}

/// Waits until a background task made `condition` true. Panics with `message` if that takes too long.
async fn eventually<F: Future<Output = bool>>(message: &str, mut condition: impl FnMut() -> F) {
    for _ in 0..200 {
        if condition().await {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{message}");
}
