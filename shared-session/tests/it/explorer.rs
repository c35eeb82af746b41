//! The promises hold in every interleaving of concurrent requests, and the explorer that says so finds every fault that
//! is put in on purpose.

use shared_session::testing::explorer::{Bounds, Report, Sabotage, explore};

fn explored(requests: usize, failures: usize) -> Report {
    let report = explore(Bounds { requests, failures }, Sabotage::None);
    println!("{requests} requests, at most {failures} failures: {} runs", report.runs);
    if let Some(failure) = &report.failure {
        panic!(
            "{}\n{:?}\n{}",
            failure.reason,
            failure.requests,
            failure.trace.join("\n")
        );
    }
    report
}

#[test]
fn promises_hold_in_every_interleaving_of_two_requests_with_two_failures() {
    assert!(explored(2, 2).runs > 1000);
}

#[test]
fn promises_hold_in_every_interleaving_of_three_requests() {
    assert!(explored(3, 0).runs > 1000);
}

#[test]
#[ignore = "takes minutes: run it with --ignored"]
fn promises_hold_in_every_interleaving_of_three_requests_with_a_failure() {
    assert!(explored(3, 1).runs > 1000);
}

#[test]
fn each_sabotage_is_found() {
    for sabotage in [
        Sabotage::CommitWithoutComparison,
        Sabotage::LogOutIgnoresChanges,
        Sabotage::RenewalIsNotSettled,
        Sabotage::LogOutMissesRenewal,
        Sabotage::ChangeBeginsSession,
    ] {
        let report = explore(
            Bounds {
                requests: 2,
                failures: 1,
            },
            sabotage,
        );
        let failure = report
            .failure
            .unwrap_or_else(|| panic!("{sabotage:?} is not found in {} runs", report.runs));
        println!("{sabotage:?}: {} in {} operations", failure.reason, failure.trace.len());
    }
}
