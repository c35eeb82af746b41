//! The contract suite: every promise that a backend or a codec must keep, as functions that panic if it does not hold.
//!
//! Each check is a function, to be called on a multi-threaded runtime. [`contract_tests!`](crate::contract_tests) makes a test
//! of each.

pub mod backend;
pub mod codec;
pub mod dropped;
pub mod faults;
pub mod index;
pub mod limit;
mod macros;
pub mod registry;
pub mod remember;
pub mod renewal;
pub mod renewal_by_move;
pub mod renewal_in_place;
pub mod revocation;
pub mod sessions;
pub mod sign_in_again;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shared_session::backend::Backend;
use shared_session::codec::Fields;
use shared_session::internals::{
    Change, IdScheme, Loaded, LoadedSession, NewId, RESERVED, Rules, SessionId, StorageKey, Store, new_metadata,
};
use shared_session::{Error, Settings};
use tokio::time::sleep;

use crate::TestBed;

/// Lets time pass for the sessions and for their records.
async fn pass(bed: &dyn TestBed, time: Duration) {
    bed.clock().advance(time);
    bed.age(time).await;
}

/// Returns a store over the bed's backend, as one service has it. Two stores stand for two services.
fn store(bed: &dyn TestBed) -> Store {
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
        max_per_user: 0,
        ..Rules::from(&Settings::default())
    }
}

fn key(bed: &dyn TestBed, id: &SessionId) -> StorageKey {
    bed.format().ids().key("session:", id)
}

/// Returns a change that sets fields.
pub(crate) fn set(fields: &[(&str, &str)]) -> Change {
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
    IdScheme::Php.generate(false).unwrap().expose().to_owned()
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
    let id = ids.generate(false).unwrap();
    let mut record = Fields::new();
    for (name, value) in fields {
        record.set(name, value);
    }
    if let Some(metadata) = new_metadata(ids, &id, bed.clock().clock().now()) {
        record.set(RESERVED, &metadata);
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
