//! The promises hold in every interleaving of concurrent requests, and the explorer that says so finds every fault that
//! is put in on purpose.

use shared_session_testkit::explorer::{Bounds, Failure, Report, Request, Sabotage, explore};

use Request::{Change, LogOut, NextChange, Renew, Reset, Revoke, Set, SignIn, SignInOther};

/// Those that change the session or its id.
const CHANGES: &[Request] = &[Change, Reset, Renew, NextChange, SignIn, LogOut, Revoke];

/// Two requests, of which none fails.
const TWO: Bounds = Bounds {
    kinds: &Request::ALL,
    requests: 2,
    failures: 0,
    late: 0,
    drops: 0,
    remembered: false,
};

/// Three requests, of which none fails.
const THREE: Bounds = Bounds {
    kinds: &[Change, Set, Reset, Renew, NextChange, SignIn, LogOut],
    requests: 3,
    ..TWO
};

/// Explores, and panics with the shortest run that broke each promise.
fn explored(bounds: Bounds) {
    let Report { runs, failures } = explore(bounds, Sabotage::None);
    println!("{runs} runs: {bounds:?}");
    let describe = |failure: &Failure| {
        let trace = failure.trace.join("\n  ");
        format!("{}, with {:?}:\n  {trace}", failure.reason, failure.requests)
    };
    let failures: Vec<_> = failures.iter().map(describe).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(runs > 500);
}

#[test]
fn promises_hold_in_every_interleaving_of_two_requests() {
    explored(TWO);
}

#[test]
fn promises_hold_in_every_interleaving_of_two_requests_with_a_failure() {
    explored(Bounds {
        kinds: CHANGES,
        failures: 1,
        ..TWO
    });
}

#[test]
fn promises_hold_in_every_interleaving_of_two_requests_with_a_late_reply() {
    explored(Bounds {
        kinds: CHANGES,
        late: 1,
        ..TWO
    });
}

#[test]
fn promises_hold_in_every_interleaving_of_two_requests_of_which_one_is_dropped() {
    explored(Bounds {
        kinds: CHANGES,
        drops: 1,
        ..TWO
    });
}

#[test]
fn promises_hold_in_every_interleaving_of_three_changes_of_one_field_with_a_late_reply() {
    explored(Bounds {
        kinds: &[Change, Set, Reset],
        late: 1,
        ..THREE
    });
}

#[test]
fn promises_hold_in_every_interleaving_of_changes_around_a_renewal_with_a_late_reply() {
    explored(Bounds {
        kinds: &[Change, Renew, NextChange],
        late: 1,
        ..THREE
    });
}

#[test]
fn promises_hold_in_every_interleaving_of_three_sign_ins() {
    explored(Bounds {
        kinds: &[SignIn, SignInOther],
        ..THREE
    });
}

#[test]
fn promises_hold_in_every_interleaving_of_two_requests_with_a_cache() {
    explored(Bounds {
        remembered: true,
        ..TWO
    });
}

#[test]
fn promises_hold_in_every_interleaving_of_three_renewals_with_a_cache() {
    explored(Bounds {
        kinds: &[Renew, NextChange],
        remembered: true,
        ..THREE
    });
}

#[test]
#[ignore = "takes minutes: run it with --ignored"]
fn promises_hold_in_every_interleaving_of_two_requests_with_a_cache_and_a_failure() {
    explored(Bounds {
        kinds: CHANGES,
        failures: 1,
        remembered: true,
        ..TWO
    });
}

#[test]
#[ignore = "takes minutes: run it with --ignored"]
fn promises_hold_in_every_interleaving_of_two_requests_with_a_cache_and_a_late_reply() {
    explored(Bounds {
        kinds: CHANGES,
        late: 1,
        remembered: true,
        ..TWO
    });
}

#[test]
#[ignore = "takes minutes: run it with --ignored"]
fn promises_hold_in_every_interleaving_of_three_requests_with_a_cache() {
    explored(Bounds {
        remembered: true,
        ..THREE
    });
}

#[test]
#[ignore = "takes minutes: run it with --ignored"]
fn promises_hold_in_every_interleaving_of_two_requests_with_two_failures() {
    explored(Bounds { failures: 2, ..TWO });
}

#[test]
#[ignore = "takes minutes: run it with --ignored"]
fn promises_hold_in_every_interleaving_of_two_requests_with_a_failure_and_a_late_reply() {
    explored(Bounds {
        failures: 1,
        late: 1,
        ..TWO
    });
}

#[test]
#[ignore = "takes minutes: run it with --ignored"]
fn promises_hold_in_every_interleaving_of_two_requests_with_a_failure_of_which_one_is_dropped() {
    explored(Bounds {
        failures: 1,
        drops: 1,
        ..TWO
    });
}

#[test]
#[ignore = "takes minutes: run it with --ignored"]
fn promises_hold_in_every_interleaving_of_three_requests_with_a_failure() {
    explored(Bounds { failures: 1, ..THREE });
}

#[test]
#[ignore = "takes minutes: run it with --ignored"]
fn promises_hold_in_every_interleaving_of_three_requests_with_a_late_reply() {
    explored(Bounds { late: 1, ..THREE });
}

#[test]
#[ignore = "takes minutes: run it with --ignored"]
fn promises_hold_in_every_interleaving_of_three_requests_of_which_one_is_dropped() {
    explored(Bounds { drops: 1, ..THREE });
}

/// Each is looked for with the requests that show it.
#[test]
fn each_sabotage_is_found() {
    for sabotage in Sabotage::ALL {
        let bounds = match sabotage {
            Sabotage::CommitWithoutComparison | Sabotage::CommitIgnoresConflict => Bounds {
                kinds: &[Change],
                ..TWO
            },
            Sabotage::ProcessTrustsItsLastRecord => Bounds {
                kinds: &[Set, Reset],
                ..THREE
            },
            Sabotage::LogOutIgnoresChanges => Bounds {
                kinds: &[Change, LogOut],
                ..TWO
            },
            Sabotage::LogOutMissesRenewal => Bounds {
                kinds: &[Renew, LogOut],
                ..TWO
            },
            Sabotage::ChangeBeginsSession => Bounds {
                kinds: &[Change, Renew],
                ..TWO
            },
            Sabotage::NewestIdIsRefused => Bounds {
                kinds: &[Renew, NextChange],
                ..TWO
            },
            Sabotage::RenewalIsNotSettled => Bounds {
                kinds: &[Renew],
                failures: 1,
                ..TWO
            },
            Sabotage::DroppedResponseIsTakenAsDelivered => Bounds {
                kinds: &[Renew],
                drops: 1,
                ..TWO
            },
            Sabotage::RememberedIsNotCompared => Bounds {
                kinds: &[Change],
                remembered: true,
                ..TWO
            },
            Sabotage::ProcessTrustsRemembered => Bounds {
                kinds: &[Set, Reset],
                remembered: true,
                ..TWO
            },
            Sabotage::RecalledRecordIsFinal => Bounds {
                kinds: &[Renew, NextChange],
                remembered: true,
                ..TWO
            },
            Sabotage::None => continue,
        };
        let Report { runs, failures } = explore(bounds, sabotage);
        let failure = failures
            .first()
            .unwrap_or_else(|| panic!("{sabotage:?} is not found in {runs} runs"));
        println!("{sabotage:?}: {}, found in {runs} runs", failure.reason);
    }
}
