//! The contract suite: what every backend and every codec must hold, as functions that panic where it is not held.
//!
//! For the author of another [`Backend`] or [`Codec`]: implement [`TestBed`], call [`contract`] in a test on a
//! multi-threaded runtime. Each function of the suite can be called on its own.

// everything here is test code: a panic is its way to say that a promise is broken
#![allow(clippy::unwrap_used)]

pub mod backend;
pub mod codec;
pub mod faults;
pub mod index;
pub mod interleavings;
#[cfg(feature = "redis")]
pub mod redis_server;
pub mod registry;
pub mod renewal;
pub mod revocation;
pub mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::backend::Backend;
use crate::clock::Clock;
use crate::codec::Codec;
use crate::error::Error;
use crate::format::Format;
use crate::session::change::Change;
use crate::session::fields::Fields;
use crate::session::id::SessionId;
use crate::session::storage_key::StorageKey;
use crate::store::{LoadedSession, Rules, Store};

/// What the suite runs on.
#[async_trait]
pub trait TestBed: Send + Sync {
    /// The backend under test. All calls return the same records.
    fn backend(&self) -> Arc<dyn Backend>;

    /// The format whose ids and keys are used.
    fn format(&self) -> Format;

    /// The codec under test.
    fn codec(&self) -> Arc<dyn Codec> {
        self.format().codec()
    }

    /// The clock of the sessions; [`pass`] sets it.
    fn clock(&self) -> &TestClock;

    /// Makes every record `by` older, for a backend that expires them by another clock than [`TestBed::clock`].
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
    /// The clock as a store takes it.
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

/// Runs the whole suite.
pub async fn contract(bed: &dyn TestBed) {
    backend::operations_apply_to_the_expected_record_only(bed).await;
    backend::any_bytes_are_stored_unchanged(bed).await;
    backend::records_expire(bed).await;
    backend::one_of_many_replacements_is_applied(bed).await;
    backend::a_peek_does_not_extend_the_expiry(bed).await;
    index::members_are_ordered_by_expiry(bed).await;
    index::members_expire(bed).await;
    index::concurrent_additions_and_removals_all_take_effect(bed).await;
    codec::untouched_records_keep_their_bytes(bed);
    codec::invalid_records_are_errors(bed);
    sessions::disjoint_changes_all_take_effect(bed).await;
    sessions::removals_and_additions_do_not_meet(bed).await;
    sessions::reading_brings_nothing_back(bed).await;
    sessions::one_field_has_the_last_value(bed).await;
    sessions::destruction_is_final(bed).await;
    sessions::destruction_wins_every_race(bed).await;
    sessions::expiry_is_final(bed).await;
    sessions::both_clocks_end_a_session(bed).await;
    sessions::foreign_ids_are_no_sessions(bed).await;
    sessions::unreadable_records_stay(bed).await;
    sessions::the_reserved_field_is_refused(bed).await;
    sessions::steps_are_counted(bed).await;
    renewal::a_renewed_session_is_whole(bed).await;
    renewal::a_change_during_renewal_is_kept(bed).await;
    renewal::late_changes_follow(bed).await;
    renewal::one_of_many_renewals_wins(bed).await;
    renewal::destruction_ends_a_renewed_session(bed).await;
    renewal::failure_midway_leaves_a_session(bed).await;
    registry::a_list_tells_what_may_be_shown(bed).await;
    registry::a_text_or_a_number_is_a_person(bed).await;
    registry::a_device_is_cut(bed).await;
    registry::every_sign_in_is_an_entry(bed).await;
    registry::pages_hold_every_session_once(bed).await;
    registry::ten_thousand_sessions_are_listed(bed).await;
    registry::ended_sessions_leave_the_list(bed).await;
    registry::a_renewed_session_is_one_entry(bed).await;
    registry::another_programs_sign_in_is_listed(bed).await;
    registry::a_change_of_person_moves_the_session(bed).await;
    registry::steps_of_a_person_are_counted(bed).await;
    revocation::revocation_is_final(bed).await;
    revocation::no_session_lives_unlisted(bed).await;
    revocation::renewal_is_no_escape(bed).await;
    revocation::the_current_session_is_kept(bed).await;
    revocation::a_sign_in_does_not_follow_a_renewal(bed).await;
    revocation::failure_midway_leaves_no_session_unlisted(bed).await;
    interleavings::a_list_beside_a_sign_in_drops_nothing(bed).await;
    interleavings::a_revocation_beside_a_sign_in_ends_it(bed).await;
    interleavings::a_renewal_beside_a_revocation_is_found(bed).await;
    interleavings::a_renewal_that_is_half_done_is_current(bed).await;
    interleavings::what_another_person_renewed_is_theirs(bed).await;
    interleavings::a_renewal_that_is_put_back_is_listed(bed).await;
    interleavings::a_revocation_beside_a_put_back_ends_what_is_meant(bed).await;
    interleavings::a_revocation_beside_an_unlisted_put_back_ends_it(bed).await;
    interleavings::a_change_beside_a_put_back_is_kept(bed).await;
    interleavings::a_copied_session_has_a_handle_of_its_own(bed).await;
    interleavings::a_half_done_revocation_says_so(bed).await;
    faults::failures_are_told(bed).await;
    faults::an_unanswering_backend_is_left_alone(bed).await;
}

/// A store over the bed's backend, as one service has it. Two of them are two services.
pub fn store(bed: &dyn TestBed) -> Store {
    store_over(bed, bed.backend())
}

fn store_over(bed: &dyn TestBed, backend: Arc<dyn Backend>) -> Store {
    Store::new(backend, bed.codec(), rules(bed), bed.clock().clock())
}

const TTL: Duration = Duration::from_secs(3600);
const LIFETIME: Duration = Duration::from_secs(86_400);

fn rules(bed: &dyn TestBed) -> Rules {
    Rules {
        format: bed.format(),
        key_prefix: "session:".to_owned(),
        ttl: TTL,
        lifetime: LIFETIME,
        principal_field: "userid".to_owned(),
        // ample, so that a busy machine breaks no promise about storage
        timeout: Duration::from_secs(20),
    }
}

fn key(bed: &dyn TestBed, id: &SessionId) -> StorageKey {
    bed.format().ids().key("session:", id)
}

/// A change that sets fields.
fn set(fields: &[(&str, &str)]) -> Change {
    let after = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Change::between(&Fields::new(), &after.collect())
}

/// The change of a handler that saw `session` and removed fields from it.
fn removing(session: &LoadedSession, names: &[&str]) -> Change {
    let before = session.fields().visible();
    let after = before.iter().filter(|(name, _)| !names.contains(name));
    let after = after.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Change::between(session.fields(), &after.collect())
}

async fn create(store: &Store, fields: &[(&str, &str)]) -> SessionId {
    store.create(&set(fields), &mut store.budget()).await.unwrap()
}

async fn load(store: &Store, id: &SessionId) -> Option<LoadedSession> {
    store.load(id, &mut store.budget()).await.unwrap()
}

async fn commit(store: &Store, session: LoadedSession, change: &Change) -> Result<(), Error> {
    store.commit(session, change, &mut store.budget()).await
}

async fn renew(store: &Store, session: LoadedSession, change: &Change) -> Result<Option<SessionId>, Error> {
    store.renew(session, change, &mut store.budget()).await
}

async fn destroy(store: &Store, session: LoadedSession) {
    store.destroy(session, &mut store.budget()).await.unwrap();
}

/// What a session holds, sorted; `None` where there is none.
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

fn fields(fields: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    let mut fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    fields.sort();
    Some(fields)
}
