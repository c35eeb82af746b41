//! [`contract_tests!`](crate::contract_tests): one test per check of the suite.

/// Makes one test per check of the [contract suite](crate::contract) and per test bed.
///
/// Each line names a module and an expression that returns a new [`TestBed`](crate::TestBed). The tests are
/// called `module::group::check`, so that the name of a failed test is the promise that does not hold. Each test has a
/// bed of its own, because a check may let time pass for every record.
///
/// The [crate's page](crate) has an example.
#[macro_export]
macro_rules! contract_tests {
    ($($bed:ident: $new:expr;)+) => {
        $($crate::__contract_tests! { $bed, $new })+
    };
}

/// The checks of the suite, each of them once, by the module that they are in.
#[doc(hidden)]
#[macro_export]
macro_rules! __contract_tests {
    ($bed:ident, $new:expr) => {
        $crate::__contract_tests! {
            @expand $bed, $new;
            async backend {
                operations_apply_to_the_expected_record_only
                any_bytes_are_stored_unchanged
                records_expire
                a_load_without_time_ends_the_record
                one_of_many_replacements_is_applied
                a_peek_does_not_extend_the_expiry
            }
            async index {
                members_are_ordered_by_expiry
                members_expire
                member_keeps_the_later_expiry
                concurrent_additions_and_removals_all_take_effect
            }
            sync codec {
                untouched_records_keep_their_bytes
                invalid_records_are_errors
            }
            async sessions {
                concurrent_changes_to_different_fields_all_take_effect
                concurrent_removals_and_additions_all_take_effect
                removed_field_is_not_restored_by_a_reader
                last_change_to_a_field_wins
                change_in_flight_does_not_restore_a_destroyed_session
                destroyed_session_stays_destroyed_in_every_race
                change_in_flight_does_not_restore_an_expired_session
                session_ends_at_its_idle_and_its_absolute_timeout
                load_without_extending_keeps_no_session_alive
                sign_in_begins_the_lifetime_anew
                id_that_the_store_did_not_issue_is_rejected
                id_with_another_verifier_is_rejected
                unreadable_record_is_an_error_and_stays_unchanged
                change_of_the_reserved_field_is_refused
                change_beyond_the_maximum_size_is_refused
                larger_record_of_another_program_can_be_loaded_and_shrunk
                load_commit_and_destroy_take_one_operation_each
            }
            async renewal {
                renewed_session_keeps_its_fields
                old_id_is_rejected_at_once
                changes_during_a_renewal_are_kept_or_refused
                one_of_many_concurrent_renewals_gives_out_an_id
            }
            async renewal_in_place {
                renewal_takes_one_operation
                sign_in_by_renewal_takes_one_index_operation_more
                key_handle_and_index_entry_stay
                record_shrinks_when_superseded_ids_are_forgotten
                concurrent_renewals_store_every_change
                change_in_flight_is_kept_for_30_seconds
                change_in_flight_is_refused_after_30_seconds
                sign_out_in_flight_is_kept
                log_out_in_flight_destroys_the_renewed_session
                superseded_id_opens_nothing_and_is_forgotten_after_30_seconds
                log_out_with_a_superseded_id_destroys_the_session
                failed_renewal_leaves_the_session_under_its_old_id
                failed_sign_in_leaves_nobody_signed_in
                failed_sign_in_leaves_the_lifetime_as_it_was
                failed_renewal_leaves_its_user_signed_in
                failed_change_of_user_leaves_the_former_user_signed_in
                renewal_that_is_applied_after_settling_changes_nothing
                changes_during_settling_are_kept
            }
            async sign_in_again {
                sign_in_with_a_superseded_id_takes_over_the_session_of_its_user
                sign_in_in_flight_takes_over_the_session_of_its_user
                sign_in_with_a_superseded_id_shows_nothing_of_another_session
                sign_in_in_flight_shows_nothing_of_another_session
                sign_in_without_a_renewal_is_refused
                concurrent_sign_ins_of_one_user_all_succeed
                sign_in_beside_two_live_sessions_ends_both
                log_out_ends_every_session_of_the_request
            }
            async dropped {
                commit_ends_without_its_request
                creation_ends_without_its_request
                log_out_ends_without_its_request
                renewal_is_settled_without_its_request
                sign_in_without_its_request_takes_nothing_over
                renewal_is_settled_after_the_end_of_its_worker
                moved_session_is_in_one_place
                revocation_ends_without_its_request
            }
            async renewal_by_move {
                change_in_flight_is_refused
                log_out_in_flight_does_not_reach_the_renewed_session
                renewed_session_has_a_new_handle
                failed_renewal_leaves_no_second_session
            }
            async registry {
                list_shows_devices_times_and_the_current_session
                sessions_of_one_second_have_an_order
                user_is_a_text_or_a_number
                device_is_cut_to_200_printable_characters
                every_concurrent_sign_in_is_listed
                pages_list_every_session_once
                ten_thousand_sessions_are_listed_and_revoked
                ended_sessions_leave_the_list
                renewed_session_is_listed_once
                session_of_another_program_is_listed_after_the_next_change
                copied_record_is_a_session_of_its_own
                session_is_listed_for_its_present_user_only
                sign_in_in_flight_is_not_dropped_from_the_list
                sign_in_takes_one_operation_more
                sign_in_by_a_wrong_clock_drops_no_session_from_the_index
            }
            async limit {
                sign_in_beyond_the_limit_ends_the_oldest_sessions
                concurrent_sign_ins_keep_the_limit
                sign_in_keeps_its_own_session
            }
            async remember {
                remembered_session_has_its_own_idle_and_absolute_timeout
                only_a_sign_in_decides_who_is_remembered
                remembered_session_is_listed_as_long_as_it_lives
                id_that_opens_nothing_shortens_no_remembered_session
                sign_in_during_a_load_decides_the_time
                change_in_flight_leaves_the_session_remembered
                sign_in_that_takes_a_session_over_decides_anew
                concurrent_sign_ins_leave_one_kind
                failed_sign_in_leaves_who_is_remembered
                remembered_session_ends_at_a_log_out_and_a_revocation
                limit_ends_the_oldest_session_remembered_or_not
                remembered_session_is_never_shorter_than_an_ordinary_one
            }
            async revocation {
                revoked_session_is_rejected_by_every_service
                every_live_session_is_listed_and_can_be_revoked
                renewal_does_not_escape_a_revocation
                session_renewed_during_a_revocation_is_revoked
                revocation_during_a_sign_in_ends_the_moved_session
                session_of_another_user_is_not_revoked
                current_session_survives_the_revocation_of_the_others
                concurrent_sign_ins_of_several_users_stay_apart
                failed_sign_in_leaves_no_session_unlisted
                half_done_revocation_is_an_error
            }
            async faults {
                failed_operation_is_an_error_and_can_be_retried
                replacement_that_runs_twice_is_applied_once
                unreachable_backend_is_not_called_until_it_replies_again
                refused_index_operation_leaves_no_record
            }
        }
    };
    (@expand $bed:ident, $new:expr; $($kind:tt $group:ident { $($check:ident)+ })+) => {
        mod $bed {
            $(mod $group {
                $(#[::tokio::test(flavor = "multi_thread")]
                async fn $check() {
                    #[allow(unused_imports, clippy::wildcard_imports)]
                    use super::super::*;
                    let bed = $new;
                    $crate::__contract_tests! { @call $kind $crate::contract::$group::$check, &bed };
                })+
            })+
        }
    };
    (@call async $check:path, $bed:expr) => {
        $check($bed).await
    };
    (@call sync $check:path, $bed:expr) => {
        $check($bed)
    };
}
