//! The contract suite fails on backends that break one promise each: a suite that cannot fail would prove nothing.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use shared_session::Format;
use shared_session::backend::memory::Memory;
use shared_session::backend::{Backend, BackendError, Outcome};
use shared_session::testing::{
    TestBed, TestClock, backend, index, interleavings, registry, renewal, revocation, sessions,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// None: the proof that the rest of this file blames the right thing.
    None,
    /// Replaces whatever is there, as a store that writes whole states does.
    ReplacesAnything,
    /// Writes a record that is gone, as `SET` without a condition does.
    BringsBack,
    /// Says that it removed.
    NeverRemoves,
    /// Creates over what is there.
    CreatesOverOthers,
    /// Reads without beginning the idle time anew, as a plain `GET`.
    DoesNotSlide,
    /// Keeps what is UTF-8.
    KeepsText,
    /// Keeps records for ever.
    NeverExpires,
    /// Begins a record's time anew when it is only looked at.
    PeekSlides,
    /// Adds every other member.
    IndexForgets,
    /// Never takes a member out.
    IndexKeeps,
    /// Has the members as a set without order has them.
    IndexUnordered,
    /// Returns everything, whatever page is asked for.
    IndexUnpaged,
    /// Keeps members that have ended.
    IndexNeverEnds,
}

struct Broken {
    backend: Memory,
    fault: Fault,
    /// How many members were added.
    added: AtomicUsize,
}

const FOREVER: Duration = Duration::from_secs(1_000_000_000);

#[async_trait]
impl Backend for Broken {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        match self.fault {
            Fault::NeverExpires => self.backend.load(key, FOREVER).await,
            Fault::DoesNotSlide => match self.backend.replace(key, b"?", b"?", ttl).await? {
                Outcome::Changed(record) => Ok(Some(record)),
                _ => Ok(None),
            },
            _ => self.backend.load(key, ttl).await,
        }
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        let ttl = if self.fault == Fault::NeverExpires {
            FOREVER
        } else {
            ttl
        };
        let text = String::from_utf8_lossy(record);
        let record = if self.fault == Fault::KeepsText {
            text.as_bytes()
        } else {
            record
        };
        let created = self.backend.create(key, record, ttl).await?;
        if !created && self.fault == Fault::CreatesOverOthers {
            let Outcome::Changed(there) = self.backend.replace(key, b"?", record, ttl).await? else {
                return Ok(false);
            };
            return Ok(self.backend.replace(key, &there, record, ttl).await? == Outcome::Applied);
        }
        Ok(created)
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        let ttl = if self.fault == Fault::NeverExpires {
            FOREVER
        } else {
            ttl
        };
        let outcome = self.backend.replace(key, expected, record, ttl).await?;
        match (outcome, self.fault) {
            (Outcome::Changed(there), Fault::ReplacesAnything) => self.backend.replace(key, &there, record, ttl).await,
            (Outcome::Gone, Fault::BringsBack) => {
                self.backend.create(key, record, ttl).await?;
                Ok(Outcome::Applied)
            }
            (outcome, _) => Ok(outcome),
        }
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        match self.fault {
            Fault::NeverRemoves => Ok(Outcome::Applied),
            _ => self.backend.remove(key, expected).await,
        }
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        if self.fault == Fault::PeekSlides {
            self.backend.load(key, FOREVER).await?;
        }
        self.backend.peek(key).await
    }

    async fn index_add(&self, key: &str, member: &str, expires: Duration, now: Duration) -> Result<(), BackendError> {
        let number = self.added.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::IndexForgets if number % 2 == 1 => Ok(()),
            Fault::IndexNeverEnds => self.backend.index_add(key, member, expires + FOREVER, now).await,
            _ => self.backend.index_add(key, member, expires, now).await,
        }
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        match self.fault {
            Fault::IndexKeeps => Ok(()),
            _ => self.backend.index_remove(key, member).await,
        }
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        match self.fault {
            Fault::IndexUnordered => {
                let mut members = self.backend.index_members(key, 0, usize::MAX).await?;
                members.sort();
                Ok(members.into_iter().skip(offset).take(limit).collect())
            }
            Fault::IndexUnpaged => self.backend.index_members(key, 0, usize::MAX).await,
            _ => self.backend.index_members(key, offset, limit).await,
        }
    }

    async fn ping(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

struct Bed {
    backend: Arc<Broken>,
    clock: TestClock,
}

impl TestBed for Bed {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    fn format(&self) -> Format {
        Format::Json
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }
}

/// Whether a function of the suite passes on a backend with the fault.
macro_rules! passes {
    ($check:path, $fault:expr) => {{
        let clock = TestClock::default();
        let backend = Memory::new(clock.clock());
        let bed = Bed {
            backend: Arc::new(Broken {
                backend,
                fault: $fault,
                added: AtomicUsize::new(0),
            }),
            clock,
        };
        tokio::spawn(async move { $check(&bed).await }).await.is_ok()
    }};
}

macro_rules! bites {
    ($($check:path => $($fault:ident),+;)+) => {
        $(
            assert!(passes!($check, Fault::None), "{} fails on a sound backend", stringify!($check));
            $(assert!(
                !passes!($check, Fault::$fault),
                "{} passes on a backend that is broken: {}", stringify!($check), stringify!($fault)
            );)+
        )+
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn each_promise_fails_on_a_backend_that_breaks_it() {
    bites! {
        backend::operations_apply_to_the_expected_record_only => ReplacesAnything, BringsBack, NeverRemoves, CreatesOverOthers;
        backend::any_bytes_are_stored_unchanged => KeepsText;
        backend::records_expire => DoesNotSlide, NeverExpires;
        backend::one_of_many_replacements_is_applied => ReplacesAnything;
        backend::a_peek_does_not_extend_the_expiry => PeekSlides, NeverExpires;
        index::members_are_ordered_by_expiry => IndexForgets, IndexKeeps, IndexUnordered, IndexUnpaged;
        index::members_expire => IndexForgets, IndexNeverEnds;
        index::concurrent_additions_and_removals_all_take_effect => IndexForgets, IndexKeeps;
        sessions::disjoint_changes_all_take_effect => ReplacesAnything;
        sessions::removals_and_additions_do_not_meet => ReplacesAnything;
        sessions::reading_brings_nothing_back => ReplacesAnything;
        sessions::destruction_is_final => BringsBack, NeverRemoves;
        sessions::destruction_wins_every_race => BringsBack, NeverRemoves;
        sessions::expiry_is_final => BringsBack, NeverExpires;
        sessions::both_clocks_end_a_session => NeverExpires, DoesNotSlide;
        sessions::unreadable_records_stay => ReplacesAnything;
        renewal::a_change_during_renewal_is_kept => ReplacesAnything;
        renewal::late_changes_follow => ReplacesAnything, BringsBack;
        renewal::one_of_many_renewals_wins => ReplacesAnything;
        renewal::destruction_ends_a_renewed_session => NeverRemoves;
        registry::a_list_tells_what_may_be_shown => IndexForgets, PeekSlides, NeverExpires;
        registry::a_text_or_a_number_is_a_person => IndexForgets;
        registry::every_sign_in_is_an_entry => IndexForgets, IndexUnpaged;
        registry::pages_hold_every_session_once => IndexForgets, IndexKeeps, IndexUnpaged;
        registry::ended_sessions_leave_the_list => IndexForgets, IndexKeeps, NeverExpires, NeverRemoves;
        registry::a_renewed_session_is_one_entry => IndexForgets, IndexKeeps;
        registry::another_programs_sign_in_is_listed => IndexForgets;
        registry::a_change_of_person_moves_the_session => IndexForgets;
        revocation::revocation_is_final => IndexForgets, IndexKeeps, NeverRemoves, BringsBack;
        revocation::no_session_lives_unlisted => IndexForgets, NeverRemoves;
        revocation::renewal_is_no_escape => IndexForgets, NeverRemoves;
        revocation::the_current_session_is_kept => IndexForgets, NeverRemoves;
        revocation::a_sign_in_does_not_follow_a_renewal => ReplacesAnything;
        revocation::failure_midway_leaves_no_session_unlisted => IndexForgets;
        interleavings::a_renewal_beside_a_revocation_is_found => IndexForgets, NeverRemoves;
        interleavings::a_revocation_beside_a_sign_in_ends_it => BringsBack, NeverRemoves;
    }
}
