//! The contract suite detects backends that break one promise each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use shared_session::Format;
use shared_session::backend::memory::Memory;
use shared_session::backend::{Backend, BackendError, Outcome};
use shared_session_testkit::{TestBed, TestClock};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// None, to prove that the checks blame the fault.
    None,
    /// Replaces any record, as a store does that writes whole states.
    ReplacesAnything,
    /// Writes a record that is gone, as `SET` does without a condition.
    RestoresRecords,
    /// Says that it removed a record, and does not.
    NeverRemoves,
    /// Creates a record over another one.
    CreatesOverOthers,
    /// Loads without extending the expiry, as `GET` does.
    LoadDoesNotExtend,
    /// Keeps only what is UTF-8.
    KeepsText,
    /// Keeps records for ever.
    NeverExpires,
    /// Keeps a record without time for a millisecond.
    ExpiresLate,
    /// Extends the expiry of a record that is peeked at.
    PeekExtends,
    /// Adds every other member only.
    IndexForgets,
    /// Never removes a member.
    IndexKeeps,
    /// Returns members in the order of their names.
    IndexUnordered,
    /// Returns all members on every page.
    IndexUnpaged,
    /// Gives a member that is added again its new expiry, also an earlier one.
    IndexShortens,
    /// Keeps members that have expired.
    IndexNeverExpires,
}

struct Broken {
    backend: Memory,
    fault: Fault,
    /// The number of members that were added.
    added: AtomicUsize,
}

const FOREVER: Duration = Duration::from_secs(1_000_000_000);

#[async_trait]
impl Backend for Broken {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        match self.fault {
            Fault::NeverExpires => self.backend.load(key, FOREVER).await,
            Fault::ExpiresLate => self.backend.load(key, ttl.max(Duration::from_millis(1))).await,
            Fault::LoadDoesNotExtend => match self.backend.replace(key, b"?", b"?", ttl).await? {
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
            let Outcome::Changed(found) = self.backend.replace(key, b"?", record, ttl).await? else {
                return Ok(false);
            };
            return Ok(self.backend.replace(key, &found, record, ttl).await? == Outcome::Applied);
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
            (Outcome::Changed(found), Fault::ReplacesAnything) => self.backend.replace(key, &found, record, ttl).await,
            (Outcome::Gone, Fault::RestoresRecords) => {
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
        if self.fault == Fault::PeekExtends {
            self.backend.load(key, FOREVER).await?;
        }
        self.backend.peek(key).await
    }

    async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError> {
        let number = self.added.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::IndexForgets if number % 2 == 1 => Ok(()),
            Fault::IndexShortens => {
                self.backend.index_remove(key, member).await?;
                self.backend.index_add(key, member, left).await
            }
            Fault::IndexNeverExpires => self.backend.index_add(key, member, left + FOREVER).await,
            _ => self.backend.index_add(key, member, left).await,
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

    async fn check(&self, _: &str) -> Result<(), BackendError> {
        Ok(())
    }
}

struct Bed {
    backend: Arc<Broken>,
    clock: TestClock,
    format: Format,
}

impl TestBed for Bed {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    fn format(&self) -> Format {
        self.format
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }
}

/// Returns whether a check passes on a backend with the fault.
macro_rules! passes {
    ($check:path, $format:expr, $fault:expr) => {{
        let clock = TestClock::default();
        let backend = Arc::new(Broken {
            backend: Memory::new(clock.clock()),
            fault: $fault,
            added: AtomicUsize::new(0),
        });
        let bed = Bed {
            backend,
            clock,
            format: $format,
        };
        tokio::spawn(async move { $check(&bed).await }).await.is_ok()
    }};
}

/// Makes a test of each check: it passes on a sound backend, and fails on each of the broken ones.
macro_rules! detects {
    ($format:expr; $($group:ident { $($check:ident => $($fault:ident),+;)+ })+) => {
        $(mod $group {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                use shared_session_testkit::contract::$group::$check as check;
                assert!(passes!(check, $format, Fault::None), "the check fails on a sound backend");
                $(assert!(
                    !passes!(check, $format, Fault::$fault),
                    "the check passes on a broken backend: {}", stringify!($fault)
                );)+
            })+
        })+
    };
}

/// Renewal in place.
mod json {
    use super::*;

    detects! {
        Format::Json;
        backend {
            operations_apply_to_the_expected_record_only => ReplacesAnything, RestoresRecords, NeverRemoves, CreatesOverOthers;
            any_bytes_are_stored_unchanged => KeepsText;
            records_expire => LoadDoesNotExtend, NeverExpires;
            a_load_without_time_ends_the_record => ExpiresLate;
            one_of_many_replacements_is_applied => ReplacesAnything;
            a_peek_does_not_extend_the_expiry => PeekExtends, NeverExpires;
        }
        index {
            members_are_ordered_by_expiry => IndexForgets, IndexKeeps, IndexUnordered, IndexUnpaged;
            member_keeps_the_later_expiry => IndexShortens;
            members_expire => IndexForgets, IndexNeverExpires;
            concurrent_additions_and_removals_all_take_effect => IndexForgets, IndexKeeps;
        }
        sessions {
            concurrent_changes_to_different_fields_all_take_effect => ReplacesAnything;
            concurrent_removals_and_additions_all_take_effect => ReplacesAnything;
            removed_field_is_not_restored_by_a_reader => ReplacesAnything;
            change_in_flight_does_not_restore_a_destroyed_session => RestoresRecords, NeverRemoves;
            destroyed_session_stays_destroyed_in_every_race => RestoresRecords, NeverRemoves;
            change_in_flight_does_not_restore_an_expired_session => RestoresRecords, NeverExpires;
            session_ends_at_its_idle_and_its_absolute_timeout => NeverExpires, LoadDoesNotExtend;
            unreadable_record_is_an_error_and_stays_unchanged => ReplacesAnything;
        }
        renewal {
            changes_during_a_renewal_are_kept_or_refused => ReplacesAnything;
            one_of_many_concurrent_renewals_gives_out_an_id => ReplacesAnything;
        }
        renewal_in_place {
            concurrent_renewals_store_every_change => ReplacesAnything;
            change_in_flight_is_kept_for_30_seconds => ReplacesAnything;
            change_in_flight_is_refused_after_30_seconds => ReplacesAnything;
            log_out_in_flight_destroys_the_renewed_session => NeverRemoves, RestoresRecords;
            log_out_with_a_superseded_id_destroys_the_session => NeverRemoves, IndexKeeps;
            renewal_that_is_applied_after_settling_changes_nothing => ReplacesAnything;
        }
        sign_in_again {
            sign_in_in_flight_shows_nothing_of_another_session => ReplacesAnything;
            log_out_ends_every_session_of_the_request => NeverRemoves, IndexKeeps;
        }
        dropped {
            creation_ends_without_its_request => IndexForgets;
            log_out_ends_without_its_request => NeverRemoves, IndexKeeps;
            revocation_ends_without_its_request => NeverRemoves, IndexKeeps;
        }
        registry {
            list_shows_devices_times_and_the_current_session => IndexForgets, PeekExtends, NeverExpires;
            user_is_a_text_or_a_number => IndexForgets;
            every_concurrent_sign_in_is_listed => IndexForgets, IndexUnpaged;
            pages_list_every_session_once => IndexForgets, IndexKeeps, IndexUnpaged;
            ended_sessions_leave_the_list => IndexForgets, IndexKeeps, NeverExpires, NeverRemoves;
            session_of_another_program_is_listed_after_the_next_change => IndexForgets;
            session_is_listed_for_its_present_user_only => IndexForgets;
        }
        remember {
            remembered_session_has_its_own_idle_and_absolute_timeout => LoadDoesNotExtend, NeverExpires, IndexForgets;
            remembered_session_is_listed_as_long_as_it_lives => IndexForgets;
            failed_sign_in_leaves_who_is_remembered => IndexShortens;
            remembered_session_ends_at_a_log_out_and_a_revocation => NeverRemoves, RestoresRecords;
            limit_ends_the_oldest_session_remembered_or_not => NeverRemoves, IndexForgets;
        }
        revocation {
            revoked_session_is_rejected_by_every_service => IndexForgets, IndexKeeps, NeverRemoves, RestoresRecords;
            every_live_session_is_listed_and_can_be_revoked => IndexForgets, NeverRemoves;
            renewal_does_not_escape_a_revocation => IndexForgets, NeverRemoves;
            current_session_survives_the_revocation_of_the_others => IndexForgets, NeverRemoves;
            concurrent_sign_ins_of_several_users_stay_apart => ReplacesAnything;
            failed_sign_in_leaves_no_session_unlisted => IndexForgets;
            session_renewed_during_a_revocation_is_revoked => IndexForgets, NeverRemoves;
        }
    }
}

/// Renewal by a move of the record.
mod php {
    use super::*;

    detects! {
        Format::Php;
        renewal {
            old_id_is_rejected_at_once => NeverRemoves;
            one_of_many_concurrent_renewals_gives_out_an_id => NeverRemoves;
        }
        renewal_by_move {
            change_in_flight_is_refused => RestoresRecords, NeverRemoves;
            failed_renewal_leaves_no_second_session => NeverRemoves, IndexKeeps;
        }
        registry {
            renewed_session_is_listed_once => IndexForgets, IndexKeeps;
            copied_record_is_a_session_of_its_own => IndexForgets, NeverRemoves;
        }
        revocation {
            revocation_during_a_sign_in_ends_the_moved_session => RestoresRecords, NeverRemoves;
            session_renewed_during_a_revocation_is_revoked => IndexForgets, NeverRemoves;
            concurrent_sign_ins_of_several_users_stay_apart => NeverRemoves;
        }
    }
}
